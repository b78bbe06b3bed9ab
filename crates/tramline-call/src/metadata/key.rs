//! Which keys there are, and whose they are.

use super::MetadataError;
use crate::FieldReuse;

/// Checks a key that a user sets.
pub(super) fn check(key: &str) -> Result<(), MetadataError> {
    // gRPC PROTOCOL-HTTP2: Header-Name → 1*( %x30-39 / %x61-7A / "_" / "-" / "." )
    let is_valid = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
    if key.is_empty() || !key.bytes().all(is_valid) {
        return Err(MetadataError::InvalidKey);
    }
    if is_reserved(key) { Err(MetadataError::ReservedKey) } else { Ok(()) }
}

/// Keys that gRPC or HTTP writes itself, and fields that belong to one hop (RFC 9113 §8.2.2).
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// gRPC PROTOCOL-HTTP2: "Custom-Metadata header names starting with `grpc-` but not listed
/// here are reserved". These are for applications: the answer to a retry, and what tracing
/// and statistics carry along.
const FREE: [&str; 4] = ["grpc-retry-pushback-ms", "grpc-server-stats-bin", "grpc-tags-bin", "grpc-trace-bin"];

fn is_reserved(key: &str) -> bool {
    let is_one_of = |keys: &[&str]| keys.iter().any(|reserved| key.eq_ignore_ascii_case(reserved));
    let is_grpc = key.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("grpc-"));
    if is_grpc { !is_one_of(&FREE) } else { is_one_of(&RESERVED) }
}

/// Whether an entry goes out as it is. The one key that a peer's metadata may have and a
/// message of this side has already is its user agent.
pub(super) fn is_written(name: &[u8]) -> bool {
    name != b"user-agent"
}

/// How values of this key, in lower case, come again, unless somebody says otherwise: some
/// are secret, and some are another with each call, which would push out of a table what is
/// worth its place.
pub(super) fn reuse(name: &[u8]) -> FieldReuse {
    match name {
        b"cookie" | b"set-cookie" | b"authorization" | b"proxy-authorization" => FieldReuse::Secret,
        b"traceparent" | b"x-request-id" => FieldReuse::Unique,
        [.., b'-', b'b', b'i', b'n'] => FieldReuse::Secret,
        _ => FieldReuse::Repeated,
    }
}
