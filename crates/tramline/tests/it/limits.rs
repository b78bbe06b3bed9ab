//! Limits: of messages, heads, streams, handlers, connections, time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tramline::codec::Raw;
use tramline::server::Routes;
use tramline::{Dispatch, Method, Replies, Request, Response, Status};
use tramline_h2::{Config, Reason};

use crate::raw_client::{RawClient, envelope};
use crate::services::{BLOCK, CHAT, COUNT, ECHO, SLEEP, serve, serve_with};

#[tokio::test]
async fn long_messages_are_refused_by_name() {
    let server = serve_with(|builder| builder.message_len_max(1000).sent_message_len_max(2000)).await;
    let mut client = RawClient::connect(server.address).await;
    for path in [ECHO, CHAT] {
        assert_eq!(client.unary(path, &[0; 1000]).await.status(), 0);
        let answer = client.unary(path, &[0; 1001]).await;
        assert_eq!(answer.status(), 8, "{path}");
        assert!(answer.message().contains("1001") && answer.message().contains("1000"), "{}", answer.message());
    }
    let answer = client.unary(COUNT, b"1 2001").await;
    assert_eq!(answer.status(), 8);
    assert!(answer.message().contains("2001"), "{}", answer.message());
}

/// The announced length is not believed: nothing is kept for a message that is too long.
#[tokio::test]
async fn a_length_alone_is_enough_to_refuse() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(ECHO, &[], false);
    client.send(stream, &[0, 0xff, 0xff, 0xff, 0xff], false);
    assert_eq!(client.answer(stream).await.status(), 8);
}

#[tokio::test]
async fn a_long_head_ends_its_call_alone() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let value = "x".repeat(20_000);
    let stream = client.call(ECHO, &[("x-long", &value)], b"m");
    let answer = client.answer(stream).await;
    assert_eq!((answer.head[":status"].as_str(), answer.status()), ("431", 8));
    let names: Vec<String> = (0..200).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (&name[..], "1")).collect();
    let stream = client.call(ECHO, &many, b"m");
    assert_eq!(client.answer(stream).await.status(), 8);
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
}

/// What a client does not take is not sent to it: it would lose the status with the rest
/// (RFC 9113 §6.5.2).
#[tokio::test]
async fn metadata_over_the_clients_limit_are_not_sent() {
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.add_routes(register_talkative).dispatch("/talk.Talk/spawned", Dispatch::Spawn)
    };
    let server = serve_with(settings).await;
    let mut config = Config::default();
    config.limits.header_list_len_max = 2000;
    let mut client = RawClient::over(TcpStream::connect(server.address).await.unwrap(), config);
    client.settle().await;
    for kind in ["unary", "spawned", "streaming"] {
        let path = format!("/talk.Talk/{kind}");
        for (place, has_head) in [("head", false), ("trailers", true)] {
            let answer = client.unary(&path, place.as_bytes()).await;
            assert_eq!(answer.status(), 8, "{kind} {place}: {answer:?}");
            assert!(answer.message().contains("2000"), "{kind} {place}: {}", answer.message());
            assert_eq!(!answer.trailers.is_empty(), has_head, "{kind} {place}: {answer:?}");
        }
        // A failure keeps its code: details and metadata go first, then the message's end.
        let answer = client.unary(&path, b"message").await;
        assert_eq!(answer.status(), 5, "{kind}: {answer:?}");
        assert!((1000..2000).contains(&answer.message().len()), "{kind}: {answer:?}");
        for place in ["details", "late metadata"] {
            let answer = client.unary(&path, place.as_bytes()).await;
            assert_eq!((answer.status(), answer.message()), (5, "short"), "{kind} {place}");
            assert!(!answer.head.contains_key("x-much") && !answer.head.contains_key("grpc-status-details-bin"));
        }
        assert_eq!(client.unary(&path, b"nothing").await.status(), 0, "{kind}");
    }
}

