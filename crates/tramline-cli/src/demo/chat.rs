//! `greeter.Chat`: one method for each kind of streaming.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tramline::codec::buffa::MessageField;
use tramline::codec::buffa::well_known::google::protobuf::Timestamp;
use tramline::{Replies, Request, Response, Status, Streaming};
use tramline_services::error_details::{BadRequest, FieldViolation, StatusExt};

use super::greeter::chat_server::Chat;
use super::greeter::{ChatMessage, ChatRequest, ChatResponse, FileChunk, UploadResponse};

/// Messages of a room, unless the client says how many.
const MESSAGE_COUNT: i32 = 5;

/// Between two messages of a room, so that streaming can be seen.
const MESSAGE_INTERVAL: Duration = Duration::from_millis(200);

/// Who speaks for the server.
const SENDER: &str = "tram demo";

/// `greeter.Chat`: rooms that talk, uploads that are counted, an echo that names who spoke.
#[derive(Debug)]
pub(crate) struct Rooms;

impl Chat for Rooms {
    async fn chat_stream(&self, request: Request<ChatRequest>, replies: Replies<ChatResponse>) -> Result<(), Status> {
        let ChatRequest { room, message_count, .. } = request.into_inner();
        if message_count < 0 {
            return Err(wrong_field("message_count", "a stream has no less than no messages"));
        }
        let message_count = if message_count == 0 { MESSAGE_COUNT } else { message_count };
        for sequence in 1..=message_count {
            if sequence > 1 {
                tokio::time::sleep(MESSAGE_INTERVAL).await;
            }
            let text = format!("message {sequence} of {message_count} in {}", room_name(&room));
            let sender = SENDER.to_owned();
            replies.send(ChatResponse { sender, text, sequence, sent_at: now(), ..Default::default() }).await?;
        }
        Ok(())
    }

    async fn upload_file(&self, request: Request<Streaming<FileChunk>>) -> Result<Response<UploadResponse>, Status> {
        let mut chunks = request.into_inner();
        let mut upload = UploadResponse::default();
        while let Some(chunk) = chunks.message().await? {
            if upload.chunk_count == 0 && chunk.file_name.is_empty() {
                return Err(wrong_field("file_name", "the first chunk names the file"));
            }
            if upload.chunk_count == 0 {
                upload.file_name = chunk.file_name;
            }
            upload.chunk_count = upload.chunk_count.saturating_add(1);
            let len = i64::try_from(chunk.content.len()).unwrap_or(i64::MAX);
            upload.size_bytes = upload.size_bytes.saturating_add(len);
        }
        if upload.chunk_count == 0 {
            return Err(wrong_field("file_name", "a file has at least one chunk, which names it"));
        }
        Ok(Response::new(upload))
    }

    async fn bidirectional_chat(
        &self,
        request: Request<Streaming<ChatMessage>>,
        replies: Replies<ChatMessage>,
    ) -> Result<(), Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            let speaker = if message.sender.is_empty() { "somebody" } else { &message.sender };
            let text = format!("{speaker} said: {}", message.text);
            let sender = SENDER.to_owned();
            replies.send(ChatMessage { sender, text, sent_at: now(), ..Default::default() }).await?;
        }
        Ok(())
    }
}

fn room_name(room: &str) -> &str {
    if room.is_empty() { "the lobby" } else { room }
}

/// INVALID_ARGUMENT, with the field in the details.
fn wrong_field(field: &str, description: &str) -> Status {
    let violation =
        FieldViolation { field: field.to_owned(), description: description.to_owned(), ..Default::default() };
    Status::invalid_argument(format!("{field}: {description}"))
        .with_error_detail(BadRequest { field_violations: vec![violation] })
}

fn now<P: tramline::codec::buffa::ProtoBox<Timestamp>>() -> MessageField<Timestamp, P> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    MessageField::some(Timestamp {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_epoch.subsec_nanos()).unwrap_or_default(),
        ..Default::default()
    })
}
