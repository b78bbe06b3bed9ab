//! The official interop cases, from the client's side (gRPC interop-test-descriptions).

mod cancellation;
mod compression;
mod metadata;
mod soak;
mod status;
mod streaming;
mod unary;

use std::fmt;

use bytes::Bytes;
use tramline::{Channel, Code, Status};

use crate::certificates;
use crate::flags::Flags;
use crate::protos::grpc::testing::test_service_client::TestServiceClient;
use crate::protos::grpc::testing::{Payload, ResponseParameters, StreamingOutputCallRequest};

/// The longest message that the cases receive is below this.
const MESSAGE_LEN_MAX: usize = 16 * 1024 * 1024;

/// Why a case failed.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure(format!("{status:?}"))
    }
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Failure(error)
    }
}

/// A server to test against.
#[derive(Debug)]
pub struct Session {
    flags: Flags,
    channel: Channel,
}

impl Session {
    /// A session with the server that the flags name.
    ///
    /// # Errors
    /// The flags do not name one.
    pub fn new(flags: Flags) -> Result<Session, String> {
        let channel = connect(&flags)?;
        Ok(Session { flags, channel })
    }

    fn client(&self) -> TestServiceClient {
        TestServiceClient::new(self.channel.clone())
    }

    /// A channel with connections of its own.
    fn connect_again(&self) -> Result<Channel, Failure> {
        Ok(connect(&self.flags)?)
    }
}

fn connect(flags: &Flags) -> Result<Channel, String> {
    let host = flags.get("server_host").unwrap_or("localhost");
    let port: u16 = flags.number("server_port", 10000)?;
    let mut builder = Channel::builder(&format!("{host}:{port}")).message_len_max(MESSAGE_LEN_MAX);
    if let Some(name) = flags.get("server_host_override") {
        builder = builder.authority(name);
    }
    if flags.is_yes("use_tls") {
        builder = builder.tls(certificates::client_tls(flags)?);
    }
    builder.build().map_err(|error| error.to_string())
}

/// Runs one case.
///
/// # Errors
/// It failed, or there is no such case.
pub async fn run(case: &str, session: &Session) -> Result<(), Failure> {
    match case {
        "empty_unary" => unary::empty_unary(session).await,
        "large_unary" => unary::large_unary(session).await,
        "pick_first_unary" => unary::pick_first_unary(session).await,
        "client_compressed_unary" => compression::client_compressed_unary(session).await,
        "server_compressed_unary" => compression::server_compressed_unary(session).await,
        "client_compressed_streaming" => compression::client_compressed_streaming(session).await,
        "server_compressed_streaming" => compression::server_compressed_streaming(session).await,
        "client_streaming" => streaming::client_streaming(session).await,
        "server_streaming" => streaming::server_streaming(session).await,
        "ping_pong" => streaming::ping_pong(session).await,
        "empty_stream" => streaming::empty_stream(session).await,
        "custom_metadata" => metadata::custom_metadata(session).await,
        "status_code_and_message" => status::status_code_and_message(session).await,
        "special_status_message" => status::special_status_message(session).await,
        "unimplemented_method" => status::unimplemented_method(session).await,
        "unimplemented_service" => status::unimplemented_service(session).await,
        "cancel_after_begin" => cancellation::cancel_after_begin(session).await,
        "cancel_after_first_response" => cancellation::cancel_after_first_response(session).await,
        "timeout_on_sleeping_server" => cancellation::timeout_on_sleeping_server(session).await,
        "rpc_soak" => soak::rpc_soak(session).await,
        "channel_soak" => soak::channel_soak(session).await,
        _ => Err(Failure(format!("this client has no case {case}"))),
    }
}

fn check(is_so: bool, otherwise: impl fmt::Display) -> Result<(), Failure> {
    if is_so { Ok(()) } else { Err(Failure(otherwise.to_string())) }
}

fn check_code<T>(result: Result<T, Status>, wanted: Code) -> Result<Status, Failure> {
    match result {
        Ok(_) => Err(Failure(format!("OK, wanted {wanted}"))),
        Err(status) if status.code() == wanted => Ok(status),
        Err(status) => Err(Failure(format!("{status:?}, wanted {wanted}"))),
    }
}

fn payload(len: usize) -> Payload {
    Payload { body: Bytes::from(vec![0; len]), ..Default::default() }
}

/// A request for one response of `response_len`, with a payload of its own.
fn output_request(response_len: i32, payload_len: usize) -> StreamingOutputCallRequest {
    let parameters = ResponseParameters { size: response_len, ..Default::default() };
    let payload = payload(payload_len).into();
    StreamingOutputCallRequest { response_parameters: vec![parameters], payload, ..Default::default() }
}
