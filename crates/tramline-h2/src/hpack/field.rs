//! What a field is, decided once.

/// What RFC 9113 §8 says of one field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// `:method`, other than CONNECT
    Method,
    /// `:method: CONNECT`
    MethodConnect,
    /// `:scheme`
    Scheme,
    /// `:authority`
    Authority,
    /// `:path`, not empty
    Path,
    /// `:status` of a final response
    Status,
    /// `:status` 1xx
    StatusInformational,
    /// `:protocol` (RFC 8441)
    Protocol,
    /// Any other valid field
    Regular,
    /// `content-length`
    ContentLength,
    /// `te: trailers`
    Te,
    /// A name or value that RFC 9113 §8.2 forbids, a connection-specific field, or an
    /// unknown pseudo-header
    Malformed,
}

/// What the fields of a section are together, a bit each. The low five are the
/// pseudo-headers, which may come once each, and only in front (RFC 9113 §8.3).
pub(crate) mod section {
    pub(crate) const METHOD: u16 = 1;
    pub(crate) const SCHEME: u16 = 2;
    pub(crate) const PATH: u16 = 4;
    pub(crate) const AUTHORITY: u16 = 8;
    pub(crate) const STATUS: u16 = 16;
    pub(crate) const PSEUDO: u16 = 31;
    /// `:status` is 1xx.
    pub(crate) const INFORMATIONAL: u16 = 32;
    /// A field that is no pseudo-header.
    pub(crate) const REGULAR: u16 = 64;
    /// `content-length`.
    pub(crate) const LENGTH: u16 = 128;
    pub(crate) const MALFORMED: u16 = 256;

    /// What one field does to its section.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::hpack) struct Effect {
        /// The bits that it adds.
        pub(in crate::hpack) adds: u16,
        /// The bits that nothing behind it may add.
        pub(in crate::hpack) forbids: u16,
    }
}

impl FieldKind {
    /// Whether it says what a section is about, and not how.
    pub(super) const fn is_pseudo(self) -> bool {
        self.effect().adds & section::PSEUDO != 0
    }

    /// What this field does to its section: a pseudo-header comes once, and none comes
    /// behind another field.
    pub(super) const fn effect(self) -> section::Effect {
        let adds = match self {
            FieldKind::Method => section::METHOD,
            FieldKind::Scheme => section::SCHEME,
            FieldKind::Authority => section::AUTHORITY,
            FieldKind::Path => section::PATH,
            FieldKind::Status => section::STATUS,
            FieldKind::StatusInformational => section::STATUS | section::INFORMATIONAL,
            FieldKind::Regular | FieldKind::Te => section::REGULAR,
            FieldKind::ContentLength => section::REGULAR | section::LENGTH,
            // RFC 8441 is not offered, and CONNECT is not served.
            FieldKind::MethodConnect | FieldKind::Protocol | FieldKind::Malformed => section::MALFORMED,
        };
        let forbids = if adds & section::REGULAR == 0 { adds & section::PSEUDO } else { section::PSEUDO };
        section::Effect { adds, forbids }
    }
}

/// A classifier's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Classified<T> {
    /// What is kept beside the table's entry.
    pub token: T,
    /// Whether the octets are handed on beside the token. If not, the token says it all.
    /// Those of `content-length` always are.
    pub keep: bool,
}

/// Gives meaning to fields, once for each table entry.
pub trait Classifier {
    /// The meaning: small, and copied with each reference.
    type Token: Copy + Default + core::fmt::Debug;

    /// Called when a field enters the table, and for each literal that does not.
    fn classify(&self, name: &[u8], value: &[u8]) -> Classified<Self::Token>;

    /// Called instead for a literal that brings a new value to a name: `before` is the token
    /// that the name had with another value. The answer is that of
    /// [`classify`](Self::classify).
    fn classify_again(&self, before: Self::Token, name: &[u8], value: &[u8]) -> Classified<Self::Token> {
        let _ = before;
        self.classify(name, value)
    }
}

/// The classifier that knows nothing and keeps everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Opaque;

impl Classifier for Opaque {
    type Token = ();

    fn classify(&self, _name: &[u8], _value: &[u8]) -> Classified<()> {
        Classified { token: (), keep: true }
    }
}

/// Decides the kind of a field (RFC 9113 §8.2, §8.3).
pub(super) fn kind(name: &[u8], value: &[u8]) -> FieldKind {
    if !is_value(value) {
        return FieldKind::Malformed;
    }
    if let [b':', pseudo @ ..] = name {
        return pseudo_kind(pseudo, value);
    }
    match name {
        b"content-length" => FieldKind::ContentLength,
        b"te" if value.eq_ignore_ascii_case(b"trailers") => FieldKind::Te,
        // RFC 9113 §8.2.2: connection-specific fields make a message malformed.
        b"te" | b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            FieldKind::Malformed
        }
        _ if is_name(name) => FieldKind::Regular,
        _ => FieldKind::Malformed,
    }
}

/// The same, where `before` is the kind of a field of this name.
#[inline]
pub(super) fn kind_again(before: FieldKind, name: &[u8], value: &[u8]) -> FieldKind {
    if before != FieldKind::Regular {
        return kind(name, value);
    }
    if is_value(value) { FieldKind::Regular } else { FieldKind::Malformed }
}

