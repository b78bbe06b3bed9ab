//! Metadata that the server sends back.

use tramline::{Metadata, Request};

use crate::cases::streaming::{REQUEST_LENS, RESPONSE_LENS};
use crate::cases::unary::large_request;
use crate::cases::{Failure, Session, check, output_request};
use crate::test_service::{ECHO_INITIAL, ECHO_TRAILING};

const INITIAL: &str = "test_initial_metadata_value";
const TRAILING: [u8; 3] = [0xab; 3];

pub(super) async fn custom_metadata(session: &Session) -> Result<(), Failure> {
    let call = session.client().unary_call(Request::new(large_request()));
    let response = call.metadata(ECHO_INITIAL, INITIAL).metadata_bin(ECHO_TRAILING, &TRAILING).await?;
    check_echoed(response.metadata(), response.trailers())?;

    let call = session.client().full_duplex_call();
    let call = call.metadata(ECHO_INITIAL, INITIAL).metadata_bin(ECHO_TRAILING, &TRAILING);
    let (requests, mut replies) = call.start();
    requests.send(output_request(RESPONSE_LENS[0], REQUEST_LENS[0])).await?;
    requests.finish();
    let initial = replies.metadata().await?;
    while replies.message().await?.is_some() {}
    check_echoed(&initial, replies.trailers().unwrap_or(&Metadata::new()))
}

fn check_echoed(initial: &Metadata, trailing: &Metadata) -> Result<(), Failure> {
    check(initial.get(ECHO_INITIAL) == Some(INITIAL), format_args!("initial metadata {initial:?}"))?;
    let echoed = trailing.get_bin(ECHO_TRAILING);
    check(echoed.as_deref() == Some(&TRAILING[..]), format_args!("trailing metadata {trailing:?}"))
}
