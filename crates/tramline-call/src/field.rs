//! What a header field means to a call, decided once for each field that a peer repeats.

use crate::metadata::{is_binary, is_valid_binary};
use crate::{Encoding, EncodingSet, Subtype, dialect, timeout};

/// What a field means. An HTTP engine keeps it beside the entry in its table, so that
/// nobody looks at the octets of a repeated field again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum FieldToken {
    /// Metadata whose value is text.
    #[default]
    Text,
    /// Metadata under a key that ends in `-bin`.
    Binary {
        /// Its base64 can be read.
        is_valid: bool,
    },
    /// `:method`
    Method {
        /// It is POST.
        is_post: bool,
    },
    /// `:authority`
    Authority,
    /// `host`
    Host,
    /// `:path`, with the route that has exactly this path.
    Path(Option<u32>),
    /// `:status`
    Status(u16),
    /// `content-type` of gRPC.
    ContentType(Subtype),
    /// Any other `content-type`.
    ForeignContentType,
    /// `grpc-timeout`, in nanoseconds; what is longer than 64 bits hold is cut to that.
    Timeout(u64),
    /// A `grpc-timeout` that cannot be read.
    MalformedTimeout,
    /// `grpc-encoding`; `None` if nobody here knows the name.
    Encoding(Option<Encoding>),
    /// `grpc-accept-encoding`
    AcceptEncoding(EncodingSet),
    /// `grpc-status`; `None` if it is no number.
    GrpcStatus(Option<u32>),
    /// `grpc-message`
    GrpcMessage,
    /// `grpc-status-details-bin`
    StatusDetails,
    /// A field that no reader of a call asks for: `:scheme`, `te`, `content-length`,
    /// `grpc-message-type`.
    Ignored,
}

/// How a field is likely to come again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldReuse {
    /// With the same value: worth a place in a table.
    Repeated,
    /// With another value each time.
    Unique,
    /// It is secret, and never belongs in a table, here or on any hop (RFC 7541 §7.1.3).
    Secret,
}

/// Where fields are written, in the order in which they are to travel.
///
/// Names are in lower case. Names and values are valid (RFC 9110 §5).
///
/// ```
/// use tramline_call::server_call::{write_head, write_trailers};
/// use tramline_call::{FieldReuse, FieldSink, Metadata, Status, Subtype};
///
/// struct Lines(Vec<String>);
///
/// impl FieldSink for Lines {
///     fn field(&mut self, name: &[u8], value: &[u8], _reuse: FieldReuse) {
///         self.0.push(format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
///     }
/// }
///
/// let mut lines = Lines(Vec::new());
/// write_head(Subtype::NONE, &Metadata::new(), None, &mut lines);
/// write_trailers(Some(&Status::not_found("no such book")), &Metadata::new(), &mut lines);
/// assert_eq!(
///     lines.0,
///     [":status: 200", "content-type: application/grpc", "grpc-status: 5", "grpc-message: no such book"]
/// );
/// ```
pub trait FieldSink {
    /// Takes one field.
    fn field(&mut self, name: &[u8], value: &[u8], reuse: FieldReuse);

    /// Takes the fields that `write` writes, none of which is secret. They depend on `place`,
    /// which of its section's groups it is, `kind` and `texts` alone, so that a sink that had
    /// them before need not ask again.
    #[inline(always)]
    fn group(&mut self, place: usize, kind: u64, texts: [&[u8]; 2], write: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        let _ = (place, kind, texts);
        write(self);
    }
}

