//! Deadlines: from the caller to the last trailer, and through handlers onwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tramline::{Channel, Code, Dispatch, Request, Response, Server};

use crate::client_calls::{CHAT_METHOD, COUNT_METHOD, ECHO_METHOD, SLEEP_METHOD, SUM_METHOD, bytes, channel};
use crate::raw_server::RawServer;
use crate::services::{ECHO, Running, Witness, serve};

const SHORT: Duration = Duration::from_millis(150);

/// How a handler calls onwards.
#[derive(Clone, Copy)]
enum Onwards {
    Inline,
    Longer,
    TramlineSpawn,
    TokioSpawn,
}

/// A server whose Echo asks `behind` to sleep for ten seconds.
fn serve_front(behind: &Running, onwards: Onwards, dispatch: Dispatch) -> Running {
    let channel = channel(behind);
    let server = Server::builder().add_routes(move |routes| {
        let method = tramline::Method::<Bytes, Bytes, _>::unary(ECHO, tramline::codec::Raw);
        routes.unary(method, Arc::new(channel), move |channel: Arc<Channel>, _: Request<Bytes>| async move {
            let call = channel.unary(&SLEEP_METHOD, bytes("10000"));
            let outcome = match onwards {
                Onwards::Inline => call.await,
                Onwards::Longer => call.timeout(Duration::from_secs(60)).await,
                Onwards::TramlineSpawn => tramline::spawn(call).await.unwrap(),
                Onwards::TokioSpawn => tokio::spawn(call).await.unwrap(),
            };
            outcome.map(|reply| Response::new(reply.into_inner()))
        });
    });
    let server = server.dispatch(ECHO, dispatch).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    Running { address, handle: server.start().unwrap(), witness: Arc::new(Witness::default()) }
}

async fn remaining_behind(onwards: Onwards, dispatch: Dispatch) -> Option<Duration> {
    let behind = serve().await;
    let front = serve_front(&behind, onwards, dispatch);
    let channel = channel(&front);
    let mut call = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")).timeout(Duration::from_secs(2)));
    tokio::select! {
        outcome = &mut call => panic!("{outcome:?}"),
        () = behind.until_alive(1) => {}
    }
    let context = behind.witness.contexts.lock().unwrap().pop().unwrap();
    context.remaining()
}

#[tokio::test]
async fn a_handlers_deadline_goes_with_its_calls() {
    for dispatch in [Dispatch::Inline, Dispatch::Spawn, Dispatch::Blocking] {
        for onwards in [Onwards::Inline, Onwards::Longer, Onwards::TramlineSpawn] {
            let remaining = remaining_behind(onwards, dispatch).await;
            assert!(remaining.is_some_and(|left| left <= Duration::from_secs(2)), "{dispatch:?}: {remaining:?}");
        }
        assert_eq!(remaining_behind(Onwards::TokioSpawn, dispatch).await, None);
    }
}

#[tokio::test]
async fn a_deadline_ends_every_server_on_its_way() {
    let behind = serve().await;
    let front = serve_front(&behind, Onwards::Inline, Dispatch::Inline);
    let status = channel(&front).unary(&ECHO_METHOD, bytes("m")).timeout(SHORT).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    behind.until_alive(0).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_every_server_on_its_way() {
    let behind = serve().await;
    let front = serve_front(&behind, Onwards::Inline, Dispatch::Inline);
    let channel = channel(&front);
    let mut call = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")));
    tokio::select! {
        outcome = &mut call => panic!("{outcome:?}"),
        () = behind.until_alive(1) => {}
    }
    drop(call);
    behind.until_alive(0).await;
}

#[tokio::test]
async fn the_deadline_holds_for_every_kind_against_a_silent_server() {
    let server = RawServer::bind().await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    let calling = async {
        let start = Instant::now();
        let unary = channel.unary(&ECHO_METHOD, bytes("m")).timeout(SHORT);
        let streaming = channel.server_streaming(&COUNT_METHOD, bytes("1")).timeout(SHORT);
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).timeout(SHORT).start();
        let (more, mut replies) = channel.bidi_streaming(&CHAT_METHOD).timeout(SHORT).start();
        let outcomes = tokio::join!(unary, streaming, reply, replies.message());
        assert_eq!(outcomes.0.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(outcomes.1.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(outcomes.2.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(outcomes.3.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(requests.send(bytes("m")).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(more.send(bytes("m")).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert!(start.elapsed() >= SHORT && start.elapsed() < Duration::from_secs(5));
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(peer.head().await);
        }
        for stream in streams {
            let request = peer.until(stream, |request| request.reset.is_some()).await;
            assert_eq!(request.reset, Some(tramline_h2::Reason::CANCEL));
            assert!(request.field("grpc-timeout").is_some());
        }
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn the_deadline_holds_while_messages_come() {
    let server = serve().await;
    let channel = channel(&server);
    let call = channel.server_streaming(&COUNT_METHOD, bytes("100000000 1000")).timeout(SHORT);
    let mut replies = call.await.unwrap().into_inner();
    let status = loop {
        match replies.message().await {
            Ok(message) => assert!(message.is_some()),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
    server.until_alive(0).await;
}

#[tokio::test]
async fn the_deadline_holds_while_connecting() {
    let server = RawServer::bind().await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    let start = Instant::now();
    let status = channel.unary(&ECHO_METHOD, bytes("m")).timeout(SHORT).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(start.elapsed() < Duration::from_secs(5));
}
