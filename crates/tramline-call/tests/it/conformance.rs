//! The cases of connectrpc/conformance for gRPC that end in a call's status, as far as fields and octets decide it:
//! the parts of the crate put together as a client and a server do.

use tramline_call::cardinality::MessageCount;
use tramline_call::client_call::{ResponseHead, end_without_trailers, read_trailers};
use tramline_call::codec::Codec;
use tramline_call::envelope::Assembler;
use tramline_call::server_call::{Rejection, RequestHead};
use tramline_call::{Code, Encoding, EncodingSet, Method, MethodKind, Status};

use crate::wire::{classified, refs};

#[derive(Clone, Copy)]
struct Proto;

impl Codec for Proto {
    const SUBTYPE: &'static str = "proto";
}

type Fields<'a> = &'a [(&'a str, &'a str)];

/// What a server sends.
struct Response<'a> {
    head: Fields<'a>,
    body: Option<&'a [u8]>,
    trailers: Option<Fields<'a>>,
}

/// Reads the messages of one direction to its end.
fn read_messages(body: &[u8], encoding: Encoding, count: &mut MessageCount) -> Result<(), Status> {
    let mut assembler = Assembler::default();
    let mut input = body;
    while assembler.next(&mut input, encoding, 1024)?.is_some() {
        count.handle_message()?;
    }
    assembler.finish()
}

