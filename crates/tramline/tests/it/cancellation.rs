//! Calls that end before their handlers: by the client, by deadlines, by lost connections.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tramline::{CancelReason, Dispatch};
use tramline_h2::Reason;

use crate::raw_client::{RawClient, envelope};
use crate::services::{BLOCK, CHAT, ECHO, Running, SLEEP, serve, serve_with};

fn reason(server: &Running) -> Option<CancelReason> {
    server.witness.contexts.lock().unwrap().last().unwrap().cancel_reason()
}

#[tokio::test]
async fn a_reset_drops_the_handler_and_says_why() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for path in [SLEEP, CHAT] {
        let stream = client.open(path, &[], false);
        client.send(stream, &envelope(b"60000"), path == SLEEP);
        client.flush().await;
        server.until_alive(1).await;
        assert_eq!(reason(&server), None);
        let context = server.witness.contexts.lock().unwrap().last().unwrap().clone();
        let watcher = tokio::spawn(async move { context.cancelled().await });
        client.engine().reset(stream, Reason::CANCEL);
        client.flush().await;
        server.until_alive(0).await;
        assert_eq!(reason(&server), Some(CancelReason::Client), "{path}");
        assert_eq!(watcher.await.unwrap(), CancelReason::Client);
    }
}

#[tokio::test]
async fn a_lost_connection_drops_its_handlers() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for _ in 0..10 {
        client.call(SLEEP, &[], b"60000");
    }
    client.flush().await;
    server.until_alive(10).await;
    drop(client);
    server.until_alive(0).await;
    assert_eq!(reason(&server), Some(CancelReason::ConnectionLost));
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let start = std::time::Instant::now();
    let late = client.call(SLEEP, &[("grpc-timeout", "100m")], b"60000");
    let in_time = client.call(SLEEP, &[("grpc-timeout", "30S")], b"1");
    assert_eq!(client.answer(in_time).await.status(), 0);
    assert_eq!(client.answer(late).await.status(), 4);
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    server.until_alive(0).await;
    assert_eq!(server.witness.contexts.lock().unwrap()[0].cancel_reason(), Some(CancelReason::Deadline));
}

#[tokio::test]
async fn a_deadline_in_the_past_starts_no_handler() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(ECHO, &[("grpc-timeout", "0n")], b"m");
    assert_eq!(client.answer(stream).await.status(), 4);
    assert_eq!(server.witness.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_servers_timeout_bounds_every_call() {
    let server = serve_with(|builder| builder.timeout(Duration::from_millis(50))).await;
    let mut client = RawClient::connect(server.address).await;
    for own in [&[][..], &[("grpc-timeout", "1H")]] {
        let stream = client.call(SLEEP, own, b"60000");
        assert_eq!(client.answer(stream).await.status(), 4);
    }
}

#[tokio::test]
async fn deadlines_reach_handlers_on_other_tasks() {
    let server = serve_with(|builder| builder.dispatch(SLEEP, Dispatch::Spawn)).await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(SLEEP, &[("grpc-timeout", "50m")], b"60000");
    assert_eq!(client.answer(stream).await.status(), 4);
    server.until_alive(0).await;
}

/// Concurrency counts handlers, not streams: resets must not make room (CVE-2023-44487).
#[tokio::test]
async fn a_reset_frees_a_place_only_once_the_handler_is_gone() {
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.dispatch(BLOCK, Dispatch::Blocking).concurrent_streams_max(2)
    };
    let server = serve_with(settings).await;
    let mut client = RawClient::connect(server.address).await;
    let streams = [client.call(BLOCK, &[], b"1000"), client.call(BLOCK, &[], b"1000")];
    client.flush().await;
    server.until_alive(2).await;
    for stream in streams {
        client.engine().reset(stream, Reason::CANCEL);
        client.engine().forget(stream);
    }
    let third = client.call(ECHO, &[], b"m");
    assert_eq!(client.answer(third).await.reset, Some(Reason::REFUSED_STREAM));
    server.until_alive(0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
}