/// Says much in its head, its trailers, or the message of its status.
fn register_talkative(routes: &mut Routes) {
    async fn talk(place: Bytes) -> Result<Response<Bytes>, Status> {
        let much = "x".repeat(3000);
        let mut response = Response::new(Bytes::new());
        match &place[..] {
            b"head" => response.metadata_mut().insert("x-much", &much).unwrap(),
            b"trailers" => response.trailers_mut().insert("x-much", &much).unwrap(),
            b"message" => return Err(Status::not_found(much)),
            b"details" => return Err(Status::not_found("short").with_details(much)),
            b"late metadata" => {
                let mut status = Status::not_found("short");
                status.metadata_mut().insert("x-much", &much).unwrap();
                return Err(status);
            }
            _ => {}
        }
        Ok(response)
    }
    for path in ["/talk.Talk/unary", "/talk.Talk/spawned"] {
        routes.unary(Method::unary(path, Raw), Arc::new(()), |_, request: Request<Bytes>| talk(request.into_inner()));
    }
    let method = Method::server_streaming("/talk.Talk/streaming", Raw);
    routes.server_streaming(method, Arc::new(()), |_, request: Request<Bytes>, replies: Replies<Bytes>| async move {
        let (message, head, trailers) = talk(request.into_inner()).await?.into_parts();
        replies.set_metadata(head).unwrap();
        replies.with_trailers(|own| own.merge(&trailers));
        replies.send(message).await
    });
}

/// Names are not said back in full: escaped, they would be over the client's own limit.
#[tokio::test]
async fn long_names_are_not_said_back_in_full() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let long = "\u{e9}".repeat(5000);
    let answer = client.unary(&format!("/pkg.Service/{long}"), b"m").await;
    assert_eq!(answer.status(), 12);
    assert!(answer.message().len() < 2000 && answer.message().contains("pkg.Service"), "{}", answer.message());
    let stream = client.call(ECHO, &[("grpc-encoding", &long)], b"m");
    let answer = client.answer(stream).await;
    assert_eq!(answer.status(), 12);
    assert!(answer.message().len() < 2000, "{}", answer.message());
}

#[tokio::test]
async fn too_many_handlers_are_refused_and_can_be_tried_again() {
    let server = serve_with(|builder| builder.handlers_max(3)).await;
    let mut first = RawClient::connect(server.address).await;
    let mut second = RawClient::connect(server.address).await;
    let busy: Vec<_> = (0..3).map(|_| first.call(SLEEP, &[], b"300")).collect();
    first.flush().await;
    server.until_alive(3).await;
    let refused = second.call(ECHO, &[], b"m");
    assert_eq!(second.answer(refused).await.reset, Some(Reason::REFUSED_STREAM));
    for stream in busy {
        assert_eq!(first.answer(stream).await.status(), 0);
    }
    assert_eq!(second.unary(ECHO, b"m").await.status(), 0);
    // A handler that ends early gives its place back as well.
    for _ in 0..5 {
        let stream = second.call(SLEEP, &[("grpc-timeout", "5m")], b"60000");
        assert_eq!(second.answer(stream).await.status(), 4);
    }
    assert_eq!(second.unary(ECHO, b"m").await.status(), 0);
}

#[tokio::test]
async fn connections_wait_for_a_place() {
    let server = serve_with(|builder| builder.connections_max(1)).await;
    let first = RawClient::connect(server.address).await;
    let mut waiting = TcpStream::connect(server.address).await.unwrap();
    let mut octets = [0; 9];
    let early = tokio::time::timeout(Duration::from_millis(100), waiting.read(&mut octets)).await;
    assert!(early.is_err(), "it was served: {early:?}");
    drop(first);
    waiting.read_exact(&mut octets).await.unwrap();
}

/// One address cannot take all the places. What it has too many is closed at once, and
/// holds up nobody.
#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let server = serve_with(|builder| builder.connections_per_ip_max(2)).await;
    let first = RawClient::connect(server.address).await;
    let mut second = RawClient::connect(server.address).await;
    for _ in 0..20 {
        let mut third = TcpStream::connect(server.address).await.unwrap();
        let mut all = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), third.read_to_end(&mut all)).await.unwrap();
        assert!(read.is_err() || all.is_empty(), "it was served: {all:?}");
    }
    assert_eq!(second.unary(ECHO, b"m").await.status(), 0);
    drop(first);
    for attempt in 0.. {
        assert!(attempt < 500, "its place never came back");
        let mut io = TcpStream::connect(server.address).await.unwrap();
        if io.read_u8().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.http2(|config| config.limits.preface_timeout = Duration::from_millis(50))
    };
    let server = serve_with(settings).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), silent.read_to_end(&mut all)).await.unwrap().unwrap();
    assert!(all.windows(b"no preface in time".len()).any(|part| part == b"no preface in time"), "{all:?}");
}

