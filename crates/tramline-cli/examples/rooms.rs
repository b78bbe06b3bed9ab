//! All four kinds of calls in one program: a server with health and reflection that ends
//! in order, and a client of it.
//!
//! `cargo run -p tramline-cli --example rooms`

use std::time::Duration;

use tramline::{Channel, Replies, Request, Response, Server, Status, Streaming};
use tramline_services::health::{self, HealthReporter, ServingStatus};
use tramline_services::reflection::Reflection;

mod greeter {
    tramline::include_proto!("greeter");
}
use greeter::chat_client::ChatClient;
use greeter::chat_server::{Chat, ChatServer};
use greeter::{ChatMessage, ChatRequest, ChatResponse, FileChunk, UploadResponse, chat_service};

struct Rooms;

impl Chat for Rooms {
    /// Server streaming: `send` waits while the client is behind.
    async fn chat_stream(&self, request: Request<ChatRequest>, replies: Replies<ChatResponse>) -> Result<(), Status> {
        for sequence in 1..=request.get_ref().message_count {
            let text = format!("hello from {}", request.get_ref().room);
            replies.send(ChatResponse { text, sequence, ..Default::default() }).await?;
        }
        Ok(())
    }

    /// Client streaming: messages until there are none.
    async fn upload_file(&self, request: Request<Streaming<FileChunk>>) -> Result<Response<UploadResponse>, Status> {
        let mut chunks = request.into_inner();
        let mut upload = UploadResponse::default();
        while let Some(chunk) = chunks.message().await? {
            upload.chunk_count += 1;
            upload.size_bytes += chunk.content.len() as i64;
        }
        Ok(Response::new(upload))
    }

    /// Both at once.
    async fn bidirectional_chat(
        &self,
        request: Request<Streaming<ChatMessage>>,
        replies: Replies<ChatMessage>,
    ) -> Result<(), Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            replies.send(message).await?;
        }
        Ok(())
    }
}

async fn talk(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let chat = ChatClient::new(Channel::new(address)?);

    let request = ChatRequest { room: "lobby".into(), message_count: 2, ..Default::default() };
    let mut responses = chat.chat_stream(request).await?.into_inner();
    while let Some(response) = responses.message().await? {
        println!("{}: {}", response.sequence, response.text);
    }

    let (chunks, reply) = chat.upload_file().start();
    chunks.send(FileChunk { file_name: "a.txt".into(), content: "one".into(), ..Default::default() }).await?;
    chunks.finish();
    println!("{} octets arrived", reply.await?.get_ref().size_bytes);

    let (messages, mut echoes) = chat.bidirectional_chat().timeout(Duration::from_secs(5)).start();
    messages.send(ChatMessage { text: "hi".into(), ..Default::default() }).await?;
    messages.finish();
    while let Some(echo) = echoes.message().await? {
        println!("echo: {}", echo.text);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let health = HealthReporter::new();
    health.set(chat_service::NAME, ServingStatus::Serving);
    let reflection = Reflection::builder()
        .descriptor_set(greeter::FILE_DESCRIPTOR_SET)
        .descriptor_set(health::DESCRIPTOR_SET)
        .build()?;
    let server = Server::builder()
        .add_service(ChatServer::new(Rooms))
        .add_service(health.service())
        .add_service(reflection)
        .bind("127.0.0.1:0")?;
    let address = server.local_addr().ok_or("no address")?.to_string();
    let handle = server.start()?;
    talk(&address).await?;
    // No new calls; those in flight get ten seconds. `serve_until(signal, grace)` is both in one.
    handle.drain(Duration::from_secs(10)).await;
    Ok(())
}
