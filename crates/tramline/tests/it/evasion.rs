//! Clients that go around a limit: by going away, by coming again, by giving no room.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tramline::Dispatch;
use tramline::server::ServerBuilder;
use tramline_h2::{Config, Reason};

use crate::raw_client::RawClient;
use crate::services::{BLOCK, ECHO, serve, serve_with};

/// A handler that nothing interrupts holds its place though its client has gone: hanging up
/// buys no second set of handlers (CVE-2023-44487, one connection after another).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_up_frees_no_place_of_a_handler_that_still_runs() {
    for dispatch in [Dispatch::Blocking, Dispatch::Spawn] {
        let server = serve_with(|builder| builder.handlers_max(1).dispatch(BLOCK, dispatch)).await;
        let mut first = RawClient::connect(server.address).await;
        first.call(BLOCK, &[], b"700");
        first.flush().await;
        server.until_alive(1).await;
        drop(first);
        for _ in 0..10 {
            let mut next = RawClient::connect(server.address).await;
            let stream = next.call(ECHO, &[], b"m");
            let answer = next.answer(stream).await;
            if server.witness.alive.load(Ordering::SeqCst) == 1 {
                assert_eq!(answer.reset, Some(Reason::REFUSED_STREAM), "{dispatch:?}: {answer:?}");
            }
        }
        assert_eq!(server.witness.alive.load(Ordering::SeqCst), 1, "{dispatch:?}: the test was too slow");
        server.until_alive(0).await;
        let mut last = RawClient::connect(server.address).await;
        assert_eq!(last.unary(ECHO, b"m").await.status(), 0, "{dispatch:?}");
    }
}

/// A window below HTTP's default of 65,535, which a client may use before it has read our
/// SETTINGS, and which it must give up once it has (RFC 9113 §6.9.2).
#[tokio::test]
async fn a_small_window_of_the_servers_stalls_nobody() {
    for (window_len, message_len) in [(1, 500), (1000, 100_000), (16_384, 200_000)] {
        let settings = |builder: ServerBuilder| builder.http2(|config| config.stream_window_len = window_len);
        let server = serve_with(settings).await;
        for settles in [false, true] {
            let mut client = RawClient::over(TcpStream::connect(server.address).await.unwrap(), Config::default());
            if settles {
                client.settle().await;
            }
            for path in [ECHO, crate::services::CHAT] {
                let answer = client.unary(path, &vec![7; message_len]).await;
                assert_eq!(answer.status(), 0, "{window_len} {settles} {path}");
                assert_eq!(answer.messages()[0].len(), message_len);
            }
        }
    }
}

/// Connections that are reset before, or as soon as, they are accepted end no listener
/// (CVE-2024-47609 of tonic, CVE-2023-4785 of C-core).
#[tokio::test]
async fn connections_that_are_reset_at_once_end_no_listener() {
    let server = serve().await;
    for n in 0..300 {
        let stream = TcpStream::connect(server.address).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut client = RawClient::connect(server.address).await;
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
}
