//! What a client makes of answers that are wrong, foreign or cut short.

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{Channel, Code, Method, Status};
use tramline_h2::Reason;

use crate::client_calls::{CHAT_METHOD, COUNT_METHOD, ECHO_METHOD, SUM_METHOD, bytes};
use crate::raw_client::envelope;
use crate::raw_server::{RawPeer, RawServer};

const HEAD: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

fn channel(server: &RawServer) -> Channel {
    Channel::new(&format!("ipv4:{}", server.address)).unwrap()
}

/// One unary call, answered by `answer`.
async fn call(answer: impl AsyncFnOnce(&mut RawPeer, tramline_h2::StreamKey)) -> Result<Bytes, Status> {
    call_method(&ECHO_METHOD, answer).await
}

async fn call_method(
    method: &Method<Bytes, Bytes, Raw>,
    answer: impl AsyncFnOnce(&mut RawPeer, tramline_h2::StreamKey),
) -> Result<Bytes, Status> {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        let outcome = channel.unary(method, bytes("request")).await.map(|reply| reply.into_inner());
        channel.close();
        outcome
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        answer(&mut peer, stream).await;
        peer.flush().await;
        peer.until_closed().await;
    };
    let (outcome, ()) = tokio::join!(calling, answering);
    outcome
}

#[tokio::test]
async fn one_message_and_an_ok_are_a_reply() {
    let outcome = call(async |peer, stream| peer.reply(stream, b"reply").await).await;
    assert_eq!(outcome.unwrap(), "reply");
}

