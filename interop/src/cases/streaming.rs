//! Calls that stream.

use crate::cases::{Failure, Session, check, output_request, payload};
use crate::protos::grpc::testing::{ResponseParameters, StreamingInputCallRequest, StreamingOutputCallRequest};

pub(super) const REQUEST_LENS: [usize; 4] = [27_182, 8, 1_828, 45_904];
pub(super) const RESPONSE_LENS: [i32; 4] = [31_415, 9, 2_653, 58_979];
const AGGREGATED_LEN: i32 = 74_922;

pub(super) async fn client_streaming(session: &Session) -> Result<(), Failure> {
    let (requests, reply) = session.client().streaming_input_call().start();
    for len in REQUEST_LENS {
        requests.send(StreamingInputCallRequest { payload: payload(len).into(), ..Default::default() }).await?;
    }
    requests.finish();
    let len = reply.await?.get_ref().aggregated_payload_size;
    check(len == AGGREGATED_LEN, format_args!("{len} octets were counted"))
}

pub(super) async fn server_streaming(session: &Session) -> Result<(), Failure> {
    let parameter = |size| ResponseParameters { size, ..Default::default() };
    let response_parameters = RESPONSE_LENS.map(parameter).to_vec();
    let request = StreamingOutputCallRequest { response_parameters, ..Default::default() };
    let mut replies = session.client().streaming_output_call(request).await?.into_inner();
    let mut lens = Vec::new();
    while let Some(reply) = replies.message().await? {
        lens.push(reply.payload.body.len() as i32);
    }
    check(lens == RESPONSE_LENS, format_args!("replies of {lens:?} octets"))
}

pub(super) async fn ping_pong(session: &Session) -> Result<(), Failure> {
    let (requests, mut replies) = session.client().full_duplex_call().start();
    for (request_len, response_len) in REQUEST_LENS.into_iter().zip(RESPONSE_LENS) {
        requests.send(output_request(response_len, request_len)).await?;
        let len = replies.message().await?.map(|reply| reply.payload.body.len() as i32);
        check(len == Some(response_len), format_args!("a reply of {len:?} octets, wanted {response_len}"))?;
    }
    requests.finish();
    check(replies.message().await?.is_none(), "a reply too many")
}

pub(super) async fn empty_stream(session: &Session) -> Result<(), Failure> {
    let (requests, mut replies) = session.client().full_duplex_call().start();
    requests.finish();
    check(replies.message().await?.is_none(), "a reply to nothing")
}
