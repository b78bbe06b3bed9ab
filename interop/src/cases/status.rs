//! How calls fail.

use tramline::{Code, Status};

use crate::cases::{Failure, Session, check, check_code};
use crate::protos::grpc::testing::unimplemented_service_client::UnimplementedServiceClient;
use crate::protos::grpc::testing::{EchoStatus, Empty, SimpleRequest, StreamingOutputCallRequest};

const MESSAGE: &str = "test status message";
const SPECIAL_MESSAGE: &str = "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n";

pub(super) async fn status_code_and_message(session: &Session) -> Result<(), Failure> {
    let unary = SimpleRequest { response_status: echo(MESSAGE).into(), ..Default::default() };
    check_status(session.client().unary_call(unary).await, MESSAGE)?;
    let (requests, mut replies) = session.client().full_duplex_call().start();
    let streamed = StreamingOutputCallRequest { response_status: echo(MESSAGE).into(), ..Default::default() };
    requests.send(streamed).await?;
    requests.finish();
    check_status(replies.message().await, MESSAGE)
}

pub(super) async fn special_status_message(session: &Session) -> Result<(), Failure> {
    let request = SimpleRequest { response_status: echo(SPECIAL_MESSAGE).into(), ..Default::default() };
    check_status(session.client().unary_call(request).await, SPECIAL_MESSAGE)
}

pub(super) async fn unimplemented_method(session: &Session) -> Result<(), Failure> {
    check_code(session.client().unimplemented_call(Empty::default()).await, Code::Unimplemented).map(drop)
}

pub(super) async fn unimplemented_service(session: &Session) -> Result<(), Failure> {
    let client = UnimplementedServiceClient::new(session.channel.clone());
    check_code(client.unimplemented_call(Empty::default()).await, Code::Unimplemented).map(drop)
}

fn echo(message: &str) -> EchoStatus {
    EchoStatus { code: Code::Unknown as i32, message: message.to_owned(), ..Default::default() }
}

fn check_status<T>(result: Result<T, Status>, message: &str) -> Result<(), Failure> {
    let status = check_code(result, Code::Unknown)?;
    check(status.message() == message, format_args!("message {:?}, wanted {message:?}", status.message()))
}
