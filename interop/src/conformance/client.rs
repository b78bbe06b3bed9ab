//! The program that calls the suite's reference server as each request says.

use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tramline::client::Requests;
use tramline::codec::buffa::Message;
use tramline::codec::buffa::well_known::google::protobuf::Any;
use tramline::{Channel, ClientTls, Encoding, Metadata, Request, Status, Streaming, TlsIdentity};

use super::cancel::Timing;
use super::{error, headers};
use crate::protos::connectrpc::conformance::v1::client_compat_response::Result as Outcome;
use crate::protos::connectrpc::conformance::v1::conformance_service_client::ConformanceServiceClient;
use crate::protos::connectrpc::conformance::v1::{
    BidiStreamRequest, BidiStreamResponse, ClientCompatRequest, ClientCompatResponse, ClientErrorResult,
    ClientResponseResult, ClientStreamRequest, Compression, ConformancePayload, ServerStreamRequest,
    ServerStreamResponse, StreamType, UnaryRequest, UnimplementedRequest,
};

/// Makes the call that is asked for and says how it went.
pub async fn answer(request: ClientCompatRequest) -> ClientCompatResponse {
    let test_name = request.test_name.clone();
    let outcome = match invoke(&request).await {
        Ok(result) => Outcome::from(result),
        Err(message) => Outcome::from(ClientErrorResult { message, ..Default::default() }),
    };
    ClientCompatResponse { test_name, result: Some(outcome), ..Default::default() }
}

async fn invoke(request: &ClientCompatRequest) -> Result<ClientResponseResult, String> {
    let call = Call {
        client: ConformanceServiceClient::new(connect(request)?),
        plan: request,
        timing: Timing::of(request),
        metadata: metadata(request)?,
    };
    match request.method.as_deref() {
        Some("Unary") => call.unary().await,
        Some("ServerStream") => call.server_stream().await,
        Some("ClientStream") => call.client_stream().await,
        Some("BidiStream") => call.bidi_stream().await,
        Some("Unimplemented") => call.unimplemented().await,
        other => Err(format!("no method {other:?} for gRPC")),
    }
}

fn connect(request: &ClientCompatRequest) -> Result<Channel, String> {
    let mut builder = Channel::builder(&format!("{}:{}", request.host, request.port)).compression(encoding(request)?);
    if request.message_receive_limit > 0 {
        builder = builder.message_len_max(request.message_receive_limit as usize);
    }
    if !request.server_tls_cert.is_empty() {
        builder = builder.tls(tls(request).map_err(|error| error.to_string())?);
    }
    builder.build().map_err(|error| error.to_string())
}

fn tls(request: &ClientCompatRequest) -> Result<ClientTls, tramline::Error> {
    match request.client_tls_creds.as_option() {
        Some(own) => {
            ClientTls::with_identity(Some(&request.server_tls_cert), TlsIdentity::from_pem(&own.cert, &own.key)?)
        }
        None => ClientTls::with_roots(&request.server_tls_cert),
    }
}

fn encoding(request: &ClientCompatRequest) -> Result<Encoding, String> {
    match request.compression.as_known() {
        Some(Compression::COMPRESSION_UNSPECIFIED | Compression::COMPRESSION_IDENTITY) => Ok(Encoding::Identity),
        Some(Compression::COMPRESSION_GZIP) => Ok(Encoding::Gzip),
        Some(Compression::COMPRESSION_BR) => Ok(Encoding::Br),
        Some(Compression::COMPRESSION_ZSTD) => Ok(Encoding::Zstd),
        Some(Compression::COMPRESSION_DEFLATE) => Ok(Encoding::Deflate),
        Some(Compression::COMPRESSION_SNAPPY) => Ok(Encoding::Snappy),
        None => Err(format!("compression {:?}", request.compression)),
    }
}

fn metadata(request: &ClientCompatRequest) -> Result<Metadata, String> {
    let mut metadata = Metadata::new();
    headers::append(&mut metadata, &request.request_headers).map_err(|status| status.to_string())?;
    Ok(metadata)
}

/// Gives a call the deadline of its plan, if that has one.
macro_rules! with_timeout {
    ($plan:expr, $call:expr) => {
        match $plan.timeout_ms {
            Some(timeout) => $call.timeout(Duration::from_millis(timeout.into())),
            None => $call,
        }
    };
}

