//! Requests that cannot become calls.

use tramline_call::server_call::{
    RejectedCall, Rejection, RequestHead, header_list_too_long, unknown_method, write_rejection,
};
use tramline_call::{Code, Codec, EncodingSet, Method, codec::Raw};

use crate::request::PLAIN;
use crate::wire::{Recorder, classified, refs};

fn reject(fields: &[(&str, &str)]) -> Rejection {
    let fields = classified(fields);
    let readable = EncodingSet::from_list(b"gzip");
    RequestHead::default().read(refs(&fields), readable).expect_err("no call comes of it")
}

fn reject_with(extra: &[(&str, &str)]) -> RejectedCall {
    match reject(&[&PLAIN, extra].concat()) {
        Rejection::Call(rejected) => *rejected,
        other => panic!("{extra:?}: {other:?}"),
    }
}

fn replaced(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    PLAIN.into_iter().map(|(own, before)| (own, if own == name { value } else { before })).collect()
}

#[test]
fn other_content_types_are_http_415() {
    for value in ["image/jpeg", "application/json", "application/grpc-web+proto", ""] {
        assert!(matches!(reject(&replaced("content-type", value)), Rejection::Http(415)), "{value}");
    }
    let without: Vec<_> = PLAIN.into_iter().filter(|(name, _)| *name != "content-type").collect();
    assert!(matches!(reject(&without), Rejection::Http(415)));
}

#[test]
fn other_verbs_are_http_405_and_internal() {
    for verb in ["GET", "DELETE", "PUT", "post"] {
        let Rejection::Call(rejected) = reject(&replaced(":method", verb)) else { panic!("{verb}") };
        assert_eq!((rejected.http_status, rejected.status.code()), (405, Code::Internal), "{verb}");
    }
}

#[test]
fn a_malformed_timeout_is_internal() {
    for value in ["", "1", "S", "123456789S", "-1S", "1s"] {
        assert_eq!(reject_with(&[("grpc-timeout", value)]).status.code(), Code::Internal, "{value:?}");
    }
}

#[test]
fn base64_that_cannot_be_read_is_internal_and_a_matter_of_one_call() {
    for value in ["A", "====", "AA-_", "AAAA,!"] {
        assert_eq!(reject_with(&[("x-bin", value)]).status.code(), Code::Internal, "{value:?}");
    }
}

#[test]
fn fields_that_may_come_once() {
    for extra in [
        [("grpc-timeout", "1S"), ("grpc-timeout", "1S")],
        [("grpc-encoding", "gzip"), ("grpc-encoding", "identity")],
        [("content-type", "application/grpc"), ("x", "y")],
    ] {
        let rejected = reject_with(&extra);
        assert_eq!(rejected.status.code(), Code::Internal, "{extra:?}");
        assert!(rejected.status.message().contains(extra[0].0), "{}", rejected.status);
    }
}

#[test]
fn contradicting_hosts_are_http_400_and_internal() {
    let same = ("host", "localhost:50051");
    for extra in [&[("host", "evil.example")][..], &[same, same], &[same, ("host", "evil.example")]] {
        let rejected = reject_with(extra);
        assert_eq!((rejected.http_status, rejected.status.code()), (400, Code::Internal), "{extra:?}");
    }
}

#[test]
fn an_unknown_encoding_is_unimplemented_and_gets_the_list() {
    // `zstd` has a name here, but this server does not read it.
    for name in ["foo", "zstd"] {
        let rejected = reject_with(&[("grpc-encoding", name)]);
        assert_eq!(rejected.status.code(), Code::Unimplemented, "{name}");
        assert!(rejected.status.message().contains(name), "{}", rejected.status);
        assert!(rejected.lists_encodings);
        let readable = EncodingSet::from_list(b"gzip");
        let lines = Recorder::of(|sink| write_rejection(&rejected, readable, sink)).lines();
        assert!(lines.contains(&"grpc-accept-encoding: identity,gzip".to_owned()), "{lines:?}");
    }
}

#[test]
fn what_is_wrong_with_the_sender_is_said_before_what_is_not_offered() {
    let mut fields = replaced(":path", "/pkg.Echo/Unknown");
    fields.push(("grpc-timeout", "soon"));
    let Rejection::Call(rejected) = reject(&fields) else { panic!("gRPC") };
    assert_eq!(rejected.status.code(), Code::Internal);
}

#[test]
fn a_list_of_fields_over_the_limit_is_http_431_and_resource_exhausted() {
    let Rejection::Call(rejected) = header_list_too_long() else { panic!("gRPC") };
    assert_eq!((rejected.http_status, rejected.status.code()), (431, Code::ResourceExhausted));
    let lines = Recorder::of(|sink| write_rejection(&rejected, EncodingSet::IDENTITY, sink)).lines();
    assert_eq!(lines[..3], [":status: 431", "content-type: application/grpc", "grpc-status: 8"]);
}

#[test]
fn an_unknown_method_is_named_in_printable_text() {
    let status = unknown_method(b"/pkg.Echo/No\x00\xff");
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "the server has no method /pkg.Echo/No\\x00\\xff");
}

#[derive(Clone, Copy)]
struct Proto;

impl Codec for Proto {
    const SUBTYPE: &'static str = "proto";
}

#[test]
fn a_format_that_the_codec_does_not_read_is_unimplemented() {
    let proto = Method::<(), (), _>::unary("/pkg.Echo/Say", Proto).info();
    let raw = Method::<(), (), _>::unary("/pkg.Echo/Say", Raw).info();
    let rows = [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc+PROTO;v=1", true),
        ("application/grpc+json", false),
        ("application/grpc+foo", false),
        ("application/grpc+far-too-long-for-a-format", false),
    ];
    for (value, is_read) in rows {
        let fields = replaced("content-type", value);
        let fields = classified(&fields);
        let mut head = RequestHead::default();
        head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
        assert!(head.check_subtype(&raw).is_ok(), "{value}");
        match head.check_subtype(&proto) {
            Ok(()) => assert!(is_read, "{value}"),
            Err(Rejection::Call(rejected)) => {
                assert!(!is_read, "{value}");
                assert_eq!(rejected.status.code(), Code::Unimplemented, "{value}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
