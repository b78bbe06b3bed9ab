//! `grpc-message`, both ways: UTF-8, then percent-encoding.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// gRPC PROTOCOL-HTTP2: Percent-Byte-Unencoded is 0x20 to 0x7E, but not `%`. A space at
/// either end is encoded too, because RFC 9113 §8.2.1 forbids it in a field value.
fn is_plain(message: &[u8], at: usize) -> bool {
    match message.get(at) {
        Some(b' ') => at != 0 && at + 1 != message.len(),
        Some(b'%') => false,
        Some(octet) => matches!(octet, b'!'..=b'~'),
        None => true,
    }
}

/// Encodes a message; one without special characters is handed back as it is.
///
/// ```
/// use tramline_call::percent;
///
/// assert_eq!(&*percent::encode("50 % of ☺"), b"50 %25 of %E2%98%BA");
/// assert_eq!(percent::decode(b"50 %25 of %E2%98%BA"), "50 % of ☺");
/// ```
#[must_use]
pub fn encode(message: &str) -> Cow<'_, [u8]> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let octets = message.as_bytes();
    let Some(plain_len) = (0..octets.len()).find(|&at| !is_plain(octets, at)) else {
        return Cow::Borrowed(octets);
    };
    let mut out = Vec::with_capacity(octets.len() + 16);
    out.extend_from_slice(&octets[..plain_len]);
    for (at, &octet) in octets.iter().enumerate().skip(plain_len) {
        if is_plain(octets, at) {
            out.push(octet);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
        }
    }
    Cow::Owned(out)
}

/// Decodes a message. What is no escape stays as it is, and what is no UTF-8 becomes
/// U+FFFD: a message is never lost (gRPC PROTOCOL-HTTP2, "Responses").
#[must_use]
pub fn decode(value: &[u8]) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        rest = match escape(rest) {
            Some((octet, after)) => {
                out.push(octet);
                after
            }
            None => {
                out.push(*first);
                tail
            }
        };
    }
    match String::from_utf8(out) {
        Ok(message) => message,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// `%` and two hexadecimal digits in either case, and what follows.
fn escape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = rest else { return None };
    let digit = |octet: &u8| char::from(*octet).to_digit(16);
    let octet = digit(high)? * 16 + digit(low)?;
    Some((octet as u8, after))
}
