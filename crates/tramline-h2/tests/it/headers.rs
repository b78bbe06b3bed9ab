//! Requests, responses and trailers as wholes (RFC 9113 §8.1–8.3).

use tramline_h2::Indexing::{Incremental, None as Unindexed};
use tramline_h2::Reason;
use tramline_h2::frame::{FrameKind, flags};

use crate::wire::{REQUEST, Script, Seen, frame};

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    REQUEST.iter().copied().filter(|(n, _)| *n != name).collect()
}

fn with(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    REQUEST.iter().copied().chain(extra.iter().copied()).collect()
}

#[test]
fn malformed_requests_are_stream_errors_and_nothing_more() {
    let cases = [
        without(":method"),
        without(":scheme"),
        without(":path"),
        with(&[(":authority", "again")]),
        with(&[(":path", "/late")]),
        with(&[(":status", "200")]),
        with(&[(":other", "x")]),
        with(&[("X-Upper", "x")]),
        with(&[("", "x")]),
        with(&[("connection", "close")]),
        with(&[("te", "gzip")]),
        with(&[("x", "a\nb")]),
        with(&[("content-length", "1"), ("content-length", "2")]),
        with(&[("content-length", "x")]),
        vec![(":method", "POST"), (":scheme", "http"), (":path", ""), (":authority", "h")],
        vec![(":method", "CONNECT"), (":authority", "h")],
        vec![("te", "trailers"), (":method", "POST"), (":scheme", "http"), (":path", "/")],
    ];
    for fields in cases {
        let mut script = Script::server();
        script.headers(1, &fields, false);
        assert!(script.error.is_none(), "{fields:?}");
        assert!(script.seen.is_empty(), "{fields:?}");
        assert_eq!(script.sent_reset(), Some((1, Reason::PROTOCOL_ERROR)), "{fields:?}");
        script.request(3, true);
        assert!(matches!(&script.seen[..], [Seen::Headers(3, f, true)] if f.len() == REQUEST.len()), "{fields:?}");
    }
}

#[test]
fn valid_requests_pass() {
    for fields in
        [without(":authority"), with(&[("host", "h")]), with(&[("cookie", "a"), ("cookie", "b")]), without("te")]
    {
        let mut script = Script::server();
        script.headers(1, &fields, true);
        assert_eq!(script.seen.len(), 1, "{fields:?}");
    }
}

#[test]
fn content_length_must_match() {
    for (length, body, fits) in [("3", "abc", true), ("3", "ab", false), ("3", "abcd", false), ("0", "", true)] {
        let mut script = Script::server();
        script.headers(1, &with(&[("content-length", length)]), false);
        script.data(1, body.as_bytes(), true);
        let reset = script.sent_reset();
        assert_eq!(reset, (!fits).then_some((1, Reason::PROTOCOL_ERROR)), "{length} {body}");
    }
    let mut script = Script::server();
    script.headers(1, &with(&[("content-length", "3")]), true);
    assert_eq!(script.sent_reset(), Some((1, Reason::PROTOCOL_ERROR)));
}

#[test]
fn trailers_end_the_stream_and_hold_no_pseudo_fields() {
    let mut script = Script::server();
    script.request(1, false).headers(1, &[("x-trailer", "t")], true);
    assert_eq!(script.seen.last(), Some(&Seen::Trailers(1, vec![("x-trailer".into(), "t".into())])));
    for (fields, end) in [(&[("x", "t")][..], false), (&[(":path", "/")], true)] {
        let mut script = Script::server();
        script.request(1, false).headers(1, fields, end);
        assert_eq!(script.sent_reset(), Some((1, Reason::PROTOCOL_ERROR)));
        assert_eq!(script.seen.last(), Some(&Seen::Reset(1, Reason::PROTOCOL_ERROR)));
    }
}

#[test]
fn stream_identifiers_must_rise() {
    let mut script = Script::server();
    script.request(5, true).request(3, true);
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::PROTOCOL_ERROR));
}

#[test]
fn what_comes_after_the_end_is_told_apart() {
    // Half-closed by the peer: a stream error.
    let mut script = Script::server();
    script.request(1, true).data(1, b"x", false);
    assert_eq!(script.sent_reset(), Some((1, Reason::STREAM_CLOSED)));
    // Closed in order: a connection error.
    let mut script = Script::server();
    script.request(1, true);
    let key = script.keys[0];
    script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
    script.engine.forget(key);
    script.data(1, b"x", false);
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::STREAM_CLOSED));
    // Reset by us: ignored, and the window comes back.
    let mut script = Script::server();
    script.request(1, false);
    let key = script.keys[0];
    script.engine.reset(key, Reason::CANCEL);
    script.engine.forget(key);
    script.output();
    script.data(1, b"x", false);
    assert!(script.error.is_none() && script.sent_reset().is_none());
    // Reset by the peer: a stream error.
    let mut script = Script::server();
    script.request(1, false).feed(&crate::wire::rst_stream(1, Reason::CANCEL));
    let key = script.keys[0];
    script.engine.forget(key);
    script.data(1, b"x", false);
    assert_eq!(script.sent_reset(), Some((1, Reason::STREAM_CLOSED)));
}

