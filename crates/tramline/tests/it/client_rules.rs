//! What a client may put on the wire, and what it makes of peers that break rules.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tramline::client::{BackoffPolicy, ConnectivityState};
use tramline::{Channel, Code};
use tramline_h2::Reason;

use crate::client_calls::{CHAT_METHOD, ECHO_METHOD, SUM_METHOD, bytes};
use crate::raw_server::RawServer;

fn channel(server: &RawServer) -> Channel {
    Channel::new(&format!("ipv4:{}", server.address)).unwrap()
}

/// The value of a `grpc-timeout`.
fn timeout(text: &str) -> Duration {
    let (digits, unit) = text.split_at(text.len() - 1);
    let count: u64 = digits.parse().unwrap();
    match unit {
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => panic!("{text}"),
    }
}

/// RFC 9113 §3.4 and §6.5.2: the preface, then SETTINGS, which allow no push and say how
/// long field sections may be.
#[tokio::test]
async fn a_connection_begins_with_preface_and_settings() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    channel.state(true).unwrap();
    let mut io = server.accept_octets().await;
    let mut front = vec![0; 24 + 9];
    io.read_exact(&mut front).await.unwrap();
    assert!(front.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    assert_eq!(front[24 + 3], 4, "a SETTINGS frame");
    let len = usize::from(front[24 + 2]);
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await.unwrap();
    let value = |id: u8| {
        let setting = payload.chunks(6).find(|setting| setting[..2] == [0, id])?;
        Some(u32::from_be_bytes(setting[2..].try_into().unwrap()))
    };
    assert_eq!((value(2), value(6)), (Some(0), Some(16 * 1024)));
}

#[tokio::test]
async fn a_push_ends_the_connection() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        // PUSH_PROMISE of stream 2 with an empty section.
        let mut frame = vec![0, 0, 4, 5, 4];
        frame.extend_from_slice(&stream.id().to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 2]);
        peer.write_raw(&frame).await;
        peer.until_closed().await;
        assert!(peer.has_goaway);
    };
    let (outcome, ()) = tokio::join!(channel.unary(&ECHO_METHOD, bytes("m")), answering);
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("PUSH_PROMISE"), "{status:?}");
}

#[tokio::test]
async fn a_status_line_that_http_does_not_know_is_unknown() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        peer.send_head(stream, &[(":status", "800"), ("content-type", "application/grpc")], true);
        peer.flush().await;
        peer
    };
    let (outcome, _peer) = tokio::join!(channel.unary(&ECHO_METHOD, bytes("m")), answering);
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unknown, "{status:?}");
    assert!(status.message().contains("800"), "{status:?}");
}

/// gRPC PROTOCOL-HTTP2, "Timeout": there is no way to say that nothing is left.
#[tokio::test]
async fn a_call_with_no_time_left_is_not_sent() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        channel.unary(&ECHO_METHOD, bytes("first")).await.unwrap();
        let late = channel.unary(&ECHO_METHOD, bytes("late")).timeout(Duration::ZERO).await;
        assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
        let (_requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).timeout(Duration::ZERO).start();
        assert_eq!(replies.message().await.unwrap_err().code(), Code::DeadlineExceeded);
        channel.unary(&ECHO_METHOD, bytes("second")).await.unwrap();
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        for message in ["first", "second"] {
            let stream = peer.request().await;
            assert_eq!(&peer.seen(stream).data[5..], message.as_bytes());
            peer.reply(stream, b"m").await;
        }
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

/// A deadline is a point in time; what a request says is what is left of it.
#[tokio::test]
async fn each_attempt_says_what_time_is_left() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let pause = Duration::from_millis(300);
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        let first = timeout(peer.seen(stream).field("grpc-timeout").unwrap());
        tokio::time::sleep(pause).await;
        peer.reset(stream, Reason::REFUSED_STREAM).await;
        let again = peer.request().await;
        let second = timeout(peer.seen(again).field("grpc-timeout").unwrap());
        peer.reply(again, b"m").await;
        assert!(first <= Duration::from_secs(20) && first > Duration::from_secs(10), "{first:?}");
        assert!(second + pause <= first + Duration::from_millis(5), "{first:?}, then {second:?}");
        peer
    };
    let call = channel.unary(&ECHO_METHOD, bytes("m")).timeout(Duration::from_secs(20));
    let (outcome, _peer) = tokio::join!(call, answering);
    outcome.unwrap();
}

#[tokio::test]
async fn a_stream_without_messages_ends_in_order() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        requests.finish();
        reply.await.unwrap();
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        let request = peer.seen(stream);
        assert_eq!((request.data.len(), request.ended, request.reset), (0, true, None));
        peer.reply(stream, b"0").await;
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn long_messages_are_not_sent() {
    let server = RawServer::bind().await;
    let target = format!("ipv4:{}", server.address);
    let channel = Channel::builder(&target).sent_message_len_max(1000).build().unwrap();
    let calling = async {
        channel.unary(&ECHO_METHOD, bytes(&"m".repeat(1000))).await.unwrap();
        let status = channel.unary(&ECHO_METHOD, bytes(&"m".repeat(1001))).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("1001") && status.message().contains("1000"), "{status:?}");
        let (requests, _reply) = channel.client_streaming(&SUM_METHOD).start();
        let status = requests.send(bytes(&"m".repeat(1001))).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        peer.reply(stream, b"m").await;
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

/// gRPC connection-backoff: pauses grow until a server is of use. One that accepts and says
/// nothing is not.
#[tokio::test]
async fn pauses_grow_until_a_server_is_of_use() {
    let server = RawServer::bind().await;
    let policy = BackoffPolicy {
        initial: Duration::from_millis(50),
        multiplier: 20.0,
        max: Duration::from_secs(1),
        jitter: 0.2,
        connect_timeout_min: Duration::from_secs(5),
    };
    let channel = Channel::builder(&format!("ipv4:{}", server.address)).backoff(policy).build().unwrap();
    let call = tokio::spawn({
        let channel = channel.clone();
        async move { channel.unary(&ECHO_METHOD, bytes("m")).wait_for_ready(true).await }
    });
    let mut attempts = Vec::new();
    for _ in 0..3 {
        drop(server.accept_octets().await);
        attempts.push(Instant::now());
    }
    assert!(attempts[1] - attempts[0] >= Duration::from_millis(30), "{attempts:?}");
    assert!(attempts[2] - attempts[1] >= Duration::from_millis(750), "{attempts:?}");
    let mut peer = server.accept().await;
    let stream = peer.request().await;
    peer.reply(stream, b"m").await;
    call.await.unwrap().unwrap();
    drop(peer);
    assert_eq!(channel.wait_for_state_change(ConnectivityState::Ready).await, ConnectivityState::Idle);
    channel.state(true).unwrap();
    drop(server.accept_octets().await);
    let first = Instant::now();
    drop(server.accept_octets().await);
    assert!(first.elapsed() < Duration::from_millis(600), "a first pause again: {:?}", first.elapsed());
}

#[tokio::test]
async fn addresses_of_both_families_are_targets() {
    for (address, scheme) in [("127.0.0.1:0", "ipv4"), ("[::1]:0", "ipv6")] {
        let Ok(listener) = tokio::net::TcpListener::bind(address).await else {
            assert_eq!(scheme, "ipv6", "a machine without IPv4");
            continue;
        };
        let address = listener.local_addr().unwrap();
        for target in [format!("{scheme}:{address}"), address.to_string(), format!("dns:///{address}")] {
            let channel = Channel::new(&target).unwrap();
            channel.state(true).unwrap();
            listener.accept().await.unwrap();
        }
    }
}