struct Call<'r> {
    client: ConformanceServiceClient,
    plan: &'r ClientCompatRequest,
    timing: Timing,
    metadata: Metadata,
}

impl Call<'_> {
    fn only_message<T: Message>(&self) -> Result<Request<T>, String> {
        let [message] = &self.plan.request_messages[..] else {
            return Err(format!("{} request messages, not one", self.plan.request_messages.len()));
        };
        let mut request = Request::new(unpack(message)?);
        *request.metadata_mut() = self.metadata.clone();
        Ok(request)
    }

    async fn unary(self) -> Result<ClientResponseResult, String> {
        let request = self.only_message::<UnaryRequest>()?;
        sleep(self.request_delay()).await;
        let response = self.within(with_timeout!(self.plan, self.client.unary(request))).await;
        Ok(match response {
            Ok(response) => {
                let (message, initial, trailers) = response.into_parts();
                ClientResponseResult {
                    payloads: vec![message.payload.into_option().unwrap_or_default()],
                    ..result(&initial, &trailers)
                }
            }
            Err(status) => failed(&Metadata::new(), &status),
        })
    }

    async fn unimplemented(self) -> Result<ClientResponseResult, String> {
        let request = self.only_message::<UnimplementedRequest>()?;
        let response = self.within(with_timeout!(self.plan, self.client.unimplemented(request))).await;
        Ok(match response {
            Ok(response) => result(response.metadata(), response.trailers()),
            Err(status) => failed(&Metadata::new(), &status),
        })
    }

    async fn server_stream(self) -> Result<ClientResponseResult, String> {
        let request = self.only_message::<ServerStreamRequest>()?;
        sleep(self.request_delay()).await;
        let begun = self.within(with_timeout!(self.plan, self.client.server_stream(request))).await;
        let mut replies = match begun {
            Ok(response) => response.into_inner(),
            Err(status) => return Ok(failed(&Metadata::new(), &status)),
        };
        let mut received = Received::default();
        received
            .read_all(&mut replies, self.timing, |reply: ServerStreamResponse| {
                reply.payload.into_option().unwrap_or_default()
            })
            .await;
        Ok(received.result())
    }

    async fn client_stream(self) -> Result<ClientResponseResult, String> {
        let mut call = with_timeout!(self.plan, self.client.client_stream());
        for (name, value) in text_and_binary(&self.metadata) {
            call = match value {
                Entry::Text(value) => call.metadata(name, &value),
                Entry::Binary(value) => call.metadata_bin(name, &value),
            };
        }
        let (requests, mut reply) = call.start();
        for message in &self.plan.request_messages {
            let message = unpack::<ClientStreamRequest>(message)?;
            sleep(self.request_delay()).await;
            if requests.send(message).await.is_err() {
                break;
            }
        }
        if self.timing == Timing::BeforeCloseSend {
            return Ok(failed(&Metadata::new(), &cancelled()));
        }
        requests.finish();
        let initial = self.within(reply.metadata()).await;
        let initial = match initial {
            Ok(initial) => initial,
            Err(status) => return Ok(failed(&Metadata::new(), &status)),
        };
        Ok(match self.within(reply).await {
            Ok(response) => {
                let (message, initial, trailers) = response.into_parts();
                ClientResponseResult {
                    payloads: vec![message.payload.into_option().unwrap_or_default()],
                    ..result(&initial, &trailers)
                }
            }
            Err(status) => failed(&initial, &status),
        })
    }

    async fn bidi_stream(self) -> Result<ClientResponseResult, String> {
        let mut call = with_timeout!(self.plan, self.client.bidi_stream());
        for (name, value) in text_and_binary(&self.metadata) {
            call = match value {
                Entry::Text(value) => call.metadata(name, &value),
                Entry::Binary(value) => call.metadata_bin(name, &value),
            };
        }
        let (requests, mut replies) = call.start();
        let mut received = Received::default();
        self.send_all(&requests, &mut replies, &mut received).await?;
        if self.timing == Timing::BeforeCloseSend {
            received.end = Some(Err(cancelled()));
        }
        requests.finish();
        let payload = |reply: BidiStreamResponse| reply.payload.into_option().unwrap_or_default();
        received.read_all(&mut replies, self.timing, payload).await;
        Ok(received.result())
    }

    /// Sends all requests, each followed by its response where the stream is full duplex.
    async fn send_all(
        &self,
        requests: &Requests<BidiStreamRequest>,
        replies: &mut Streaming<BidiStreamResponse>,
        received: &mut Received,
    ) -> Result<(), String> {
        let is_full_duplex = self.plan.stream_type.as_known() == Some(StreamType::STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM);
        for message in &self.plan.request_messages {
            let message = unpack::<BidiStreamRequest>(message)?;
            sleep(self.request_delay()).await;
            if received.end.is_some() || requests.send(message).await.is_err() {
                break;
            }
            if is_full_duplex {
                received.read_one(replies, self.timing, |reply| reply.payload.into_option().unwrap_or_default()).await;
            }
        }
        Ok(())
    }

    fn request_delay(&self) -> Duration {
        Duration::from_millis(self.plan.request_delay_ms.into())
    }

    /// Waits for `call`, or drops it when it is time to cancel.
    async fn within<T>(&self, call: impl IntoFuture<Output = Result<T, Status>>) -> Result<T, Status> {
        cancel_after(self.timing.delay(), call.into_future()).await
    }
}

