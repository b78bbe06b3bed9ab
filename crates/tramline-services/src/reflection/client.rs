//! The client's side.

use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tramline::client::Requests;
use tramline::{Channel, Code, Metadata, Status, Streaming};

use super::service::V1ALPHA;
use crate::proto::grpc_reflection as proto;
use proto::server_reflection_request::MessageRequest;
use proto::server_reflection_response::MessageResponse;
use proto::{ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse};

/// A version of the reflection protocol; they differ in their name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// `grpc.reflection.v1`
    V1,
    /// `grpc.reflection.v1alpha`, which older servers have.
    V1Alpha,
}

/// Asks a server about its services, in `v1`, or else in `v1alpha`.
///
/// All questions go over one stream, so that a server sends each file once.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use tramline_services::reflection::ReflectionClient;
///
/// let mut reflection = ReflectionClient::new(tramline::Channel::new("localhost:50051")?);
/// for service in reflection.list_services().await? {
///     let files = reflection.file_containing_symbol(&service).await?;
///     println!("{service}: {} files", files.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ReflectionClient {
    channel: Channel,
    metadata: Metadata,
    timeout: Option<Duration>,
    version: Version,
    has_answered: bool,
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    questions: Requests<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
}

impl ReflectionClient {
    /// A client of the server that `channel` leads to. Nothing is sent yet.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        ReflectionClient {
            channel,
            metadata: Metadata::new(),
            timeout: None,
            version: Version::V1,
            has_answered: false,
            stream: None,
        }
    }

    /// Sends this metadata with its calls.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The deadline of each stream of questions, from its first question on.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The version that the server speaks, as far as it has answered.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The full names of the server's services.
    ///
    /// # Errors
    /// UNIMPLEMENTED if the server does not offer reflection; its own error; or the
    /// call's.
    pub async fn list_services(&mut self) -> Result<Vec<String>, Status> {
        match self.ask(MessageRequest::ListServices("*".to_owned())).await? {
            MessageResponse::ListServicesResponse(list) => {
                Ok(list.service.into_iter().map(|service| service.name).collect())
            }
            other => Err(mismatch(&other)),
        }
    }

    /// The encoded `google.protobuf.FileDescriptorProto` of the file that defines
    /// `symbol`, and those of its imports that the server sends with it: all, except
    /// those that it has sent to this client before.
    ///
    /// # Errors
    /// NOT_FOUND if the server does not know the symbol; or as
    /// [`list_services`](Self::list_services).
    pub async fn file_containing_symbol(&mut self, symbol: &str) -> Result<Vec<Bytes>, Status> {
        self.files(MessageRequest::FileContainingSymbol(symbol.to_owned())).await
    }

    /// As [`file_containing_symbol`](Self::file_containing_symbol), for the name of a file.
    ///
    /// # Errors
    /// NOT_FOUND if the server does not know the file; or as
    /// [`list_services`](Self::list_services).
    pub async fn file_by_name(&mut self, name: &str) -> Result<Vec<Bytes>, Status> {
        self.files(MessageRequest::FileByFilename(name.to_owned())).await
    }

    /// As [`file_containing_symbol`](Self::file_containing_symbol), for the extension of
    /// a message by its number.
    ///
    /// # Errors
    /// NOT_FOUND if the server does not know the extension; or as
    /// [`list_services`](Self::list_services).
    pub async fn file_containing_extension(&mut self, extendee: &str, number: i32) -> Result<Vec<Bytes>, Status> {
        let extension =
            ExtensionRequest { containing_type: extendee.to_owned(), extension_number: number, ..Default::default() };
        self.files(extension.into()).await
    }

    /// The numbers of all extensions of a message.
    ///
    /// # Errors
    /// NOT_FOUND if the server does not know the message; or as
    /// [`list_services`](Self::list_services).
    pub async fn extension_numbers(&mut self, extendee: &str) -> Result<Vec<i32>, Status> {
        match self.ask(MessageRequest::AllExtensionNumbersOfType(extendee.to_owned())).await? {
            MessageResponse::AllExtensionNumbersResponse(numbers) => Ok(numbers.extension_number),
            other => Err(mismatch(&other)),
        }
    }

    async fn files(&mut self, question: MessageRequest) -> Result<Vec<Bytes>, Status> {
        match self.ask(question).await? {
            MessageResponse::FileDescriptorResponse(files) => Ok(files.file_descriptor_proto),
            other => Err(mismatch(&other)),
        }
    }

    /// One question, one answer. A server that ended the stream after an earlier answer
    /// is asked once more on a new one.
    async fn ask(&mut self, question: MessageRequest) -> Result<MessageResponse, Status> {
        self.drop_ended_stream().await;
        let is_reused = self.stream.is_some();
        let mut answer = self.ask_stream(question.clone()).await;
        if matches!(answer, Ok(None)) && is_reused {
            answer = self.ask_stream(question.clone()).await;
        }
        let is_unknown = matches!(&answer, Err(status) if status.code() == Code::Unimplemented);
        if is_unknown && !self.has_answered && self.version == Version::V1 {
            self.version = Version::V1Alpha;
            answer = self.ask_stream(question).await;
        }
        match answer? {
            Some(MessageResponse::ErrorResponse(error)) => Err(refusal(*error)),
            Some(answer) => Ok(answer),
            None => Err(Status::internal("the reflection service ended without an answer")),
        }
    }

    /// A stream that is over while nobody waits for an answer, by its deadline or by the
    /// server's will, says nothing about the next question.
    async fn drop_ended_stream(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        let is_alive = {
            let mut end = std::pin::pin!(stream.answers.message());
            std::future::poll_fn(|cx| Poll::Ready(end.as_mut().poll(cx).is_pending())).await
        };
        if is_alive {
            self.stream = Some(stream);
        }
    }

    async fn ask_stream(&mut self, question: MessageRequest) -> Result<Option<MessageResponse>, Status> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open(),
        };
        let request = ServerReflectionRequest { message_request: Some(question), ..Default::default() };
        // A send that fails does so because the call is over; how, the answers say.
        let _ = stream.questions.send(request).await;
        let answer = stream.answers.message().await?;
        if answer.is_some() {
            self.has_answered = true;
            self.stream = Some(stream);
        }
        Ok(answer.and_then(|answer| answer.message_response))
    }

    fn open(&self) -> Stream {
        let method = match self.version {
            Version::V1 => &proto::server_reflection_service::SERVER_REFLECTION_INFO,
            Version::V1Alpha => &V1ALPHA,
        };
        let mut call = self.channel.bidi_streaming(method);
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout);
        }
        for (key, value) in self.metadata.iter() {
            call = match value.to_bytes() {
                Some(octets) if value.is_binary() => call.metadata_bin(key, &octets),
                _ => call.metadata(key, value.as_str().unwrap_or_default()),
            };
        }
        let (questions, answers) = call.start();
        Stream { questions, answers }
    }
}

/// The server's refusal, as the status that it stands for.
fn refusal(error: proto::ErrorResponse) -> Status {
    Status::new(Code::from_i32(error.error_code), error.error_message)
}

fn mismatch(answer: &MessageResponse) -> Status {
    let kind = match answer {
        MessageResponse::FileDescriptorResponse(_) => "files",
        MessageResponse::AllExtensionNumbersResponse(_) => "extension numbers",
        MessageResponse::ListServicesResponse(_) => "a list of services",
        MessageResponse::ErrorResponse(_) => "an error",
    };
    Status::internal(format!("the reflection service answered another question: with {kind}"))
}
