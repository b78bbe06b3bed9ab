//! What a server makes of requests that are odd or wrong: over a socket, and beside calls
//! that are in order.

use std::sync::atomic::Ordering;

use tramline::{CallStart, Interceptor, Started, Status};
use tramline_h2::Reason;

use crate::raw_client::{Answer, RawClient, envelope};
use crate::services::{CHAT, COUNT, ECHO, Running, SLEEP, SUM, serve, serve_with};

/// One call with these fields, and one in order behind it on the same connection.
async fn call_with(server: &Running, path: &str, own: &[(&str, &str)]) -> Answer {
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(path, own, b"m");
    let answer = client.answer(stream).await;
    assert_eq!(client.unary(ECHO, b"still here").await.status(), 0, "{path} {own:?}");
    answer
}

fn http_and_grpc(answer: &Answer) -> (&str, u32) {
    assert!(matches!(answer.reset, None | Some(Reason::NO_ERROR)), "{answer:?}");
    (&answer.head[":status"], answer.status())
}

#[tokio::test]
async fn other_verbs_are_refused_cheaply() {
    let server = serve().await;
    for verb in ["GET", "PUT", "post", "FOO"] {
        let answer = call_with(&server, ECHO, &[(":method", verb)]).await;
        assert_eq!(http_and_grpc(&answer), ("405", 13), "{verb}");
    }
}

/// Nothing is tunnelled (RFC 9113 §8.5), and extended CONNECT is not offered, so that a client
/// may not use it (RFC 8441 §3): also beside a handler for plain HTTP.
#[tokio::test]
async fn connect_is_refused_plain_and_extended() {
    let settings =
        |builder: tramline::server::ServerBuilder| builder.http_handler(|_| async { tramline::HttpResponse::new(200) });
    let server = serve_with(settings).await;
    let mut client = RawClient::connect(server.address).await;
    let grpc = ("content-type", "application/grpc");
    let cases: [&[(&str, &str)]; 4] = [
        &[(":method", "CONNECT"), (":authority", "elsewhere:443")],
        &[(":method", "CONNECT"), (":authority", "localhost"), (":scheme", "http"), (":path", ECHO), grpc],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", ECHO),
            (":authority", "localhost"),
        ],
        &[
            (":method", "POST"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", ECHO),
            (":authority", "localhost"),
            grpc,
        ],
    ];
    for fields in cases {
        let stream = client.open_as_is(fields, false);
        let answer = client.answer(stream).await;
        assert!(answer.head.is_empty() && answer.data.is_empty(), "{fields:?}: {answer:?}");
        assert_eq!(answer.reset, Some(Reason::PROTOCOL_ERROR), "{fields:?}");
    }
    assert_eq!(server.witness.started.load(Ordering::SeqCst), 0);
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
}

/// Nothing that could decide on a call may see a path that is none (CVE-2026-33186).
#[tokio::test]
async fn what_is_no_path_is_refused_before_anything_sees_it() {
    struct Never;
    impl Interceptor for Never {
        type Call = ();
        async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
            Err(Status::permission_denied(format!("{} was seen", call.method().path())))
        }
    }
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.interceptor(Never).fallback(|_, _| async { Err(Status::permission_denied("the fallback saw it")) })
    };
    let server = serve_with(settings).await;
    let mut client = RawClient::connect(server.address).await;
    let paths =
        ["test.Test/Echo", "*", "/", "//test.Test/Echo", "/test.Test", "/test.Test/../test.Test/Echo", "http://a/b"];
    for path in paths {
        assert_eq!(client.unary(path, b"m").await.status(), 12, "{path}");
    }
    assert_eq!(client.unary(ECHO, b"m").await.status(), 7);
    let empty = client.call("", &[], b"m");
    // RFC 9113 §8.3.1: the path of such a request is not empty.
    assert_eq!(client.answer(empty).await.reset, Some(Reason::PROTOCOL_ERROR));
}

#[tokio::test]
async fn one_authority_is_enough() {
    let server = serve().await;
    let twice = call_with(&server, ECHO, &[(":authority", "a"), (":authority", "a")]).await;
    assert_eq!(twice.reset, Some(Reason::PROTOCOL_ERROR));
    let other_host = call_with(&server, ECHO, &[("host", "elsewhere")]).await;
    assert_eq!(http_and_grpc(&other_host), ("400", 13));
    let two_hosts = call_with(&server, ECHO, &[("host", "localhost"), ("host", "localhost")]).await;
    assert_eq!(http_and_grpc(&two_hosts), ("400", 13));
    let same_host = call_with(&server, ECHO, &[("host", "LOCALHOST")]).await;
    assert_eq!(http_and_grpc(&same_host), ("200", 0));
}

