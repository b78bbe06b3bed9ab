//! A channel against a server: the four kinds of calls, their metadata and their ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{Channel, Code, Method, MethodKind};

use crate::services::{CHAT, COUNT, ECHO, FAIL, PANIC, Running, SLEEP, SUM, serve};

pub(crate) const ECHO_METHOD: Method<Bytes, Bytes, Raw> = Method::unary(ECHO, Raw);
pub(crate) const SLEEP_METHOD: Method<Bytes, Bytes, Raw> = Method::unary(SLEEP, Raw);
pub(crate) const FAIL_METHOD: Method<Bytes, Bytes, Raw> = Method::unary(FAIL, Raw);
pub(crate) const COUNT_METHOD: Method<Bytes, Bytes, Raw> = Method::server_streaming(COUNT, Raw);
pub(crate) const SUM_METHOD: Method<Bytes, Bytes, Raw> = Method::client_streaming(SUM, Raw);
pub(crate) const CHAT_METHOD: Method<Bytes, Bytes, Raw> = Method::bidi_streaming(CHAT, Raw);

pub(crate) fn channel(server: &Running) -> Channel {
    Channel::new(&format!("ipv4:{}", server.address)).unwrap()
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn a_unary_call_has_its_reply() {
    let server = serve().await;
    let channel = channel(&server);
    for len in [0, 1, 100, 20_000, 300_000, 4 * 1024 * 1024] {
        let message = Bytes::from(vec![7; len]);
        let reply = channel.unary(&ECHO_METHOD, message.clone()).await.unwrap();
        assert_eq!(reply.into_inner(), message);
    }
}

#[tokio::test]
async fn many_calls_share_a_channel() {
    let server = serve().await;
    let channel = channel(&server);
    let calls: Vec<_> = (0..1000)
        .map(|n: u32| {
            let channel = channel.clone();
            tokio::spawn(async move {
                let reply = channel.unary(&ECHO_METHOD, bytes(&n.to_string())).await.unwrap();
                assert_eq!(reply.into_inner(), n.to_string());
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(server.witness.started.load(Ordering::SeqCst), 1000);
}

#[tokio::test]
async fn metadata_travel_in_both_positions() {
    let server = serve().await;
    let channel = channel(&server);
    let reply = channel.unary(&ECHO_METHOD, bytes("m")).metadata("x-in", "a").await.unwrap();
    assert_eq!(reply.metadata().get("x-head"), Some("a"));
    assert_eq!(reply.trailers().get("x-trailer"), Some("a"));
    assert_eq!(reply.metadata().get("x-trailer"), None);
}

#[tokio::test]
async fn a_status_comes_with_its_message_details_and_trailers() {
    let server = serve().await;
    let channel = channel(&server);
    let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    for early in [false, true] {
        let mut call = channel.unary(&FAIL_METHOD, bytes(text));
        if early {
            call = call.metadata("x-early", "1");
        }
        let status = call.await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, text));
        assert_eq!(&status.details()[..], b"why");
        assert_eq!(status.metadata().get("x-trailer"), Some("late"));
        assert!(status.is_remote());
    }
}

#[tokio::test]
async fn unknown_methods_and_panics_end_their_call_alone() {
    let server = serve().await;
    let channel = channel(&server);
    for (path, code) in [("/test.Test/Nope", Code::Unimplemented), (PANIC, Code::Internal)] {
        let method: Method<Bytes, Bytes, Raw> = Method::dynamic(path, MethodKind::Unary, Raw).unwrap();
        let status = channel.unary(&method, bytes("x")).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
    }
    assert!(channel.unary(&ECHO_METHOD, bytes("x")).await.is_ok());
}

#[tokio::test]
async fn metadata_that_cannot_be_sent_fail_the_call() {
    let server = serve().await;
    let channel = channel(&server);
    for key in ["grpc-status", "bad key", ":path", "x-bin"] {
        let status = channel.unary(&ECHO_METHOD, bytes("x")).metadata(key, "\u{e9}").await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{key}");
        assert!(status.message().contains(key), "{status:?}");
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).metadata(key, "\u{e9}").start();
        assert_eq!(requests.send(bytes("x")).await.unwrap_err().code(), Code::Internal);
        assert_eq!(reply.await.unwrap_err().code(), Code::Internal);
    }
    assert_eq!(server.witness.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_streams() {
    let server = serve().await;
    let channel = channel(&server);
    for (count, len) in [(0, 1), (1, 0), (10_000, 100), (30, 100_000), (3, 2_000_000)] {
        let plan = format!("{count} {len}");
        let response = channel.server_streaming(&COUNT_METHOD, bytes(&plan)).await.unwrap();
        let mut replies = response.into_inner();
        for n in 0..count {
            let reply = replies.message().await.unwrap().unwrap();
            assert_eq!((reply.len(), reply.first().copied()), (len, (len > 0).then_some(n as u8)));
        }
        assert_eq!(replies.message().await.unwrap(), None);
        assert_eq!(replies.message().await.unwrap(), None);
        assert_eq!(replies.trailers().unwrap().get("x-sent"), Some(&plan[..]));
    }
}

#[tokio::test]
async fn a_client_streams() {
    let server = serve().await;
    let channel = channel(&server);
    for (count, len) in [(0, 0), (1, 0), (4, 18_740), (5000, 100), (20, 300_000)] {
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        for _ in 0..count {
            requests.send(Bytes::from(vec![1; len])).await.unwrap();
        }
        requests.finish();
        assert_eq!(reply.await.unwrap().into_inner(), (count * len).to_string());
    }
}

#[tokio::test]
async fn both_stream_in_turn() {
    let server = serve().await;
    let channel = channel(&server);
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    for len in [27_182, 8, 0, 1_828, 45_904] {
        requests.send(Bytes::from(vec![3; len])).await.unwrap();
        assert_eq!(replies.message().await.unwrap().unwrap().len(), len);
    }
    requests.finish();
    assert_eq!(replies.message().await.unwrap(), None);
    assert!(replies.trailers().is_some());
}

#[tokio::test]
async fn both_stream_at_once_more_than_windows_hold() {
    let server = serve().await;
    let channel = channel(&server);
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    let sender = tokio::spawn(async move {
        for n in 0..2000 {
            requests.send(Bytes::from(vec![n as u8; 10_000])).await.unwrap();
        }
    });
    for n in 0..2000 {
        assert_eq!(replies.message().await.unwrap().unwrap()[0], n as u8);
    }
    assert_eq!(replies.message().await.unwrap(), None);
    sender.await.unwrap();
}

#[tokio::test]
async fn an_early_status_reaches_both_halves() {
    let server = serve().await;
    let channel = channel(&server);
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    requests.send(bytes("one")).await.unwrap();
    requests.send(bytes("fail")).await.unwrap();
    assert_eq!(replies.message().await.unwrap().unwrap(), "one");
    let status = replies.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Aborted, "as asked"));
    assert_eq!(requests.send(bytes("more")).await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn a_timeout_ends_the_call_on_both_sides() {
    let server = serve().await;
    let channel = channel(&server);
    let call = channel.unary(&SLEEP_METHOD, bytes("10000")).timeout(Duration::from_millis(50));
    let status = call.await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    server.until_alive(0).await;
    for timeout in [Duration::ZERO, Duration::from_nanos(1)] {
        let status = channel.unary(&ECHO_METHOD, bytes("x")).timeout(timeout).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