/// Answers of one connection, most of which are like others before them, and what each is to its
/// caller: its reply with the metadata around it, or a code.
#[tokio::test]
async fn answers_that_come_again_are_told_from_others() {
    type Section = &'static [(&'static str, &'static str)];
    const OK: Section = &[("grpc-status", "0")];
    const TRACED: Section = &[("grpc-status", "0"), ("x-trace", "t")];
    const TENANT: Section = &[HEAD[0], HEAD[1], ("x-tenant", "blue")];
    const FOREIGN: Section = &[(":status", "200")];
    const LZMA: Section = &[HEAD[0], HEAD[1], ("grpc-encoding", "lzma")];
    const NO_STATUS: Section = &[];
    let rows: [(Section, Section, &str); 9] = [
        (&HEAD, OK, "reply None None"),
        (TENANT, OK, "reply Some(\"blue\") None"),
        (&HEAD, TRACED, "reply None Some(\"t\")"),
        (&HEAD, &[("grpc-status", "5")], "NotFound"),
        (FOREIGN, OK, "Unknown"),
        (LZMA, OK, "Internal"),
        (&[HEAD[0], ("content-type", "application/grpc+json")], OK, "reply None None"),
        (&[(":status", "503"), HEAD[1]], OK, "Unavailable"),
        (&HEAD, NO_STATUS, "Unknown"),
    ];
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let answering = async {
        let mut peer = server.accept().await;
        for row in (0..rows.len() * 4).map(|n| rows[n / 2 % rows.len()]) {
            let stream = peer.request().await;
            peer.send_head(stream, row.0, false);
            peer.send(stream, &envelope(b"reply"), false);
            peer.send_trailers(stream, row.1);
            peer.flush().await;
        }
        peer.until_closed().await;
    };
    let calling = async {
        for (n, row) in (0..rows.len() * 4).map(|n| (n, rows[n / 2 % rows.len()])) {
            let text = match channel.unary(&ECHO_METHOD, bytes("request")).await {
                Ok(reply) => {
                    let (tenant, trace) = (reply.metadata().get("x-tenant"), reply.trailers().get("x-trace"));
                    format!("reply {tenant:?} {trace:?}")
                }
                Err(status) => format!("{:?}", status.code()),
            };
            assert_eq!(text, row.2, "call {n}");
        }
        channel.close();
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn an_ok_needs_exactly_one_message() {
    for count in [0, 2, 3] {
        let outcome = call(async |peer, stream| {
            peer.send_ok_head(stream);
            for _ in 0..count {
                peer.send(stream, &envelope(b"m"), false);
            }
            peer.send_trailers(stream, &[("grpc-status", "0")]);
        });
        assert_eq!(outcome.await.unwrap_err().code(), Code::Unimplemented, "{count}");
    }
    let trailers_only = call(async |peer, stream| {
        peer.send_head(stream, &[HEAD[0], HEAD[1], ("grpc-status", "0")], true);
    });
    assert_eq!(trailers_only.await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_failure_holds_whatever_messages_came() {
    for count in [0, 1] {
        let outcome = call(async |peer, stream| {
            peer.send_ok_head(stream);
            for _ in 0..count {
                peer.send(stream, &envelope(b"m"), false);
            }
            peer.send_trailers(stream, &[("grpc-status", "9"), ("grpc-message", "no%20way")]);
        });
        let status = outcome.await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no way"));
    }
}

#[tokio::test]
async fn statuses_that_cannot_be_read_are_unknown() {
    for value in ["99", "x", "-1", ""] {
        let outcome = call(async |peer, stream| {
            peer.send_head(stream, &[HEAD[0], HEAD[1], ("grpc-status", value)], true);
        });
        assert_eq!(outcome.await.unwrap_err().code(), Code::Unknown, "{value}");
    }
    let missing = call(async |peer, stream| {
        peer.send_ok_head(stream);
        peer.send(stream, &envelope(b"m"), false);
        peer.send_trailers(stream, &[("x-other", "1")]);
    });
    assert_eq!(missing.await.unwrap_err().code(), Code::Unknown);
}

#[tokio::test]
async fn a_response_without_trailers_is_an_error() {
    let outcome = call(async |peer, stream| {
        peer.send_ok_head(stream);
        peer.send(stream, &envelope(b"m"), true);
    });
    let status = outcome.await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("without trailers"), "{status:?}");
}

#[tokio::test]
async fn a_status_in_a_head_counts_only_if_nothing_follows() {
    let outcome = call(async |peer, stream| {
        peer.send_head(stream, &[HEAD[0], HEAD[1], ("grpc-status", "9")], false);
        peer.send(stream, &envelope(b"m"), false);
        peer.send_trailers(stream, &[("grpc-status", "0")]);
    });
    assert_eq!(outcome.await.unwrap(), "m");
}

#[tokio::test]
async fn foreign_answers_are_explained() {
    let cases: [(&str, Option<&str>, &str, Code); 6] = [
        ("404", Some("text/html"), "<h1>not here</h1>", Code::Unimplemented),
        ("503", Some("text/plain"), "upstream connect error", Code::Unavailable),
        ("401", None, "", Code::Unauthenticated),
        ("431", None, "", Code::Unknown),
        ("200", Some("text/html"), "hello from the wrong port", Code::Unknown),
        ("502", Some("application/grpc"), "", Code::Unavailable),
    ];
    for (status, content_type, body, code) in cases {
        for with_trailers in [false, true] {
            let outcome = call(async |peer, stream| {
                let mut fields = vec![(":status", status)];
                fields.extend(content_type.map(|value| ("content-type", value)));
                let is_all = body.is_empty() && !with_trailers;
                peer.send_head(stream, &fields, is_all);
                if !is_all {
                    peer.send(stream, body.as_bytes(), !with_trailers);
                }
                if with_trailers {
                    peer.send_trailers(stream, &[("x-a", "b")]);
                }
            });
            let got = outcome.await.unwrap_err();
            assert_eq!(got.code(), code, "{status}: {got:?}");
            assert!(got.message().contains(status) && got.message().contains(body), "{got:?}");
        }
    }
}

#[tokio::test]
async fn encodings_that_nobody_announced_are_an_error() {
    let unknown = call(async |peer, stream| {
        peer.send_head(stream, &[HEAD[0], HEAD[1], ("grpc-encoding", "lzw")], false);
        peer.send(stream, &[1, 0, 0, 0, 1, 7], false);
        peer.send_trailers(stream, &[("grpc-status", "0")]);
    });
    let status = unknown.await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("lzw"), "{status:?}");
}

#[tokio::test]
async fn broken_envelopes_are_an_error() {
    let cases: [&[u8]; 4] = [&[1, 0, 0, 0, 1, 7], &[2, 0, 0, 0, 1, 7], &[0, 0, 0, 0, 9, 7], &[0, 0]];
    for octets in cases {
        let outcome = call(async |peer, stream| {
            peer.send_ok_head(stream);
            peer.send(stream, octets, false);
            peer.send_trailers(stream, &[("grpc-status", "0")]);
        });
        let status = outcome.await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{octets:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_prefix() {
    let outcome = call(async |peer, stream| {
        peer.send_ok_head(stream);
        peer.send(stream, &[0, 0, 64, 0, 1], false);
        let request = peer.until(stream, |request| request.reset.is_some()).await;
        assert_eq!(request.reset, Some(Reason::CANCEL));
    });
    let status = outcome.await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("4194305") && status.message().contains("4194304"), "{status:?}");
}

#[tokio::test]
async fn heads_over_the_limit_are_refused() {
    let long = "x".repeat(20_000);
    let outcome = call(async |peer, stream| {
        peer.send_head(stream, &[HEAD[0], HEAD[1], ("x-long", &long)], false);
        peer.send(stream, &envelope(b"m"), false);
        peer.send_trailers(stream, &[("grpc-status", "0")]);
    });
    assert_eq!(outcome.await.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn resets_are_mapped() {
    let cases = [
        (Reason::NO_ERROR, Code::Internal),
        (Reason::PROTOCOL_ERROR, Code::Internal),
        (Reason::INTERNAL_ERROR, Code::Internal),
        (Reason::CANCEL, Code::Cancelled),
        (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
        (Reason::HTTP_1_1_REQUIRED, Code::Unknown),
        (Reason(0x77), Code::Internal),
    ];
    for (reason, code) in cases {
        for after_head in [false, true] {
            let outcome = call(async |peer, stream| {
                if after_head {
                    peer.send_ok_head(stream);
                    peer.flush().await;
                }
                peer.reset(stream, reason).await;
            });
            let status = outcome.await.unwrap_err();
            assert_eq!(status.code(), code, "{reason:?} {after_head}: {status:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_call_is_tried_once_more() {
    let outcome = call(async |peer, stream| {
        peer.reset(stream, Reason::REFUSED_STREAM).await;
        let again = peer.request().await;
        assert_eq!(peer.seen(again).data, envelope(b"request"));
        peer.reply(again, b"second").await;
    });
    assert_eq!(outcome.await.unwrap(), "second");
    let outcome = call(async |peer, stream| {
        peer.reset(stream, Reason::REFUSED_STREAM).await;
        let again = peer.request().await;
        peer.reset(again, Reason::REFUSED_STREAM).await;
    });
    assert_eq!(outcome.await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_call_is_not_tried_again_once_a_head_came() {
    let outcome = call(async |peer, stream| {
        peer.send_ok_head(stream);
        peer.flush().await;
        peer.reset(stream, Reason::REFUSED_STREAM).await;
    });
    assert_eq!(outcome.await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_refused_stream_of_requests_is_sent_again_from_its_beginning() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        for n in 0..3u8 {
            requests.send(Bytes::from(vec![n; 10])).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        requests.finish();
        let reply = reply.await;
        channel.close();
        reply
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.head().await;
        let expected: Vec<u8> = (0..3u8).flat_map(|n| envelope(&[n; 10])).collect();
        peer.until(stream, |request| request.data.len() >= 15).await;
        peer.reset(stream, Reason::REFUSED_STREAM).await;
        let again = peer.request().await;
        assert_eq!(peer.seen(again).data, expected);
        peer.reply(again, b"3").await;
        peer.until_closed().await;
    };
    let (reply, ()) = tokio::join!(calling, answering);
    assert_eq!(reply.unwrap().into_inner(), "3");
}

#[tokio::test]
async fn calls_above_a_goaway_move_to_another_connection() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let one = async { channel.unary(&ECHO_METHOD, bytes("one")).await.unwrap().into_inner() };
    let two = async { channel.unary(&ECHO_METHOD, bytes("two")).await.unwrap().into_inner() };
    let answering = async {
        let mut first = server.accept().await;
        let served = first.request().await;
        let moved = first.request().await;
        first.go_away(served.id(), 0).await;
        assert!(moved.id() > served.id());
        let mut second = server.accept().await;
        let again = second.request().await;
        let message = second.seen(again).data[5..].to_vec();
        second.reply(again, &message).await;
        let message = first.seen(served).data[5..].to_vec();
        first.reply(served, &message).await;
        first.until_closed().await;
        second
    };
    let (one, two, _second) = tokio::join!(one, two, answering);
    assert_eq!((&one[..], &two[..]), (&b"one"[..], &b"two"[..]));
}

#[tokio::test]
async fn a_lost_connection_fails_its_calls_and_says_so() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        let unary = channel.unary(&ECHO_METHOD, bytes("x"));
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        let (unary, stream) = tokio::join!(unary, replies.message());
        let status = unary.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("the connection was lost"), "{status:?}");
        assert!(status.message().contains(&server.address.to_string()), "{status:?}");
        assert_eq!(stream.unwrap_err().code(), Code::Unavailable);
        assert_eq!(requests.send(bytes("y")).await.unwrap_err().code(), Code::Unavailable);
    };
    let answering = async {
        let mut peer = server.accept().await;
        peer.head().await;
        peer.head().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn informational_heads_are_skipped() {
    let outcome = call(async |peer, stream| {
        peer.flush().await;
        // HEADERS with `:status: 100`, a literal without indexing.
        let mut frame = vec![0, 0, 6, 1, 4];
        frame.extend_from_slice(&stream.id().to_be_bytes());
        frame.extend_from_slice(&[0x08, 3, b'1', b'0', b'0']);
        frame[2] = 5;
        peer.write_raw(&frame).await;
        peer.reply(stream, b"after").await;
    });
    assert_eq!(outcome.await.unwrap(), "after");
}

#[tokio::test]
async fn trailers_before_the_client_is_done_end_its_stream() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        requests.send(bytes("x")).await.unwrap();
        assert_eq!(replies.message().await.unwrap(), None);
        assert_eq!(requests.send(bytes("y")).await.unwrap_err().code(), Code::Cancelled);
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.head().await;
        peer.send_ok_head(stream);
        peer.send_trailers(stream, &[("grpc-status", "0")]);
        let request = peer.until(stream, |request| request.reset.is_some()).await;
        assert!(matches!(request.reset, Some(Reason::CANCEL | Reason::NO_ERROR)));
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn initial_metadata_are_there_before_any_message() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        assert_eq!(replies.metadata().await.unwrap().get("x-early"), Some("1"));
        let streaming = channel.server_streaming(&COUNT_METHOD, bytes("q")).await.unwrap();
        assert_eq!(streaming.metadata().get("x-early"), Some("1"));
        let (_requests, mut reply) = channel.client_streaming(&SUM_METHOD).start();
        assert_eq!(reply.metadata().await.unwrap().get("x-early"), Some("1"));
        drop(requests);
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        for _ in 0..3 {
            let stream = peer.head().await;
            peer.send_head(stream, &[HEAD[0], HEAD[1], ("x-early", "1")], false);
            peer.flush().await;
        }
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn a_request_says_what_grpc_wants() {
    let server = RawServer::bind().await;
    let channel = Channel::builder(&format!("ipv4:{}", server.address))
        .authority("greeter.example")
        .user_agent("my-program/1.0")
        .build()
        .unwrap();
    let calling = async {
        let call = channel.unary(&ECHO_METHOD, bytes("m")).metadata("x-a", "1").metadata_bin("x-b-bin", b"\0\xff");
        call.timeout(std::time::Duration::from_secs(5)).await.unwrap();
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        let request = peer.seen(stream);
        assert_eq!(request.field(":method"), Some("POST"));
        assert_eq!(request.field(":scheme"), Some("http"));
        assert_eq!(request.field(":path"), Some("/test.Test/Echo"));
        assert_eq!(request.field(":authority"), Some("greeter.example"));
        assert_eq!(request.field("te"), Some("trailers"));
        assert!(request.field("content-type").unwrap().starts_with("application/grpc"));
        assert!(request.field("user-agent").unwrap().starts_with("my-program/1.0 grpc-"));
        assert!(request.field("grpc-accept-encoding").unwrap().contains("gzip"));
        assert_eq!(request.field("grpc-encoding"), None);
        assert!(request.field("grpc-timeout").unwrap().len() <= 9);
        assert_eq!(request.field("x-a"), Some("1"));
        assert_eq!(request.field("x-b-bin"), Some("AP8"));
        peer.reply(stream, b"m").await;
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn a_cancel_near_the_deadline_is_the_deadline() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let timeout = std::time::Duration::from_millis(200);
    let calling = async {
        let status = channel.unary(&ECHO_METHOD, bytes("m")).timeout(timeout).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        tokio::time::sleep(timeout).await;
        peer.reset(stream, Reason::CANCEL).await;
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn metadata_over_the_servers_limit_are_not_sent() {
    let server = RawServer::bind().await;
    let channel = channel(&server);
    let calling = async {
        channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap();
        let status = channel.unary(&ECHO_METHOD, bytes("m")).metadata("x-long", &"v".repeat(3000)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept_with(|config| config.limits.header_list_len_max = 2000).await;
        let stream = peer.request().await;
        peer.reply(stream, b"m").await;
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}
