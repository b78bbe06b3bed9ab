//! The end of a server: drain, abort, one listener alone.

use std::time::Duration;

use tramline::{CancelReason, Clock, Server, Sleep, TimeSource};
use tramline_h2::Reason;

use crate::raw_client::RawClient;
use crate::services::{ECHO, SLEEP, register, serve, serve_with};

#[tokio::test]
async fn drain_finishes_calls_in_flight() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(SLEEP, &[], b"300");
    client.flush().await;
    server.until_alive(1).await;
    let handle = server.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(Duration::from_secs(20)).await });
    assert_eq!(client.answer(stream).await.status(), 0);
    client.until_closed().await;
    // RFC 9113 §6.8: first a warning, then the last stream that was served.
    let ids: Vec<_> = client.goaways.iter().map(|(id, reason)| (*id, *reason)).collect();
    assert_eq!(ids, [(0x7fff_ffff, Reason::NO_ERROR), (stream.id(), Reason::NO_ERROR)]);
    drained.await.unwrap();
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn calls_between_the_two_goaways_are_served() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let first = client.call(SLEEP, &[], b"100");
    client.flush().await;
    server.until_alive(1).await;
    // The second call is on its way before the client can know of the end.
    let second = client.call(ECHO, &[], b"m");
    let handle = server.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(client.answer(second).await.status(), 0);
    assert_eq!(client.answer(first).await.status(), 0);
    client.until_closed().await;
    drained.await.unwrap();
}

#[tokio::test]
async fn after_the_grace_calls_are_aborted() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(SLEEP, &[], b"60000");
    client.flush().await;
    server.until_alive(1).await;
    let start = std::time::Instant::now();
    let handle = server.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(Duration::from_millis(100)).await });
    let answer = client.answer(stream).await;
    assert_eq!((answer.status(), answer.message()), (14, "the server is shutting down"));
    client.until_closed().await;
    drop(client);
    drained.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    server.until_alive(0).await;
    let reason = server.witness.contexts.lock().unwrap()[0].cancel_reason();
    assert_eq!(reason, Some(CancelReason::Shutdown));
}

/// A clock that is a hundred times as fast as the runtime's.
struct Fast(tokio::time::Instant);

impl TimeSource for Fast {
    fn now(&self) -> Duration {
        self.0.elapsed() * 100
    }

    fn sleep_until(&self, at: Duration) -> Sleep {
        Box::pin(tokio::time::sleep_until(self.0 + at / 100))
    }
}

#[tokio::test]
async fn the_grace_is_measured_by_the_clock_of_the_server() {
    let server = serve_with(|builder| builder.clock(Clock::custom(Fast(tokio::time::Instant::now())))).await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(SLEEP, &[], b"60000");
    client.flush().await;
    server.until_alive(1).await;
    let handle = server.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(Duration::from_secs(20)).await });
    let answer = tokio::time::timeout(Duration::from_secs(5), client.answer(stream)).await;
    assert_eq!(answer.expect("the grace takes too long").status(), 14);
    drop(client);
    drained.await.unwrap();
}

#[tokio::test]
async fn one_listener_can_be_drained_alone() {
    let builder = Server::builder().add_routes(|routes| register(routes, &std::sync::Arc::default()));
    let server = builder.bind("127.0.0.1:0").unwrap().bind("127.0.0.1:0").unwrap();
    let addresses: Vec<_> = server.addresses().cloned().collect();
    let handle = server.start().unwrap();
    let mut kept = RawClient::connect(addresses[1].ip().unwrap()).await;
    handle.of_listener(&addresses[0]).drain(Duration::from_secs(1)).await;
    assert!(tokio::net::TcpStream::connect(addresses[0].ip().unwrap()).await.is_err());
    assert_eq!(kept.unary(ECHO, b"m").await.status(), 0);
    assert_eq!(RawClient::connect(addresses[1].ip().unwrap()).await.unary(ECHO, b"m").await.status(), 0);
}

#[tokio::test]
async fn serve_until_ends_with_its_signal() {
    let builder = Server::builder().add_routes(|routes| register(routes, &std::sync::Arc::default()));
    let server = builder.bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let signal = async move { stopped.await.unwrap_or_default() };
    let serving = tokio::spawn(server.serve_until(signal, Duration::from_secs(5)));
    assert_eq!(RawClient::connect(address).await.unary(ECHO, b"m").await.status(), 0);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_without_a_listener_says_so() {
    let error = Server::builder().build().unwrap().serve().await.unwrap_err();
    assert!(error.to_string().contains("call `bind` or `listen` first"), "{error}");
}