/// A peer that reads nothing is not waited for, and costs no handler its end.
#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.http2(|config| config.limits.write_stall_timeout = Duration::from_millis(200))
    };
    let server = serve_with(settings).await;
    let mut config = Config::default();
    config.stream_window_len = 16 << 20;
    config.connection_window_len = 1 << 30;
    let mut client = RawClient::over(TcpStream::connect(server.address).await.unwrap(), config);
    client.settle().await;
    for _ in 0..100 {
        client.call(COUNT, &[], b"1000 1000");
    }
    client.flush().await;
    server.until(|witness| witness.started.load(Ordering::SeqCst) == 100).await;
    server.until_alive(0).await;
}

/// Rapid reset (CVE-2023-44487): the connection ends within its budget, and no more
/// handlers are alive than streams are allowed.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let settings = |builder: tramline::server::ServerBuilder| builder.dispatch(SLEEP, Dispatch::Spawn);
    let server = serve_with(settings).await;
    let mut client = RawClient::connect(server.address).await;
    for n in 0..5000 {
        if client.is_closed {
            break;
        }
        let Ok(()) = client.engine().check_open() else { break };
        let stream = client.open(SLEEP, &[], false);
        client.send(stream, &envelope(b"60000"), true);
        client.engine().reset(stream, Reason::CANCEL);
        client.engine().forget(stream);
        if n % 50 == 0 {
            client.flush().await;
            assert!(server.witness.alive.load(Ordering::SeqCst) <= 256);
            tokio::task::yield_now().await;
        }
    }
    client.until_closed().await;
    assert_eq!(client.goaways.last().map(|(_, reason)| *reason), Some(Reason::ENHANCE_YOUR_CALM));
    server.until_alive(0).await;
}

/// Cancelling is ordinary: a client may do a hundred a second.
#[tokio::test]
async fn ordinary_cancels_are_not_punished() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for n in 0..300 {
        let stream = client.call(SLEEP, &[], b"60000");
        client.flush().await;
        client.engine().reset(stream, Reason::CANCEL);
        client.engine().forget(stream);
        if n % 10 == 0 {
            assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
        }
    }
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
    server.until_alive(0).await;
}

/// A client that drops its connection cannot have more handlers than the limit says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_count_until_they_are_gone_whatever_their_connection() {
    let settings =
        |builder: tramline::server::ServerBuilder| builder.handlers_max(1).dispatch(BLOCK, Dispatch::Blocking);
    let server = serve_with(settings).await;
    let mut first = RawClient::connect(server.address).await;
    first.call(BLOCK, &[], b"1000");
    first.flush().await;
    server.until_alive(1).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut second = RawClient::connect(server.address).await;
    let stream = second.call(ECHO, &[], b"m");
    let answer = second.until(stream, |answer| answer.reset.is_some() || !answer.trailers.is_empty()).await;
    assert_eq!(answer.reset, Some(Reason::REFUSED_STREAM));
    server.until_alive(0).await;
    // The place is free a moment after the handler's last own act.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(second.unary(ECHO, b"m").await.status(), 0);
}

/// RFC 9113 §6.5.2: with 0 nothing comes in, and above 2^31-1 every client hangs up.
#[tokio::test]
async fn a_window_that_lets_nothing_in_is_refused_by_name() {
    for len in [0, 0x8000_0000] {
        let builder = tramline::Server::builder().http2(|config| config.stream_window_len = len);
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), tramline::ErrorKind::Config);
        assert!(error.to_string().contains(&format!("`stream_window_len` is {len}")), "{error}");
    }
    for len in [1, 0x7fff_ffff] {
        let server = serve_with(|builder| builder.http2(|config| config.stream_window_len = len)).await;
        let mut client = RawClient::connect(server.address).await;
        assert_eq!(client.unary(ECHO, b"m").await.status(), 0, "{len}");
    }
}