fn pseudo_kind(pseudo: &[u8], value: &[u8]) -> FieldKind {
    match pseudo {
        b"method" if value == b"CONNECT" => FieldKind::MethodConnect,
        b"method" if !value.is_empty() => FieldKind::Method,
        b"scheme" if !value.is_empty() => FieldKind::Scheme,
        b"authority" => FieldKind::Authority,
        b"path" if !value.is_empty() => FieldKind::Path,
        b"protocol" => FieldKind::Protocol,
        b"status" => match value {
            // 101 has no place in HTTP/2 (RFC 9113 §8.6).
            b"101" => FieldKind::Malformed,
            [b'1', b'0'..=b'9', b'0'..=b'9'] => FieldKind::StatusInformational,
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] => FieldKind::Status,
            _ => FieldKind::Malformed,
        },
        _ => FieldKind::Malformed,
    }
}

/// RFC 9113 §8.2.1: a lower-case token.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&octet| NAME_OCTETS[usize::from(octet)])
}

static NAME_OCTETS: [bool; 256] = {
    let mut table = [false; 256];
    let symbols = b"!#$%&'*+-.^_`|~";
    let mut n = 0;
    while n < symbols.len() {
        table[symbols[n] as usize] = true;
        n += 1;
    }
    let mut octet = 0;
    while octet < 256 {
        if (octet >= b'a' as usize && octet <= b'z' as usize) || (octet >= b'0' as usize && octet <= b'9' as usize) {
            table[octet] = true;
        }
        octet += 1;
    }
    table
};

/// Eight octets at a time, among which those of a short rest are twice; eight among which one
/// may be wrong one by one.
#[inline]
fn is_value(value: &[u8]) -> bool {
    let (chunks, rest) = value.as_chunks::<8>();
    chunks.iter().all(is_good) && is_rest_of_value(value, rest)
}

#[inline]
fn is_rest_of_value(value: &[u8], rest: &[u8]) -> bool {
    if let (Some(front), Some(back)) = (value.first_chunk::<4>(), value.last_chunk::<4>())
        && value.len() < 8
    {
        let octets = u64::from(u32::from_ne_bytes(*front)) << 32 | u64::from(u32::from_ne_bytes(*back));
        return is_good(&octets.to_ne_bytes());
    }
    rest.iter().all(|&octet| is_value_octet(octet))
}

#[inline(always)]
fn is_good(chunk: &[u8; 8]) -> bool {
    let octets = u64::from_ne_bytes(*chunk);
    // Octets below 0x10 borrow from their high bit; what follows one may look wrong, too.
    let low = octets.wrapping_sub(0x1010_1010_1010_1010) & !octets & 0x8080_8080_8080_8080;
    low == 0 || chunk.iter().all(|&octet| is_value_octet(octet))
}

/// RFC 9113 §8.2.1: no NUL, CR or LF.
///
/// White space at either end, which that clause forbids too, is let through: it cannot
/// split a message, status texts of real servers end in a blank, and gRPC's protocol
/// says of such values that they may be stripped, not that the call fails.
const fn is_value_octet(octet: u8) -> bool {
    !matches!(octet, 0 | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_octet_is_found_wherever_it_stands() {
        for len in 0..40 {
            for at in 0..len {
                for octet in 0..=255 {
                    let mut value = alloc::vec![b'a'; len];
                    value[at] = octet;
                    assert_eq!(is_value(&value), is_value_octet(octet), "{octet} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn kinds_row_by_row() {
        let cases: &[(&[u8], &[u8], FieldKind)] = &[
            (b":method", b"POST", FieldKind::Method),
            (b":method", b"CONNECT", FieldKind::MethodConnect),
            (b":method", b"", FieldKind::Malformed),
            (b":scheme", b"http", FieldKind::Scheme),
            (b":authority", b"", FieldKind::Authority),
            (b":path", b"/", FieldKind::Path),
            (b":path", b"", FieldKind::Malformed),
            (b":status", b"200", FieldKind::Status),
            (b":status", b"800", FieldKind::Status),
            (b":status", b"100", FieldKind::StatusInformational),
            (b":status", b"101", FieldKind::Malformed),
            (b":status", b"20", FieldKind::Malformed),
            (b":protocol", b"websocket", FieldKind::Protocol),
            (b":unknown", b"x", FieldKind::Malformed),
            (b"te", b"trailers", FieldKind::Te),
            (b"te", b"gzip", FieldKind::Malformed),
            (b"connection", b"close", FieldKind::Malformed),
            (b"keep-alive", b"1", FieldKind::Malformed),
            (b"proxy-connection", b"1", FieldKind::Malformed),
            (b"transfer-encoding", b"chunked", FieldKind::Malformed),
            (b"upgrade", b"h2c", FieldKind::Malformed),
            (b"content-length", b"3", FieldKind::ContentLength),
            (b"host", b"a", FieldKind::Regular),
            (b"x-a", b"", FieldKind::Regular),
            (b"x-a", b"a b\tc", FieldKind::Regular),
            (b"x-a", b"\xff\x80", FieldKind::Regular),
            (b"x-a", b" a", FieldKind::Regular),
            (b"x-a", b"a\t", FieldKind::Regular),
            (b"x-a", b"a\0b", FieldKind::Malformed),
            (b"x-a", b"a\rb", FieldKind::Malformed),
            (b"x-a", b"a\nb", FieldKind::Malformed),
            (b"X-a", b"", FieldKind::Malformed),
            (b"x a", b"", FieldKind::Malformed),
            (b"x:a", b"", FieldKind::Malformed),
            (b"x\x80", b"", FieldKind::Malformed),
            (b"", b"a", FieldKind::Malformed),
        ];
        for &(name, value, expected) in cases {
            assert_eq!(kind(name, value), expected, "{name:?}: {value:?}");
        }
    }
}
