//! A panic is one call's affair.

use std::sync::Arc;

use bytes::Bytes;
use tramline::codec::{Codec, Decode, Encode, Frame, Limits, Sink};
use tramline::server::Routes;
use tramline::{Dispatch, Method, Replies, Request, Response, Status};

use crate::raw_client::RawClient;
use crate::services::{ECHO, PANIC, SLEEP, serve, serve_with};

const HALF: &str = "/test.Half/Once";
const HALVES: &str = "/test.Half/Stream";

/// Writes some of a message, and panics if that is "half".
#[derive(Clone, Copy, Default)]
struct Fragile;

impl Codec for Fragile {
    const SUBTYPE: &'static str = "fragile";
}

impl Encode<Bytes> for Fragile {
    fn encode(self, message: &Bytes, out: &mut Sink<'_>) -> Result<(), Status> {
        out.put_slice(message);
        assert!(message != "half", "a panic on purpose");
        Ok(())
    }
}

impl Decode<Bytes> for Fragile {
    fn decode(self, frame: Frame<'_>, _limits: Limits) -> Result<Bytes, Status> {
        Ok(frame.into_bytes())
    }
}

fn register_fragile(routes: &mut Routes) {
    routes.unary(Method::unary(HALF, Fragile), Arc::new(()), |_, request: Request<Bytes>| async move {
        Ok(Response::new(request.into_inner()))
    });
    let halves = Method::server_streaming(HALVES, Fragile);
    routes.server_streaming(halves, Arc::new(()), |_, request: Request<Bytes>, replies: Replies<Bytes>| async move {
        replies.send(Bytes::from_static(b"whole")).await?;
        replies.send(request.into_inner()).await
    });
}

#[tokio::test]
async fn an_encoder_that_panics_leaves_nothing_of_its_message() {
    for dispatch in [Dispatch::Inline, Dispatch::Spawn, Dispatch::Blocking] {
        let server = serve_with(|builder| {
            builder.add_routes(register_fragile).dispatch(HALF, dispatch).dispatch(HALVES, dispatch)
        })
        .await;
        let mut client = RawClient::connect(server.address).await;
        let beside = client.call(SLEEP, &[], b"100");
        for _ in 0..3 {
            let answer = client.unary(HALF, b"half").await;
            assert_eq!((answer.status(), answer.messages()), (13, vec![]), "{dispatch:?}");
            let answer = client.unary(HALVES, b"half").await;
            assert_eq!((answer.status(), answer.messages()), (13, vec![b"whole".to_vec()]), "{dispatch:?}");
            assert_eq!(client.unary(HALF, b"m").await.messages(), [b"m"]);
        }
        assert_eq!(client.answer(beside).await.status(), 0);
    }
}

#[tokio::test]
async fn a_panic_ends_its_call_alone() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let beside = client.call(SLEEP, &[], b"100");
    for message in [&b"at once"[..], b"late", b"at once"] {
        let answer = client.unary(PANIC, message).await;
        assert_eq!((answer.status(), answer.message()), (13, "the handler panicked"));
    }
    assert_eq!(client.unary(PANIC, b"").await.status(), 0);
    assert_eq!(client.answer(beside).await.status(), 0);
}

#[tokio::test]
async fn a_panic_on_another_task_ends_its_call_alone() {
    for dispatch in [Dispatch::Spawn, Dispatch::Blocking] {
        let server = serve_with(|builder| builder.dispatch(PANIC, dispatch)).await;
        let mut client = RawClient::connect(server.address).await;
        for _ in 0..3 {
            assert_eq!(client.unary(PANIC, b"late").await.status(), 13);
        }
        assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
    }
}