#[test]
fn informational_responses_are_skipped() {
    let mut script = Script::client();
    let key = script.engine.send_request(script.now, true, |f| {
        for (name, value) in REQUEST {
            f.field(name.as_bytes(), value.as_bytes(), Incremental);
        }
    });
    assert!(key.is_ok());
    script.headers(1, &[(":status", "103"), ("link", "x")], false);
    assert!(script.seen.is_empty());
    script.headers(1, &[(":status", "200")], false);
    script.headers(1, &[("grpc-status", "0")], true);
    assert!(matches!(&script.seen[..], [Seen::Headers(1, _, false), Seen::Trailers(1, _)]));
}

#[test]
fn a_response_without_status_is_malformed() {
    for fields in [&[("x", "y")][..], &[(":status", "200"), (":status", "200")], &[(":path", "/")], &[(":status", "2")]]
    {
        let mut script = Script::client();
        let _ = script.engine.send_request(script.now, true, |f| {
            REQUEST.iter().for_each(|(n, v)| f.field(n.as_bytes(), v.as_bytes(), Unindexed));
        });
        script.headers(1, fields, false);
        assert_eq!(script.sent_reset(), Some((1, Reason::PROTOCOL_ERROR)));
    }
}

#[test]
fn long_sections_are_cut_into_continuations() {
    let mut server = Script::server();
    server.request(1, true);
    let key = server.keys[0];
    let value = "v".repeat(50_000);
    server
        .engine
        .send_headers(key, false, |f| {
            f.field(b":status", b"200", Incremental);
            f.field(b"x-long", value.as_bytes(), Unindexed);
        })
        .unwrap();
    let frames = server.output();
    assert!(frames.len() > 1);
    assert_eq!(frames[0].0.kind, FrameKind::Headers);
    assert!(frames[1..].iter().all(|(head, _)| head.kind == FrameKind::Continuation));
    assert!(frames.iter().all(|(head, _)| head.len <= 16_384));
    let ends: Vec<bool> = frames.iter().map(|(head, _)| head.has(flags::END_HEADERS)).collect();
    assert_eq!(ends.iter().filter(|end| **end).count(), 1);
    assert_eq!(ends.last(), Some(&true));
}

#[test]
fn an_oversize_section_is_told_and_the_connection_lives() {
    let mut script = Script::server();
    let value = "v".repeat(20_000);
    let mut block = script.block(REQUEST);
    let mut encoder = tramline_h2::hpack::Encoder::new(0);
    encoder.encode(b"x-long", value.as_bytes(), Unindexed, &mut block);
    for (n, chunk) in block.chunks(16_000).enumerate() {
        let kind = if n == 0 { FrameKind::Headers } else { FrameKind::Continuation };
        let last = if (n + 1) * 16_000 >= block.len() { flags::END_HEADERS } else { 0 };
        script.feed(&frame(kind, last, 1, chunk));
    }
    assert!(script.error.is_none(), "{:?}", script.error);
    assert_eq!(script.seen.len(), 1);
    assert!(script.engine.fields().oversize());
    script.request(3, true);
    assert!(matches!(&script.seen[1], Seen::Headers(3, _, true)));
}

#[test]
fn size_update_is_owed_even_by_a_block_that_repeats_another() {
    let mut config = tramline_h2::Config::default();
    config.header_table_size = 0;
    let mut s = Script::raw(tramline_h2::Role::Server, config);
    s.feed(tramline_h2::frame::PREFACE).feed(&crate::wire::settings(&[]));
    for id in [1, 3, 5, 7] {
        s.request(id, true);
    }
    s.feed(&crate::wire::frame(tramline_h2::frame::FrameKind::Settings, tramline_h2::frame::flags::ACK, 0, &[]));
    s.request(9, true);
    assert_eq!(s.error.map(|e| e.reason()), Some(tramline_h2::Reason::COMPRESSION_ERROR));
}

#[test]
fn trailers_of_a_forgotten_stream_are_not_told() {
    let mut s = Script::server();
    s.feed(&crate::wire::settings(&[(4, 0)]));
    s.request(1, false);
    let key = s.keys[0];
    s.engine.send_headers(key, false, |f| f.field(b":status", b"200", tramline_h2::Indexing::Incremental)).unwrap();
    s.engine.send_data(key, bytes::Bytes::from_static(b"answer"), true).unwrap();
    s.engine.forget(key);
    s.headers(1, &[("x-a", "b")], true);
    assert!(s.error.is_none());
    assert!(!s.seen.iter().any(|e| matches!(e, Seen::Trailers(..))), "{:?}", s.seen);
}
