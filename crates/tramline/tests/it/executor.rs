//! Connections on a runtime of several threads: one that blocks or panics leaves the others
//! alone, and all of them end with their server or their runtime.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tramline::codec::Raw;
use tramline::server::Listener;
use tramline::{ConnectionInfo, Method, Request, Response, Server};

use crate::raw_client::RawClient;
use crate::services::{BLOCK, ECHO, Running, SLEEP, register, serve, serve_with};

/// Far longer than a call may wait for another thread.
const LONG: Duration = Duration::from_secs(20);
const LONG_MILLIS: &[u8] = b"20000";

fn threads(count: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

/// A server with a runtime of its own: the client does not run on threads that block.
async fn serve_on(runtime: &Runtime) -> Running {
    runtime.spawn(serve()).await.unwrap()
}

/// Connections whose handlers block until the runtime is gone.
async fn block(server: &Running, clients: impl Iterator<Item = &mut RawClient>) {
    for (index, client) in clients.enumerate() {
        client.call(BLOCK, &[], LONG_MILLIS);
        client.flush().await;
        server.until(|witness| witness.started.load(Ordering::SeqCst) > index).await;
    }
}

async fn connect(server: &Running, count: usize) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(RawClient::connect(server.address).await);
    }
    clients
}

async fn assert_answered(clients: &mut [RawClient]) {
    let start = Instant::now();
    for client in clients {
        assert_eq!(client.unary(ECHO, b"m").await.messages(), [b"m"]);
    }
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
}