#[tokio::test]
async fn fields_of_one_hop_and_other_te_are_malformed() {
    let server = serve().await;
    let cases = [
        ("te", "gzip"),
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("X-Capital", "1"),
        ("x-line", "a\r\nb"),
        (":strange", "1"),
    ];
    for (name, value) in cases {
        let answer = call_with(&server, ECHO, &[(name, value)]).await;
        assert_eq!(answer.reset, Some(Reason::PROTOCOL_ERROR), "{name}: {value}: {answer:?}");
    }
    assert_eq!(server.witness.started.load(Ordering::SeqCst), cases.len(), "those in order alone");
}

#[tokio::test]
async fn content_types_choose_between_answer_and_http_status() {
    let server = serve().await;
    for ours in
        ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+x;a=b"]
    {
        let answer = call_with(&server, ECHO, &[("content-type", ours)]).await;
        assert_eq!(http_and_grpc(&answer), ("200", 0), "{ours}");
        let subtype = ours.split(';').next().unwrap();
        assert_eq!(answer.head["content-type"], subtype, "{ours}");
    }
    for foreign in ["application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/json"] {
        let answer = call_with(&server, ECHO, &[("content-type", foreign)]).await;
        assert_eq!(answer.head[":status"], "415", "{foreign}");
        assert!(!answer.head.contains_key("grpc-status"), "{foreign}");
    }
}

#[tokio::test]
async fn fields_that_cannot_be_read_fail_their_call_alone() {
    let server = serve().await;
    let cases = [
        ("grpc-timeout", "123456789S"),
        ("grpc-timeout", "-1S"),
        ("grpc-timeout", "1s"),
        ("grpc-timeout", ""),
        ("x-b-bin", "!!!!"),
        ("x-b-bin", "AAA=,#"),
    ];
    for path in [ECHO, COUNT, SUM, CHAT] {
        for (name, value) in cases {
            let answer = call_with(&server, path, &[(name, value)]).await;
            assert_eq!(http_and_grpc(&answer), ("200", 13), "{path} {name}: {value}");
        }
    }
}

#[tokio::test]
async fn fields_that_nobody_asked_for_do_no_harm() {
    let server = serve().await;
    let own = [("grpc-message-type", "a.B"), ("grpc-tags-bin", "AAE"), ("grpc-unknown", "1"), ("x-text", "caf\u{e9}")];
    assert_eq!(http_and_grpc(&call_with(&server, ECHO, &own).await), ("200", 0));
}

#[tokio::test]
async fn encodings_that_the_server_does_not_read_are_named_and_its_own_are_listed() {
    let server = serve().await;
    for path in [ECHO, COUNT, SUM, CHAT] {
        let answer = call_with(&server, path, &[("grpc-encoding", "lzw")]).await;
        assert_eq!(http_and_grpc(&answer), ("200", 12), "{path}");
        assert!(answer.message().contains("lzw"), "{}", answer.message());
        let listed = &answer.head["grpc-accept-encoding"];
        assert!(listed.contains("gzip") && listed.contains("identity") && !listed.contains("lzw"), "{listed}");
    }
}

#[tokio::test]
async fn envelopes_that_are_wrong_are_internal() {
    let server = serve().await;
    let cases: [(&str, &[u8]); 4] = [
        ("identity", &[1, 0, 0, 0, 1, 7]),
        ("identity", &[2, 0, 0, 0, 0]),
        ("gzip", &[2, 0, 0, 0, 0]),
        ("identity", &[0, 0, 0, 0, 9, 1]),
    ];
    let mut client = RawClient::connect(server.address).await;
    for path in [ECHO, SUM, CHAT] {
        for (encoding, octets) in cases {
            let stream = client.open(path, &[("grpc-encoding", encoding)], false);
            client.send(stream, octets, true);
            assert_eq!(client.answer(stream).await.status(), 13, "{path} {encoding} {octets:?}");
        }
        let unsaid = client.open(path, &[], false);
        client.send(unsaid, &[1, 0, 0, 0, 1, 7], true);
        assert_eq!(client.answer(unsaid).await.status(), 13, "{path}");
    }
    assert_eq!(client.unary(ECHO, b"still here").await.status(), 0);
}

