//! Unary calls: the reply, its metadata, failures, and requests that are none.

use std::sync::Arc;

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{Method, Request, Response};

use crate::raw_client::{RawClient, envelope};
use crate::services::{ECHO, FAIL, serve, serve_with};

#[tokio::test]
async fn a_reply_comes_back() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for message in [&b"hello"[..], b"", &vec![7; 100_000]] {
        let answer = client.unary(ECHO, message).await;
        assert_eq!(answer.head[":status"], "200");
        assert_eq!(answer.head["content-type"], "application/grpc");
        assert_eq!(answer.messages(), [message]);
        assert_eq!((answer.status(), answer.message()), (0, ""));
        assert_eq!(answer.reset, None);
    }
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for value in ["a", "b", "b"] {
        let stream = client.call(ECHO, &[("x-in", value)], b"m");
        let answer = client.answer(stream).await;
        assert_eq!(answer.head["x-head"], value);
        assert_eq!(answer.trailers["x-trailer"], value);
    }
}

#[tokio::test]
async fn a_failure_is_one_block_unless_metadata_was_set() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let answer = client.unary(FAIL, "no such thing: \u{e9}".as_bytes()).await;
    assert_eq!((answer.status(), answer.message()), (5, "no such thing: %C3%A9"));
    assert!(answer.trailers.is_empty() && answer.data.is_empty(), "{answer:?}");
    assert_eq!(answer.head["grpc-status-details-bin"], "d2h5");
    assert_eq!(answer.head["x-trailer"], "late");

    let stream = client.call(FAIL, &[("x-early", "1")], b"");
    let answer = client.answer(stream).await;
    assert_eq!(answer.head["x-head"], "early");
    assert_eq!(answer.trailers["grpc-status"], "5");
    assert_eq!(answer.trailers["x-trailer"], "late");
}

#[tokio::test]
async fn a_request_in_pieces_is_put_together() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(ECHO, &[], false);
    for piece in envelope(b"in pieces").chunks(2) {
        client.send(stream, piece, false);
        client.flush().await;
        tokio::task::yield_now().await;
    }
    client.send(stream, b"", true);
    assert_eq!(client.answer(stream).await.messages(), [b"in pieces"]);
}

#[tokio::test]
async fn exactly_one_message_is_taken() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let none = client.open(ECHO, &[], true);
    assert_eq!(client.answer(none).await.status(), 12);
    let two = client.open(ECHO, &[], false);
    client.send(two, &[envelope(b"a"), envelope(b"b")].concat(), true);
    assert_eq!(client.answer(two).await.status(), 12);
    let cut = client.open(ECHO, &[], false);
    client.send(cut, &envelope(b"abc")[..6], true);
    assert_eq!(client.answer(cut).await.status(), 13);
    assert_eq!(client.unary(ECHO, b"still here").await.status(), 0);
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for path in ["/test.Test/None", "/none.Test/Echo", "/", "/test.Test/Echo/", "//test.Test/Echo", "/test.Test/echo"] {
        let answer = client.unary(path, b"m").await;
        assert_eq!(answer.status(), 12, "{path}");
        assert!(answer.data.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_grpc_gets_an_http_status() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(ECHO, &[("content-type", "text/plain")], true);
    let answer = client.answer(stream).await;
    assert_eq!(answer.head[":status"], "415");
    assert!(!answer.head.contains_key("grpc-status"));
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let streams: Vec<_> = (0..200u32).map(|n| (n, client.call(ECHO, &[], &n.to_be_bytes()))).collect();
    for (n, stream) in streams {
        assert_eq!(client.answer(stream).await.messages(), [n.to_be_bytes()]);
    }
}

/// What an application does with initial metadata holds nothing that the call needs.
#[tokio::test]
async fn initial_metadata_can_be_changed_from_within() {
    const NESTED: Method<Bytes, Bytes, Raw> = Method::unary("/test.Test/Nested", Raw);
    let server = serve_with(|builder| {
        builder.add_routes(|routes| {
            routes.unary(NESTED, Arc::new(()), |_, request: Request<Bytes>| async move {
                let context = request.context().unwrap();
                context.with_initial_metadata(|outer| {
                    outer.insert("x-outer", "1").unwrap();
                    assert_eq!(context.cancel_reason(), None);
                    context.with_initial_metadata(|inner| inner.insert("x-inner", "2").unwrap());
                });
                Ok(Response::new(Bytes::new()))
            });
        })
    })
    .await;
    let answer = RawClient::connect(server.address).await.unary("/test.Test/Nested", b"").await;
    assert_eq!((&answer.head["x-outer"][..], &answer.head["x-inner"][..]), ("1", "2"));
}
