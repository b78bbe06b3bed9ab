//! Calls that end before their time. In Tramline's client a call is cancelled by
//! dropping the half that waits for its end; the other half then says how it ended.

use std::time::Duration;

use tramline::Code;

use crate::cases::streaming::{REQUEST_LENS, RESPONSE_LENS};
use crate::cases::{Failure, Session, check, check_code, output_request, payload};
use crate::protos::grpc::testing::{StreamingInputCallRequest, StreamingOutputCallRequest};

const SHORT_TIMEOUT: Duration = Duration::from_millis(1);

pub(super) async fn cancel_after_begin(session: &Session) -> Result<(), Failure> {
    let (requests, reply) = session.client().streaming_input_call().start();
    drop(reply);
    check_code(requests.send(StreamingInputCallRequest::default()).await, Code::Cancelled).map(drop)
}

pub(super) async fn cancel_after_first_response(session: &Session) -> Result<(), Failure> {
    let (requests, mut replies) = session.client().full_duplex_call().start();
    requests.send(output_request(RESPONSE_LENS[0], REQUEST_LENS[0])).await?;
    check(replies.message().await?.is_some(), "no reply")?;
    drop(replies);
    check_code(requests.send(StreamingOutputCallRequest::default()).await, Code::Cancelled).map(drop)
}

pub(super) async fn timeout_on_sleeping_server(session: &Session) -> Result<(), Failure> {
    let (requests, mut replies) = session.client().full_duplex_call().timeout(SHORT_TIMEOUT).start();
    let request = StreamingOutputCallRequest { payload: payload(REQUEST_LENS[0]).into(), ..Default::default() };
    // Time may be up before it is sent; the replies say so as well.
    let _ = requests.send(request).await;
    check_code(replies.message().await, Code::DeadlineExceeded).map(drop)
}
