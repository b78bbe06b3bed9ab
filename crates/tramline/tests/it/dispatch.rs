//! Where handlers run: in place, on tasks of their own, on blocking threads.

use std::time::{Duration, Instant};

use tramline::Dispatch;

use crate::raw_client::RawClient;
use crate::services::{BLOCK, CHAT, COUNT, ECHO, SLEEP, serve, serve_with};

#[tokio::test]
async fn every_policy_answers_every_kind() {
    for dispatch in [Dispatch::Inline, Dispatch::Spawn, Dispatch::Blocking] {
        let settings = |builder: tramline::server::ServerBuilder| {
            [ECHO, SLEEP, COUNT, CHAT].into_iter().fold(builder, |builder, path| builder.dispatch(path, dispatch))
        };
        let server = serve_with(settings).await;
        let mut client = RawClient::connect(server.address).await;
        let stream = client.call(ECHO, &[("x-in", "v")], b"m");
        let answer = client.answer(stream).await;
        assert_eq!(answer.messages(), [b"m"]);
        assert_eq!((answer.head["x-head"].as_str(), answer.trailers["x-trailer"].as_str()), ("v", "v"));
        assert_eq!(client.unary(ECHO, &vec![1; 200_000]).await.messages()[0].len(), 200_000);
        assert_eq!(client.unary(SLEEP, b"5").await.status(), 0);
        assert_eq!(client.unary(COUNT, b"2000 100").await.messages().len(), 2000);
        assert_eq!(client.unary(CHAT, b"hello").await.messages(), [b"hello"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_handler_leaves_its_connection_alone() {
    for dispatch in [Dispatch::Spawn, Dispatch::Blocking] {
        let server = serve_with(|builder| builder.dispatch(BLOCK, dispatch)).await;
        let mut client = RawClient::connect(server.address).await;
        let slow = client.call(BLOCK, &[], b"500");
        client.flush().await;
        let start = Instant::now();
        assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
        assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
        assert_eq!(client.answer(slow).await.status(), 0);
    }
}

/// A method that keeps its thread is found out, and given tasks of its own; then it does
/// not delay its connection any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_method_moves_away_by_itself() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for _ in 0..6 {
        assert_eq!(client.unary(BLOCK, b"5").await.status(), 0);
    }
    let slow = client.call(BLOCK, &[], b"500");
    client.flush().await;
    let start = Instant::now();
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(client.answer(slow).await.status(), 0);
}

#[tokio::test]
async fn dispatch_of_a_method_that_is_not_there_is_an_error() {
    let error = tramline::Server::builder().dispatch("/a.B/C", Dispatch::Spawn).build().unwrap_err();
    assert!(error.to_string().contains("/a.B/C"), "{error}");
}

/// A thread cannot be interrupted, but its handler, where it waits, can be dropped.
#[tokio::test]
async fn a_blocking_handler_that_waits_ends_with_its_call() {
    let server = serve_with(|builder| builder.dispatch(SLEEP, Dispatch::Blocking)).await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(SLEEP, &[("grpc-timeout", "50m")], b"60000");
    assert_eq!(client.answer(stream).await.status(), 4);
    server.until_alive(0).await;
    let stream = client.call(SLEEP, &[], b"60000");
    client.flush().await;
    server.until_alive(1).await;
    drop((client, stream));
    server.until_alive(0).await;
}
