//! What fields mean.

use tramline_call::field::classify;
use tramline_call::{Encoding, EncodingSet, FieldToken, Subtype};

fn token(name: &str, value: &str) -> (FieldToken, bool) {
    classify(name.as_bytes(), value.as_bytes(), |path| (path == b"/a.B/C").then_some(3))
}

fn subtype(name: &str) -> FieldToken {
    FieldToken::ContentType(Subtype::new(name.as_bytes()).unwrap())
}

#[test]
fn a_token_fits_beside_a_table_entry() {
    assert!(size_of::<FieldToken>() <= 16, "{}", size_of::<FieldToken>());
}

#[test]
fn fields_that_their_token_says_all_of() {
    let gzip: EncodingSet = [Encoding::Gzip].into_iter().collect();
    let rows: &[(&str, &str, FieldToken)] = &[
        (":path", "/a.B/C", FieldToken::Path(Some(3))),
        (":method", "POST", FieldToken::Method { is_post: true }),
        (":scheme", "http", FieldToken::Ignored),
        (":status", "200", FieldToken::Status(200)),
        (":status", "800", FieldToken::Status(800)),
        (":status", "abc", FieldToken::Status(0)),
        ("content-type", "application/grpc", FieldToken::ContentType(Subtype::NONE)),
        ("content-type", "application/grpc+proto", subtype("proto")),
        ("content-length", "5", FieldToken::Ignored),
        ("te", "trailers", FieldToken::Ignored),
        ("grpc-timeout", "5S", FieldToken::Timeout(5_000_000_000)),
        ("grpc-timeout", "99999999H", FieldToken::Timeout(u64::MAX)),
        ("grpc-timeout", "0n", FieldToken::Timeout(0)),
        ("grpc-timeout", "5", FieldToken::MalformedTimeout),
        ("grpc-encoding", "gzip", FieldToken::Encoding(Some(Encoding::Gzip))),
        ("grpc-encoding", "", FieldToken::Encoding(Some(Encoding::Identity))),
        ("grpc-accept-encoding", "gzip, foo", FieldToken::AcceptEncoding(gzip)),
        ("grpc-status", "0", FieldToken::GrpcStatus(Some(0))),
        ("grpc-status", "16", FieldToken::GrpcStatus(Some(16))),
        ("grpc-status", "99", FieldToken::GrpcStatus(Some(99))),
        ("grpc-message-type", "a.B", FieldToken::Ignored),
    ];
    for (name, value, expected) in rows {
        assert_eq!(token(name, value), (*expected, false), "{name}: {value}");
    }
}

#[test]
fn fields_whose_octets_are_needed() {
    let rows: &[(&str, &str, FieldToken)] = &[
        (":method", "GET", FieldToken::Method { is_post: false }),
        (":method", "post", FieldToken::Method { is_post: false }),
        (":path", "/a.B/D", FieldToken::Path(None)),
        (":authority", "localhost", FieldToken::Authority),
        ("host", "localhost", FieldToken::Host),
        ("content-type", "text/html", FieldToken::ForeignContentType),
        ("grpc-encoding", "foo", FieldToken::Encoding(None)),
        ("grpc-encoding", "GZIP", FieldToken::Encoding(None)),
        ("grpc-status", "00", FieldToken::GrpcStatus(None)),
        ("grpc-status", "-1", FieldToken::GrpcStatus(None)),
        ("grpc-status", "+1", FieldToken::GrpcStatus(None)),
        ("grpc-status", "", FieldToken::GrpcStatus(None)),
        ("grpc-status", "5 ", FieldToken::GrpcStatus(None)),
        ("grpc-status", "OK", FieldToken::GrpcStatus(None)),
        ("grpc-status", "9999999999", FieldToken::GrpcStatus(None)),
        ("grpc-message", "why", FieldToken::GrpcMessage),
        ("grpc-status-details-bin", "AA", FieldToken::StatusDetails),
        ("user-agent", "grpc-go/1", FieldToken::Text),
        ("x-a", "b", FieldToken::Text),
        ("grpc-unknown", "b", FieldToken::Text),
        ("grpc-tags-bin", "AA", FieldToken::Binary { is_valid: true }),
        ("accept-encoding", "gzip", FieldToken::Text),
        ("date", "today", FieldToken::Text),
    ];
    for (name, value, expected) in rows {
        assert_eq!(token(name, value), (*expected, true), "{name}: {value}");
    }
}

#[test]
fn base64_is_checked_once() {
    let rows: &[(&str, bool)] = &[
        ("", true),
        ("AA", true),
        ("AA==", true),
        ("AA=", true),
        ("AAA", true),
        ("AAA=", true),
        ("AAAA", true),
        ("q83v+/", true),
        ("AAAA,AA==,,AAA", true),
        ("AAAA, AA", true),
        ("A", false),
        ("AAAAA", false),
        ("AA===", false),
        ("AAAA=", false),
        ("=", false),
        ("A=AA", false),
        ("AA-_", false),
        ("AA A", false),
        ("AAAA,A", false),
        ("!!!!", false),
    ];
    for (value, is_valid) in rows {
        assert_eq!(token("x-bin", value).0, FieldToken::Binary { is_valid: *is_valid }, "{value:?}");
    }
}

#[test]
fn content_types_of_grpc() {
    let rows: &[(&str, FieldToken)] = &[
        ("application/grpc;charset=utf-8", FieldToken::ContentType(Subtype::NONE)),
        ("application/grpc ; charset=utf-8", FieldToken::ContentType(Subtype::NONE)),
        ("application/grpc+json;charset=utf-8", subtype("json")),
        ("application/grpc+proto; a=b; c=d", subtype("proto")),
        ("Application/GRPC+Proto", subtype("proto")),
        ("application/grpc+foo", subtype("foo")),
        ("application/grpc+fourteen-octet", subtype("fourteen-octet")),
    ];
    for (value, expected) in rows {
        assert_eq!(token("content-type", value), (*expected, false), "{value}");
    }
    let FieldToken::ContentType(unknown) = token("content-type", "application/grpc+far-too-long-for-a-format").0 else {
        panic!("still gRPC");
    };
    assert_ne!(unknown, Subtype::NONE);
}

#[test]
fn content_types_of_others() {
    let values = [
        "",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpcx",
        "application/grpc/proto",
        "application/grpc+",
        "application/json",
        "application/connect+proto",
        "text/plain",
        "image/jpeg",
        "grpc",
    ];
    for value in values {
        assert_eq!(token("content-type", value), (FieldToken::ForeignContentType, true), "{value:?}");
    }
}

#[test]
fn the_content_type_chooses_the_dialect() {
    use tramline_call::dialect::Dialect;
    assert_eq!(Dialect::from_content_type(b"application/grpc+json"), Some(Dialect::Grpc));
    assert_eq!(Dialect::from_content_type(b"application/grpc-web"), None);
}
