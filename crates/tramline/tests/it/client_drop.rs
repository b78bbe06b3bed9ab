//! Calls that are dropped, at every point where they wait: nothing is left behind.

use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use tramline::{Channel, Code};
use tramline_h2::Reason;

use crate::client_calls::{CHAT_METHOD, COUNT_METHOD, ECHO_METHOD, SLEEP_METHOD, SUM_METHOD, bytes};
use crate::raw_server::RawServer;
use crate::services::{Running, serve_with};

/// With two streams and no more, a stream that is not given back is soon missed.
async fn narrow() -> (Running, Channel) {
    let server = serve_with(|builder| builder.concurrent_streams_max(2)).await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    (server, channel)
}

/// Polls a future this often, with other tasks in between. True if it got ready.
async fn poll_times<F: Future>(mut future: Pin<&mut F>, count: usize) -> bool {
    for _ in 0..count {
        if std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Everything still works: both streams at once, and more than the windows hold.
async fn check(server: &Running, channel: &Channel) {
    server.until_alive(0).await;
    let large = Bytes::from(vec![5; 3 * 1024 * 1024]);
    let calls = [channel.unary(&ECHO_METHOD, large.clone()), channel.unary(&ECHO_METHOD, large.clone())];
    for call in calls.map(|call| call.timeout(Duration::from_secs(10))) {
        assert_eq!(call.await.unwrap().into_inner(), large);
    }
}

#[tokio::test]
async fn unary_calls_can_be_dropped_anywhere() {
    let (server, channel) = narrow().await;
    for round in 0..20 {
        for len in [0, 100_000] {
            let mut call = Box::pin(channel.unary(&ECHO_METHOD, Bytes::from(vec![1; len])));
            poll_times(call.as_mut(), round % 5).await;
            if round % 3 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let mut sleeping = Box::pin(channel.unary(&SLEEP_METHOD, bytes("5000")));
        poll_times(sleeping.as_mut(), 1).await;
        if round % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    check(&server, &channel).await;
}

#[tokio::test]
async fn streaming_calls_can_be_dropped_anywhere() {
    let (server, channel) = narrow().await;
    for round in 0..30 {
        let mut call = Box::pin(channel.server_streaming(&COUNT_METHOD, bytes("100000 1000")));
        poll_times(call.as_mut(), round % 3).await;
        drop(call);
        let mut replies = channel.server_streaming(&COUNT_METHOD, bytes("100000 1000")).await.unwrap().into_inner();
        for _ in 0..round {
            replies.message().await.unwrap();
        }
        drop(replies);
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        for _ in 0..round {
            requests.send(Bytes::from(vec![1; 10_000])).await.unwrap();
        }
        if round % 2 == 0 {
            drop((requests, reply))
        } else {
            drop((reply, requests))
        }
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        for _ in 0..round % 4 {
            requests.send(Bytes::from(vec![1; 10_000])).await.unwrap();
            replies.message().await.unwrap();
        }
        if round % 2 == 0 { drop((requests, replies)) } else { drop((replies, requests)) }
    }
    check(&server, &channel).await;
}

#[tokio::test]
async fn sends_that_wait_for_room_can_be_dropped() {
    let (server, channel) = narrow().await;
    for _ in 0..20 {
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        let mut sent = 0;
        for _ in 0..100 {
            let mut send = Box::pin(requests.send(Bytes::from(vec![1; 100_000])));
            sent += usize::from(poll_times(send.as_mut(), 1).await);
        }
        requests.finish();
        assert_eq!(reply.await.unwrap().into_inner(), (sent * 100_000).to_string(), "what was dropped was not sent");
    }
    check(&server, &channel).await;
}

#[tokio::test]
async fn a_dropped_call_resets_its_stream() {
    let server = RawServer::bind().await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    let calling = async {
        let mut unary = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")));
        let halves = channel.bidi_streaming(&CHAT_METHOD).start();
        let mut streaming = Box::pin(channel.server_streaming(&COUNT_METHOD, bytes("m")));
        poll_times(unary.as_mut(), 1).await;
        poll_times(streaming.as_mut(), 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop((unary, halves, streaming));
        tokio::time::sleep(Duration::from_millis(100)).await;
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let streams = [peer.head().await, peer.head().await, peer.head().await];
        for stream in streams {
            let request = peer.until(stream, |request| request.reset.is_some()).await;
            assert_eq!(request.reset, Some(Reason::CANCEL));
        }
        assert_eq!(peer.engine().stream_count(), 0);
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn a_call_dropped_before_its_first_poll_is_never_made() {
    let (server, channel) = narrow().await;
    drop(channel.unary(&ECHO_METHOD, bytes("m")));
    drop(channel.server_streaming(&COUNT_METHOD, bytes("1")));
    drop(channel.client_streaming(&SUM_METHOD));
    check(&server, &channel).await;
    assert_eq!(server.witness.started.load(std::sync::atomic::Ordering::SeqCst), 2, "those of the check");
}

#[tokio::test]
async fn calls_dropped_while_there_is_no_connection() {
    let server = RawServer::bind().await;
    let channel = Channel::builder(&format!("ipv4:{}", server.address)).wait_for_ready(true).build().unwrap();
    for _ in 0..100 {
        let mut unary = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")));
        poll_times(unary.as_mut(), 1).await;
        drop(channel.bidi_streaming(&CHAT_METHOD).start());
    }
    let last = channel.unary(&ECHO_METHOD, bytes("last"));
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        assert_eq!(&peer.seen(stream).data[5..], b"last", "the others were never sent");
        assert_eq!(stream.id(), 1);
        peer.reply(stream, b"reply").await;
    };
    let (reply, ()) = tokio::join!(last, answering);
    assert_eq!(reply.unwrap().into_inner(), "reply");
}

struct CountingWaker(std::sync::atomic::AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_call_may_move_between_tasks_and_wakes_the_last_one() {
    let (_server, channel) = narrow().await;
    let mut call = Box::pin(channel.unary(&SLEEP_METHOD, bytes("50")));
    let first = std::sync::Arc::new(CountingWaker(Default::default()));
    let waker = Waker::from(first.clone());
    assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    call.await.unwrap();
    assert_eq!(first.0.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_polled_after_its_end_says_so() {
    let (_server, channel) = narrow().await;
    let mut call = channel.unary(&ECHO_METHOD, bytes("m"));
    (&mut call).await.unwrap();
    assert_eq!((&mut call).await.unwrap_err().code(), Code::Internal);
}
