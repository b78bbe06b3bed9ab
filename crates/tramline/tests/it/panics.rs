//! A panic is one call's affair.

use crate::raw_client::RawClient;
use crate::services::{ECHO, PANIC, SLEEP, serve, serve_with};
use tramline::Dispatch;

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