/// Gives meaning to a field. `route` finds the method of exactly this path.
///
/// The second part of the answer says whether readers need the octets beside the token.
///
/// ```
/// use tramline_call::{FieldToken, field::classify};
///
/// let route = |path: &[u8]| (path == b"/pkg.Echo/Say").then_some(7);
/// assert_eq!(classify(b":path", b"/pkg.Echo/Say", route), (FieldToken::Path(Some(7)), false));
/// assert_eq!(classify(b"x-tenant", b"blue", route), (FieldToken::Text, true));
/// ```
pub fn classify(name: &[u8], value: &[u8], route: impl FnOnce(&[u8]) -> Option<u32>) -> (FieldToken, bool) {
    match name {
        b":path" => {
            let route = route(value);
            (FieldToken::Path(route), route.is_none())
        }
        b":authority" => (FieldToken::Authority, true),
        b":method" => {
            let is_post = value == b"POST";
            (FieldToken::Method { is_post }, !is_post)
        }
        b":status" => (FieldToken::Status(status(value)), false),
        b"content-type" => content_type(value),
        b"host" => (FieldToken::Host, true),
        b":scheme" | b"te" | b"content-length" => (FieldToken::Ignored, false),
        _ if name.starts_with(b"grpc-") => grpc_field(name, value),
        _ => metadata(name, value),
    }
}

/// The same for a field whose name had the token `before` with another value: what the name
/// alone decides is not looked at again.
pub fn classify_again(
    before: FieldToken,
    name: &[u8],
    value: &[u8],
    route: impl FnOnce(&[u8]) -> Option<u32>,
) -> (FieldToken, bool) {
    match before {
        FieldToken::Text => (FieldToken::Text, true),
        FieldToken::Binary { .. } => (FieldToken::Binary { is_valid: is_valid_binary(value) }, true),
        FieldToken::Timeout(_) | FieldToken::MalformedTimeout => (timeout_token(value), false),
        _ => classify(name, value, route),
    }
}

fn grpc_field(name: &[u8], value: &[u8]) -> (FieldToken, bool) {
    match name {
        b"grpc-timeout" => (timeout_token(value), false),
        b"grpc-encoding" => {
            // An empty value names nothing, and is tolerated.
            let encoding = if value.is_empty() { Some(Encoding::Identity) } else { Encoding::from_name(value) };
            (FieldToken::Encoding(encoding), encoding.is_none())
        }
        b"grpc-accept-encoding" => (FieldToken::AcceptEncoding(EncodingSet::from_list(value)), false),
        b"grpc-status" => {
            let number = number(value);
            (FieldToken::GrpcStatus(number), number.is_none())
        }
        b"grpc-message" => (FieldToken::GrpcMessage, true),
        b"grpc-status-details-bin" => (FieldToken::StatusDetails, true),
        b"grpc-message-type" => (FieldToken::Ignored, false),
        // Names that are reserved but not defined are metadata: peers send some.
        _ => metadata(name, value),
    }
}

fn metadata(name: &[u8], value: &[u8]) -> (FieldToken, bool) {
    let token =
        if is_binary(name) { FieldToken::Binary { is_valid: is_valid_binary(value) } } else { FieldToken::Text };
    (token, true)
}

fn content_type(value: &[u8]) -> (FieldToken, bool) {
    match dialect::subtype(value).map(Subtype::new) {
        Some(Some(subtype)) => (FieldToken::ContentType(subtype), false),
        Some(None) => (FieldToken::ContentType(Subtype::UNKNOWN), false),
        None => (FieldToken::ForeignContentType, true),
    }
}

fn timeout_token(value: &[u8]) -> FieldToken {
    match timeout::decode(value) {
        Some(timeout) => FieldToken::Timeout(timeout::nanos(timeout)),
        None => FieldToken::MalformedTimeout,
    }
}

/// Zero for what is no status at all.
fn status(value: &[u8]) -> u16 {
    number(value).and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
}

/// A decimal number without leading zeros (gRPC PROTOCOL-HTTP2: Status).
fn number(value: &[u8]) -> Option<u32> {
    match value {
        b"0" => Some(0),
        [b'1'..=b'9', ..] if value.len() <= 9 && value.iter().all(u8::is_ascii_digit) => {
            Some(value.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
        }
        _ => None,
    }
}