/// The limit holds for what comes out, while it comes out (CVE-2024-37168 of grpc-js).
#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_bomb_is_refused() {
    let server = serve_with(|builder| builder.message_len_max(100_000)).await;
    // Ten million zeros in ten thousand octets.
    let mut packed = Vec::new();
    std::io::Write::write_all(
        &mut flate2::write::GzEncoder::new(&mut packed, flate2::Compression::best()),
        &vec![0; 10_000_000],
    )
    .unwrap();
    let mut octets = envelope(&packed);
    octets[0] = 1;
    let mut client = RawClient::connect(server.address).await;
    for path in [ECHO, SUM, CHAT] {
        let stream = client.open(path, &[("grpc-encoding", "gzip")], false);
        client.send(stream, &octets, true);
        let answer = client.answer(stream).await;
        assert_eq!(answer.status(), 8, "{path}");
        assert!(answer.message().contains("100000"), "{}", answer.message());
    }
}

/// Compression is for those that listed it.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn replies_are_compressed_as_the_client_listed() {
    let server = serve_with(|builder| builder.compression(tramline::Encoding::Gzip)).await;
    let mut client = RawClient::connect(server.address).await;
    for (list, is_packed) in [(None, false), (Some("zstd,identity"), false), (Some("identity, gzip"), true)] {
        let own: Vec<_> = list.map(|list| ("grpc-accept-encoding", list)).into_iter().collect();
        for path in [ECHO, CHAT] {
            let stream = client.call(path, &own, &[5; 1000]);
            let answer = client.answer(stream).await;
            assert_eq!(answer.data[0] == 1, is_packed, "{path} {list:?}");
            assert_eq!(answer.head.contains_key("grpc-encoding"), is_packed, "{path} {list:?}");
        }
    }
}

/// A response, and a message of a stream, can be left as it is although the server compresses.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_reply_can_be_left_uncompressed() {
    use bytes::Bytes;
    use tramline::codec::Raw;
    use tramline::{Method, Replies, Request, Response};
    let register = |routes: &mut tramline::server::Routes| {
        let one = Method::<Bytes, Bytes, Raw>::unary("/plain.Plain/One", Raw);
        routes.unary(one, std::sync::Arc::new(()), |_, request: Request<Bytes>| async move {
            let mut response = Response::new(request.into_inner());
            response.set_compressible(false);
            Ok(response)
        });
        let many = Method::<Bytes, Bytes, Raw>::server_streaming("/plain.Plain/Many", Raw);
        let handler = |_, request: Request<Bytes>, replies: Replies<Bytes>| async move {
            replies.send_uncompressed(request.get_ref().clone()).await?;
            replies.send(request.into_inner()).await
        };
        routes.server_streaming(many, std::sync::Arc::new(()), handler);
    };
    let server = serve_with(|builder| builder.compression(tramline::Encoding::Gzip).add_routes(register)).await;
    let mut client = RawClient::connect(server.address).await;
    let message = [7; 500];
    let accepts = [("grpc-accept-encoding", "gzip")];
    let stream = client.call("/plain.Plain/One", &accepts, &message);
    assert_eq!(client.answer(stream).await.data, envelope(&message));
    let stream = client.call("/plain.Plain/Many", &accepts, &message);
    let data = client.answer(stream).await.data;
    assert!(data.starts_with(&envelope(&message)) && data[505] == 1, "{:?}", &data[500..]);
}

/// A failure before anything was sent is one block, for every kind (gRPC PROTOCOL-HTTP2,
/// "Trailers-Only"): what tries calls again builds on that.
#[tokio::test]
async fn failures_before_the_first_message_are_one_block() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(CHAT, &[], false);
    client.send(stream, &envelope(b"fail"), false);
    let failed = client.answer(stream).await;
    assert_eq!(http_and_grpc(&failed), ("200", 10));
    assert!(failed.trailers.is_empty(), "{failed:?}");
    let stream = client.call(SLEEP, &[("grpc-timeout", "20m")], b"60000");
    let late = client.answer(stream).await;
    assert_eq!(http_and_grpc(&late), ("200", 4));
    assert!(late.trailers.is_empty(), "{late:?}");
}

/// The head waits for the first message.
#[tokio::test]
async fn a_head_does_not_go_out_before_there_is_something_to_say() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(CHAT, &[], false);
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
    assert!(client.seen(stream).head.is_empty());
    client.send(stream, &envelope(b"m"), false);
    let answer = client.until(stream, |answer| !answer.data.is_empty()).await;
    assert_eq!(answer.head[":status"], "200");
}
