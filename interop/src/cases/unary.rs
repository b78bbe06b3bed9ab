//! Calls with one message each way.

use crate::cases::{Failure, Session, check, payload};
use crate::protos::grpc::testing::{Empty, SimpleRequest, SimpleResponse};

pub(super) const REQUEST_LEN: usize = 271_828;
pub(super) const RESPONSE_LEN: i32 = 314_159;
/// Calls that have to reach one and the same server.
const PICKS: usize = 5;

pub(super) async fn empty_unary(session: &Session) -> Result<(), Failure> {
    let reply = session.client().empty_call(Empty::default()).await?.into_inner();
    check(reply == Empty::default(), "a reply with content")
}

pub(super) async fn large_unary(session: &Session) -> Result<(), Failure> {
    check_len(session.client().unary_call(large_request()).await?.get_ref(), RESPONSE_LEN)
}

pub(super) async fn pick_first_unary(session: &Session) -> Result<(), Failure> {
    let mut ids = Vec::new();
    for _ in 0..PICKS {
        let request = SimpleRequest { fill_server_id: true, response_size: 1, ..Default::default() };
        ids.push(session.client().unary_call(request).await?.into_inner().server_id);
    }
    check(ids.iter().all(|id| !id.is_empty() && *id == ids[0]), format_args!("servers {ids:?}"))
}

pub(super) fn large_request() -> SimpleRequest {
    SimpleRequest { response_size: RESPONSE_LEN, payload: payload(REQUEST_LEN).into(), ..Default::default() }
}

pub(super) fn check_len(reply: &SimpleResponse, wanted: i32) -> Result<(), Failure> {
    let body = &reply.payload.body;
    check(body.len() == wanted as usize && body.iter().all(|octet| *octet == 0), format_args!("{} octets", body.len()))
}
