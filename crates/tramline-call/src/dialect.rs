//! The ways of putting a call on HTTP.

/// How a call is put on HTTP. One is chosen for each request, from its content type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Dialect {
    /// gRPC PROTOCOL-HTTP2: prefixed messages, and the status in trailers.
    Grpc,
}

impl Dialect {
    /// The dialect that a content type belongs to.
    #[must_use]
    pub fn from_content_type(value: &[u8]) -> Option<Dialect> {
        subtype(value).map(|_| Dialect::Grpc)
    }
}

/// What follows `application/grpc`, without parameters: empty, or the subtype's name.
/// `application/grpc-web` is another dialect.
pub(crate) fn subtype(value: &[u8]) -> Option<&[u8]> {
    const BASE: &[u8] = b"application/grpc";
    let (base, rest) = value.split_at_checked(BASE.len())?;
    if !base.eq_ignore_ascii_case(BASE) {
        return None;
    }
    let essence = rest.split(|&octet| octet == b';').next().unwrap_or_default().trim_ascii_end();
    match essence {
        [] => Some(&[]),
        [b'+', name @ ..] if !name.is_empty() => Some(name),
        _ => None,
    }
}