/// A client's call, from the response to its outcome.
fn call(kind: MethodKind, response: &Response<'_>) -> Result<(), Status> {
    let method = Method::<(), (), _>::dynamic("/pkg.Echo/Say", kind, Proto).unwrap().info();
    let ends_with_head = response.body.is_none() && response.trailers.is_none();
    let head = classified(response.head);
    let mut count = MessageCount::of_responses(kind);
    match ResponseHead::read(refs(&head), ends_with_head, EncodingSet::from_list(b"gzip"), &method)? {
        ResponseHead::TrailersOnly(outcome) => outcome.map(drop)?,
        ResponseHead::NotGrpc(mut foreign) => {
            foreign.handle_body(response.body.unwrap_or_default());
            return Err(match response.trailers {
                Some(trailers) => foreign.into_status_with(refs(&classified(trailers))),
                None => foreign.into_status(),
            });
        }
        ResponseHead::Head { encoding, .. } => {
            read_messages(response.body.unwrap_or_default(), encoding, &mut count)?;
            let Some(trailers) = response.trailers else { return Err(end_without_trailers()) };
            read_trailers(refs(&classified(trailers)))?;
        }
    }
    count.handle_end()
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const OK: (&str, &str) = (":status", "200");
const EMPTY: &[u8] = b"\0\0\0\0\0";
const TWO: &[u8] = b"\0\0\0\0\0\0\0\0\0\0";
const COMPRESSED: &[u8] = b"\x01\0\0\0\x01x";
const CUT: &[u8] = b"\0\0\0\0\x0a\0\0\0";
const CUT_PREFIX: &[u8] = b"\0\0\0";
const UNARY: MethodKind = MethodKind::Unary;

#[test]
fn client_cases() {
    let plain: Fields<'_> = &[OK, GRPC];
    let ok: Fields<'_> = &[("grpc-status", "0")];
    let error: Fields<'_> = &[("grpc-status", "9"), ("grpc-message", "error")];
    let only: Fields<'_> = &[OK, GRPC, ("grpc-status", "9")];
    let foo: Fields<'_> = &[OK, GRPC, ("grpc-encoding", "foo")];
    let identity: Fields<'_> = &[OK, GRPC, ("grpc-encoding", "identity")];
    let json: Fields<'_> = &[OK, ("content-type", "application/grpc+json")];
    let jpeg: Fields<'_> = &[OK, ("content-type", "image/jpeg")];
    let streams = [MethodKind::ServerStreaming, MethodKind::BidiStreaming];
    let cases = [
        ("empty-response", UNARY, plain, Some(EMPTY), Some(ok), None),
        ("trailers-at-end", UNARY, plain, None, Some(error), Some(Code::FailedPrecondition)),
        ("trailers-only", UNARY, only, None, None, Some(Code::FailedPrecondition)),
        ("missing-status", UNARY, plain, None, Some(&[("grpc-message", "error")][..]), Some(Code::Unknown)),
        ("ok-but-no-response", UNARY, plain, None, Some(ok), Some(Code::Unimplemented)),
        ("multiple-responses", UNARY, plain, Some(TWO), Some(ok), Some(Code::Unimplemented)),
        (
            "client-stream/ok-but-no-response",
            MethodKind::ClientStreaming,
            plain,
            None,
            Some(ok),
            Some(Code::Unimplemented),
        ),
        ("client-stream/multiple", MethodKind::ClientStreaming, plain, Some(TWO), Some(ok), Some(Code::Unimplemented)),
        ("no-terminal-status", UNARY, plain, Some(EMPTY), None, Some(Code::Internal)),
        ("server-stream/no-terminal-status", streams[0], plain, Some(EMPTY), None, Some(Code::Internal)),
        ("bidi-stream/no-terminal-status", streams[1], plain, Some(EMPTY), None, Some(Code::Internal)),
        ("ignore-header-if-body-present", UNARY, only, Some(EMPTY), None, Some(Code::Internal)),
        (
            "ignore-header-if-trailer-present",
            UNARY,
            &[OK, GRPC, ("grpc-status", "8")],
            None,
            Some(error),
            Some(Code::FailedPrecondition),
        ),
        ("unexpected-content-type", UNARY, jpeg, None, None, Some(Code::Unknown)),
        ("unexpected-codec", UNARY, json, Some(b"\0\0\0\0\x02{}"), Some(ok), Some(Code::Internal)),
        ("unexpected-compression", UNARY, foo, Some(COMPRESSED), Some(ok), Some(Code::Internal)),
        ("unexpected-compressed-message", UNARY, identity, Some(COMPRESSED), Some(ok), Some(Code::Internal)),
        ("incomplete-message", streams[0], plain, Some(CUT), Some(ok), Some(Code::Internal)),
        ("incomplete-message-prefix", streams[0], plain, Some(CUT_PREFIX), Some(ok), Some(Code::Internal)),
        ("unmapped-http-status-code", UNARY, &[(":status", "418")], None, None, Some(Code::Unknown)),
        ("nonexistent-http-status-code", UNARY, &[(":status", "800")], None, None, Some(Code::Unknown)),
        ("unauthorized, with a body", UNARY, &[(":status", "401")], Some(b"who?"), None, Some(Code::Unauthenticated)),
    ];
    for (name, kind, head, body, trailers, expected) in cases {
        let outcome = call(kind, &Response { head, body, trailers });
        assert_eq!(outcome.as_ref().err().map(Status::code), expected, "{name}: {outcome:?}");
    }
}

/// A server's view of a unary call, from the request to what its handler would see.
fn serve(change: Fields<'_>, body: &[u8]) -> Result<(), Status> {
    let method = Method::<(), (), _>::unary("/pkg.Echo/Say", Proto).info();
    let unchanged = crate::request::PLAIN.into_iter().filter(|(name, _)| !change.iter().any(|(own, _)| own == name));
    let fields: Vec<_> = unchanged.chain(change.iter().copied()).collect();
    let mut head = RequestHead::default();
    let read = head.read(refs(&classified(&fields)), EncodingSet::from_list(b"gzip"));
    read.and_then(|()| head.check_subtype(&method)).map_err(|rejection| match rejection {
        Rejection::Call(rejected) => rejected.status,
        Rejection::Http(status) => panic!("HTTP {status}"),
    })?;
    let mut count = MessageCount::of_requests(UNARY);
    read_messages(body, head.encoding(), &mut count)?;
    count.handle_end()
}

#[test]
fn server_cases() {
    let cases: [(&str, Fields<'_>, &[u8], Option<Code>); 11] = [
        ("empty-request", &[], EMPTY, None),
        ("with-proto-sub-format", &[("content-type", "application/grpc+proto")], EMPTY, None),
        ("no-request", &[], b"", Some(Code::Unimplemented)),
        ("multiple-requests", &[], TWO, Some(Code::Unimplemented)),
        ("unexpected-verb", &[(":method", "DELETE")], EMPTY, Some(Code::Internal)),
        ("unexpected-codec", &[("content-type", "application/grpc+foo")], EMPTY, Some(Code::Unimplemented)),
        ("unexpected-compression", &[("grpc-encoding", "foo")], COMPRESSED, Some(Code::Unimplemented)),
        ("unexpected-compressed-message", &[("grpc-encoding", "identity")], COMPRESSED, Some(Code::Internal)),
        ("incomplete-message", &[], CUT, Some(Code::Internal)),
        ("incomplete-message-prefix", &[], CUT_PREFIX, Some(Code::Internal)),
        ("request-exceeds-server-limit", &[], b"\0\0\0\x04\x0a", Some(Code::ResourceExhausted)),
    ];
    for (name, change, body, expected) in cases {
        let outcome = serve(change, body);
        assert_eq!(outcome.as_ref().err().map(Status::code), expected, "{name}: {outcome:?}");
    }
}
