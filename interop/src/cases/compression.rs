//! Calls whose messages are compressed, or are not. These cases look at each message's
//! compressed flag, so that a peer that never compresses does not pass them.

use tramline::{Code, Encoding, Response};

use crate::cases::unary::{RESPONSE_LEN, check_len, large_request};
use crate::cases::{Failure, Session, check, check_code, payload};
use crate::protos::grpc::testing::{
    BoolValue, ResponseParameters, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest,
};

const REQUEST_LENS: [usize; 2] = [27_182, 45_904];
const AGGREGATED_LEN: i32 = 73_086;
const RESPONSE_LENS: [i32; 2] = [31_415, 92_653];

fn bool_value(value: bool) -> BoolValue {
    BoolValue { value, ..Default::default() }
}

fn expecting(is_compressed: bool) -> SimpleRequest {
    SimpleRequest { expect_compressed: bool_value(is_compressed).into(), ..large_request() }
}

/// A server that cannot tell is found out by a message that is not as announced.
pub(super) async fn client_compressed_unary(session: &Session) -> Result<(), Failure> {
    let client = session.client();
    check_code(client.unary_call(expecting(true)).await, Code::InvalidArgument)?;
    check_len(client.unary_call(expecting(true)).compression(Encoding::Gzip).await?.get_ref(), RESPONSE_LEN)?;
    check_len(client.unary_call(expecting(false)).await?.get_ref(), RESPONSE_LEN)
}

pub(super) async fn server_compressed_unary(session: &Session) -> Result<(), Failure> {
    for is_compressed in [true, false] {
        let request = SimpleRequest { response_compressed: bool_value(is_compressed).into(), ..large_request() };
        let response: Response<_> = session.client().unary_call(request).await?;
        check_len(response.get_ref(), RESPONSE_LEN)?;
        check_flag(response.was_compressed(), is_compressed)?;
    }
    Ok(())
}

pub(super) async fn client_compressed_streaming(session: &Session) -> Result<(), Failure> {
    let request = |len, is_compressed| StreamingInputCallRequest {
        payload: payload(len).into(),
        expect_compressed: bool_value(is_compressed).into(),
        ..Default::default()
    };
    let (requests, reply) = session.client().streaming_input_call().start();
    // The server may have ended the call by now; its reply says so.
    let _ = requests.send(request(REQUEST_LENS[0], true)).await;
    requests.finish();
    check_code(reply.await, Code::InvalidArgument)?;

    let (requests, reply) = session.client().streaming_input_call().compression(Encoding::Gzip).start();
    requests.send(request(REQUEST_LENS[0], true)).await?;
    requests.send_uncompressed(request(REQUEST_LENS[1], false)).await?;
    requests.finish();
    let len = reply.await?.get_ref().aggregated_payload_size;
    check(len == AGGREGATED_LEN, format_args!("{len} octets were counted"))
}

pub(super) async fn server_compressed_streaming(session: &Session) -> Result<(), Failure> {
    let parameters = |size, is_compressed| ResponseParameters {
        size,
        compressed: bool_value(is_compressed).into(),
        ..Default::default()
    };
    let response_parameters = vec![parameters(RESPONSE_LENS[0], true), parameters(RESPONSE_LENS[1], false)];
    let request = StreamingOutputCallRequest { response_parameters, ..Default::default() };
    let mut replies = session.client().streaming_output_call(request).await?.into_inner();
    for (wanted, is_compressed) in RESPONSE_LENS.into_iter().zip([true, false]) {
        let len = replies.message().await?.map(|reply| reply.payload.body.len() as i32);
        check(len == Some(wanted), format_args!("a reply of {len:?} octets, wanted {wanted}"))?;
        check_flag(replies.was_compressed(), is_compressed)?;
    }
    check(replies.message().await?.is_none(), "a reply too many")
}

fn check_flag(was_compressed: bool, wanted: bool) -> Result<(), Failure> {
    check(was_compressed == wanted, format_args!("a reply with compressed flag {was_compressed}, wanted {wanted}"))
}