/// One handler fewer than there are threads blocks; every other connection is served, those of
/// the same queue, too.
async fn blocked_threads_leave_one_that_serves(thread_count: usize, blocked_share: usize) {
    let runtime = threads(thread_count);
    let server = serve_on(&runtime).await;
    let mut clients = connect(&server, (thread_count - 1) * blocked_share + 4).await;
    assert_answered(&mut clients).await;
    server.witness.started.store(0, Ordering::SeqCst);
    block(&server, clients.iter_mut().step_by(blocked_share).take(thread_count - 1)).await;
    for (index, client) in clients.iter_mut().enumerate() {
        let is_blocked = index.is_multiple_of(blocked_share) && index / blocked_share < thread_count - 1;
        if !is_blocked {
            assert_answered(std::slice::from_mut(client)).await;
        }
    }
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_handler_that_blocks_leaves_other_connections_alone() {
    blocked_threads_leave_one_that_serves(2, 1).await;
}

#[tokio::test]
async fn several_handlers_that_block_leave_other_connections_alone() {
    blocked_threads_leave_one_that_serves(3, 1).await;
    blocked_threads_leave_one_that_serves(4, 1).await;
}

/// With six threads there are two queues: all that block are of one.
#[tokio::test]
async fn a_queue_may_have_all_the_threads_that_it_needs() {
    blocked_threads_leave_one_that_serves(6, 2).await;
}

#[tokio::test]
async fn a_handler_in_block_in_place_leaves_other_connections_alone() {
    let path = "/test.Blocks/InPlace";
    let runtime = threads(2);
    let server = runtime.spawn(serve_with(move |builder| {
        builder.add_routes(move |routes| {
            routes.unary(Method::unary(path, Raw), Arc::new(()), |_, request: Request<Bytes>| async move {
                tokio::task::block_in_place(|| std::thread::sleep(LONG));
                Ok(Response::new(request.into_inner()))
            });
        })
    }));
    let server = server.await.unwrap();
    let mut clients = connect(&server, 3).await;
    assert_answered(&mut clients).await;
    clients[0].call(path, &[], b"m");
    clients[0].flush().await;
    for _ in 0..20 {
        assert_answered(&mut clients[1..]).await;
    }
    runtime.shutdown_background();
}

/// Handlers that run now, and at most so far.
#[derive(Default)]
struct Busy {
    running: AtomicUsize,
    peak: AtomicUsize,
}

/// Each handler is short, and there are more of them than one thread can take.
#[tokio::test]
async fn a_second_thread_comes_in_when_one_is_busy() {
    let path = "/test.Busy/Spin";
    let runtime = threads(4);
    let busy = Arc::new(Busy::default());
    let of_service = Arc::clone(&busy);
    let server = runtime.spawn(serve_with(move |builder| {
        builder.add_routes(move |routes| {
            routes.unary(Method::unary(path, Raw), of_service, |busy, request: Request<Bytes>| async move {
                busy.peak.fetch_max(busy.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(60) {
                    std::hint::spin_loop();
                }
                busy.running.fetch_sub(1, Ordering::SeqCst);
                Ok(Response::new(request.into_inner()))
            });
        })
    }));
    let server = server.await.unwrap();
    let mut clients = connect(&server, 16).await;
    for _ in 0..100 {
        let mut streams = Vec::new();
        for client in &mut clients {
            streams.push(client.call(path, &[], b"m"));
            client.flush().await;
        }
        for (client, stream) in clients.iter_mut().zip(streams) {
            assert_eq!(client.answer(stream).await.messages(), [b"m"]);
        }
        if busy.peak.load(Ordering::SeqCst) > 1 {
            break;
        }
    }
    assert!(busy.peak.load(Ordering::SeqCst) > 1);
    runtime.shutdown_background();
}

#[tokio::test]
async fn every_call_on_many_connections_is_answered() {
    let (runtime, clients) = (threads(4), threads(2));
    let server = serve_on(&runtime).await;
    let address = server.address;
    let connections = (0..128u32).map(|c| {
        clients.spawn(async move {
            let mut client = RawClient::connect(address).await;
            for round in 0..50u32 {
                let of_call = |n: u32| [c, round, n].map(u32::to_be_bytes).concat();
                let streams: Vec<_> = (0..4).map(|n| (n, client.call(ECHO, &[], &of_call(n)))).collect();
                for (n, stream) in streams {
                    assert_eq!(client.answer(stream).await.messages(), [of_call(n)]);
                }
            }
        })
    });
    for connection in connections.collect::<Vec<_>>() {
        connection.await.unwrap();
    }
    server.until_alive(0).await;
    runtime.shutdown_background();
    clients.shutdown_background();
}

/// Octets that come and go, until one of them is read that begins a call: then it panics.
struct Faulty(TcpStream);

impl AsyncRead for Faulty {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, target: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.0).poll_read(cx, target);
        assert!(!target.filled().windows(4).any(|octets| octets == b"trap"), "on purpose");
        polled
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct FaultySource(tokio::net::TcpListener);

impl Stream for FaultySource {
    type Item = io::Result<(Faulty, ConnectionInfo)>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_accept(cx).map(|accepted| Some(accepted.map(|(io, _)| (Faulty(io), ConnectionInfo::default()))))
    }
}

#[tokio::test]
async fn a_connection_that_panics_ends_alone() {
    let runtime = threads(2);
    let start = async {
        let source = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = source.local_addr().unwrap();
        let builder = Server::builder().add_routes(|routes| register(routes, &Arc::default()));
        let server = builder.listen(Listener::from_stream(FaultySource(source))).unwrap();
        (address, server.start().unwrap())
    };
    let (address, handle): (SocketAddr, _) = runtime.spawn(start).await.unwrap();
    let mut neighbour = RawClient::connect(address).await;
    for _ in 0..3 {
        let mut client = RawClient::connect(address).await;
        assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
        client.call(ECHO, &[], b"trap");
        client.until_closed().await;
        assert_eq!(neighbour.unary(ECHO, b"m").await.status(), 0);
    }
    drop(neighbour);
    handle.drain(LONG).await;
    runtime.shutdown_background();
}

#[tokio::test]
async fn connections_end_with_their_runtime() {
    let runtime = threads(3);
    let server = serve_on(&runtime).await;
    let mut clients = connect(&server, 8).await;
    assert_answered(&mut clients).await;
    for client in &mut clients[4..] {
        client.call(SLEEP, &[], LONG_MILLIS);
        client.flush().await;
    }
    server.until_alive(4).await;
    tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
    for client in &mut clients {
        client.until_closed().await;
    }
    server.until_alive(0).await;
}

/// Nothing is left of a server that has ended: neither its connections nor what ran them.
async fn assert_gone(runtime: &Runtime, server: &Running) {
    server.handle.ended().await;
    server.until_alive(0).await;
    server.until(|_| runtime.metrics().num_alive_tasks() == 0).await;
}

#[tokio::test]
async fn a_server_that_is_drained_leaves_nothing_behind() {
    let runtime = threads(2);
    let server = serve_on(&runtime).await;
    let mut clients = connect(&server, 6).await;
    assert_answered(&mut clients).await;
    let stream = clients[0].call(SLEEP, &[], b"200");
    clients[0].flush().await;
    server.until_alive(1).await;
    let handle = server.handle.clone();
    let drained = tokio::spawn(async move { handle.drain(LONG).await });
    assert_eq!(clients[0].answer(stream).await.status(), 0);
    for mut client in clients {
        client.until_closed().await;
    }
    drained.await.unwrap();
    assert_gone(&runtime, &server).await;
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_server_that_is_aborted_leaves_nothing_behind() {
    let runtime = threads(2);
    let server = serve_on(&runtime).await;
    let mut clients = connect(&server, 6).await;
    clients[0].call(SLEEP, &[], LONG_MILLIS);
    clients[0].flush().await;
    server.until_alive(1).await;
    server.handle.abort();
    for mut client in clients {
        client.until_closed().await;
    }
    assert_gone(&runtime, &server).await;
    runtime.shutdown_background();
}