async fn cancel_after<T>(delay: Option<Duration>, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match delay {
        None => call.await,
        Some(delay) => timeout(delay, call).await.unwrap_or_else(|_| Err(cancelled())),
    }
}

/// What came on a stream of responses.
#[derive(Default)]
struct Received {
    payloads: Vec<ConformancePayload>,
    initial: Metadata,
    /// How the stream ended, with its trailers.
    end: Option<Result<Metadata, Status>>,
}

impl Received {
    async fn read_all<T>(
        &mut self,
        replies: &mut Streaming<T>,
        timing: Timing,
        payload: impl Fn(T) -> ConformancePayload,
    ) {
        let reading = async {
            while self.end.is_none() {
                self.read_one(replies, timing, &payload).await;
            }
            Ok(())
        };
        if let Err(status) = cancel_after(timing.delay(), reading).await {
            self.end = Some(Err(status));
        }
    }

    async fn read_one<T>(
        &mut self,
        replies: &mut Streaming<T>,
        timing: Timing,
        payload: impl Fn(T) -> ConformancePayload,
    ) {
        match replies.message().await {
            Ok(Some(reply)) => self.payloads.push(payload(reply)),
            Ok(None) => self.end = Some(Ok(replies.trailers().cloned().unwrap_or_default())),
            Err(status) => self.end = Some(Err(status)),
        }
        if self.initial.is_empty() {
            self.initial = replies.metadata().await.unwrap_or_default();
        }
        if self.end.is_none() && timing == Timing::AfterResponses(self.payloads.len()) {
            self.end = Some(Err(cancelled()));
        }
    }

    fn result(self) -> ClientResponseResult {
        let end = self.end.unwrap_or_else(|| Ok(Metadata::new()));
        let ended = match &end {
            Ok(trailers) => result(&self.initial, trailers),
            Err(status) => failed(&self.initial, status),
        };
        ClientResponseResult { payloads: self.payloads, ..ended }
    }
}

/// A metadata entry as a call's builder takes it.
enum Entry {
    Text(String),
    Binary(Vec<u8>),
}

fn text_and_binary(metadata: &Metadata) -> Vec<(&str, Entry)> {
    let entry = |value: tramline::Value<'_>| match value.as_str() {
        Some(text) => Entry::Text(text.to_owned()),
        None => Entry::Binary(value.to_bytes().unwrap_or_default().to_vec()),
    };
    metadata.iter().map(|(name, value)| (name, entry(value))).collect()
}

fn result(initial: &Metadata, trailers: &Metadata) -> ClientResponseResult {
    ClientResponseResult {
        response_headers: headers::to_headers(initial),
        response_trailers: headers::to_headers(trailers),
        ..Default::default()
    }
}

fn failed(initial: &Metadata, status: &Status) -> ClientResponseResult {
    ClientResponseResult { error: error::of_status(status).into(), ..result(initial, status.metadata()) }
}

fn cancelled() -> Status {
    Status::cancelled("the suite wanted it")
}

fn unpack<T: Message>(message: &Any) -> Result<T, String> {
    T::decode_from_slice(&message.value).map_err(|error| error.to_string())
}
