//! A client reads a response's head.

use tramline_call::client_call::{ResponseHead, end_without_trailers, read_trailers};
use tramline_call::codec::Codec;
use tramline_call::{Code, Encoding, EncodingSet, Metadata, Method, Status};

use crate::wire::{classified, refs};

#[derive(Clone, Copy)]
struct Proto;

impl Codec for Proto {
    const SUBTYPE: &'static str = "proto";
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const OK: (&str, &str) = (":status", "200");

fn read(fields: &[(&str, &str)], end_stream: bool) -> Result<ResponseHead, Status> {
    let fields = classified(fields);
    let method = Method::<(), (), _>::unary("/pkg.Echo/Say", Proto).info();
    ResponseHead::read(refs(&fields), end_stream, EncodingSet::from_list(b"gzip"), &method)
}

fn trailers_only(fields: &[(&str, &str)]) -> Result<Metadata, Status> {
    match read(fields, true) {
        Ok(ResponseHead::TrailersOnly(outcome)) => outcome,
        other => panic!("{fields:?}: {other:?}"),
    }
}

fn foreign(fields: &[(&str, &str)], body: &[u8]) -> Status {
    match read(fields, false) {
        Ok(ResponseHead::NotGrpc(mut response)) => {
            response.handle_body(body);
            response.into_status()
        }
        other => panic!("{fields:?}: {other:?}"),
    }
}

#[test]
fn a_head_before_messages() {
    let fields = [OK, GRPC, ("grpc-encoding", "gzip"), ("x-a", "1"), ("x-a", "2"), ("grpc-accept-encoding", "br")];
    let Ok(ResponseHead::Head { metadata, encoding }) = read(&fields, false) else { panic!("a head") };
    assert_eq!(encoding, Encoding::Gzip);
    assert_eq!(metadata.get_all("x-a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(metadata.len(), 2);
}

#[test]
fn a_head_that_ends_the_stream_is_the_trailers() {
    let status = trailers_only(&[OK, GRPC, ("grpc-status", "9"), ("grpc-message", "error"), ("x-a", "1")]).unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "error"));
    assert_eq!(status.metadata().get("x-a"), Some("1"));
    assert!(status.is_remote());
    let metadata = trailers_only(&[OK, GRPC, ("grpc-status", "0"), ("x-a", "1")]).unwrap();
    assert_eq!(metadata.get("x-a"), Some("1"));
}

#[test]
fn a_status_in_a_head_is_ignored_if_more_follows() {
    let Ok(ResponseHead::Head { metadata, .. }) = read(&[OK, GRPC, ("grpc-status", "8")], false) else {
        panic!("a head");
    };
    assert!(metadata.is_empty());
    let trailers = classified(&[("foo", "bar"), ("grpc-status", "9")]);
    assert_eq!(read_trailers(refs(&trailers)).unwrap_err().code(), Code::FailedPrecondition);
}

#[test]
fn a_response_that_ends_without_trailers_is_internal() {
    assert_eq!(end_without_trailers().code(), Code::Internal);
}

#[test]
fn a_head_alone_without_a_status_is_unknown() {
    assert_eq!(trailers_only(&[OK, GRPC]).unwrap_err().code(), Code::Unknown);
    assert_eq!(trailers_only(&[OK]).unwrap_err().code(), Code::Unknown);
}

/// gRPC http-grpc-status-mapping, and what the conformance suite adds to it.
const HTTP_STATUSES: [(&str, Code); 18] = [
    ("204", Code::Unknown),
    ("302", Code::Unknown),
    ("400", Code::Internal),
    ("401", Code::Unauthenticated),
    ("403", Code::PermissionDenied),
    ("404", Code::Unimplemented),
    ("409", Code::Unknown),
    ("412", Code::Unknown),
    ("413", Code::Unknown),
    ("415", Code::Unknown),
    ("418", Code::Unknown),
    ("429", Code::Unavailable),
    ("431", Code::Unknown),
    ("502", Code::Unavailable),
    ("503", Code::Unavailable),
    ("504", Code::Unavailable),
    ("505", Code::Unknown),
    ("800", Code::Unknown),
];

#[test]
fn http_statuses_without_a_grpc_status() {
    for (http, code) in HTTP_STATUSES {
        for fields in
            [&[(":status", http)][..], &[(":status", http), GRPC], &[(":status", http), ("content-type", "a/b")]]
        {
            assert_eq!(trailers_only(fields).unwrap_err().code(), code, "{fields:?}, no body");
            let status = foreign(fields, b"explanation");
            assert_eq!(status.code(), code, "{fields:?}, a body");
            assert!(status.message().contains(http) && status.message().contains("explanation"), "{status}");
            assert!(!status.is_remote());
        }
    }
}

#[test]
fn a_grpc_status_wins_over_the_http_status() {
    for (http, _) in HTTP_STATUSES {
        let status =
            trailers_only(&[(":status", http), GRPC, ("grpc-status", "5"), ("grpc-message", "no")]).unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no"), "{http}");
    }
}

#[test]
fn another_content_type_is_unknown_and_shown() {
    for value in ["image/jpeg", "text/html; charset=utf-8", "application/grpc-web+proto"] {
        let status = foreign(&[OK, ("content-type", value)], b"<h1>It works!</h1>");
        assert_eq!(status.code(), Code::Unknown, "{value}");
        assert!(status.message().contains(value) && status.message().contains("It works!"), "{status}");
    }
}

#[test]
fn of_a_foreign_body_only_the_beginning_is_kept() {
    let Ok(ResponseHead::NotGrpc(mut response)) = read(&[(":status", "502")], false) else { panic!("foreign") };
    assert!(response.handle_body(&[b'a'; 1000]));
    assert!(!response.handle_body(&[b'b'; 1000]));
    assert!(!response.handle_body(&[b'c'; 1000]));
    let message = response.into_status().message().to_owned();
    assert_eq!(message.matches('a').count() + message.matches('b').count() + message.matches('c').count(), {
        let own = "the server answered with HTTP status 502 and no content type";
        1024 + own.matches(['a', 'b', 'c']).count()
    });
}

#[test]
fn trailers_behind_a_foreign_body() {
    let head = [(":status", "503"), GRPC];
    let with = |trailers: &[(&str, &str)]| {
        let Ok(ResponseHead::NotGrpc(response)) = read(&head, false) else { panic!("foreign") };
        response.into_status_with(refs(&classified(trailers)))
    };
    assert_eq!(with(&[("grpc-status", "8")]).code(), Code::ResourceExhausted);
    assert_eq!(with(&[("grpc-status", "0")]).code(), Code::Unavailable, "there is no OK without a call");
    assert_eq!(with(&[("x", "y")]).code(), Code::Unavailable);
}

#[test]
fn a_format_that_was_not_asked_for_is_internal() {
    assert!(matches!(read(&[OK, ("content-type", "application/grpc+proto")], false), Ok(ResponseHead::Head { .. })));
    let status = read(&[OK, ("content-type", "application/grpc+json")], false).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("json"), "{status}");
}

#[test]
fn an_encoding_that_cannot_be_read_is_internal() {
    for name in ["foo", "zstd"] {
        let status = read(&[OK, GRPC, ("grpc-encoding", name)], false).unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{name}");
        assert!(status.message().contains(name), "{status}");
    }
    for name in ["", "identity"] {
        let Ok(ResponseHead::Head { encoding, .. }) = read(&[OK, GRPC, ("grpc-encoding", name)], false) else {
            panic!("{name:?}");
        };
        assert_eq!(encoding, Encoding::Identity);
    }
}

#[test]
fn base64_that_cannot_be_read_is_internal() {
    assert_eq!(read(&[OK, GRPC, ("x-bin", "A")], false).unwrap_err().code(), Code::Internal);
    assert_eq!(trailers_only(&[OK, GRPC, ("grpc-status", "0"), ("x-bin", "A")]).unwrap_err().code(), Code::Internal);
    let status = trailers_only(&[OK, GRPC, ("grpc-status", "5"), ("x-bin", "A")]).unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "an error is not hidden by another");
}
