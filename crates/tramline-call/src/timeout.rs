//! `grpc-timeout`, both ways.

use core::time::Duration;

/// gRPC PROTOCOL-HTTP2: "TimeoutValue → positive integer as ASCII string of at most 8 digits".
const DIGIT_COUNT_MAX: usize = 8;
const VALUE_MAX: u64 = 99_999_999;

/// A timeout as the header carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutText {
    len: u8,
    octets: [u8; DIGIT_COUNT_MAX + 1],
}

impl TimeoutText {
    /// The header's value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Writes `timeout` in the finest unit that holds it in eight digits, rounded up, so that
/// the server never gives up before the client does. `None` for zero: such a call has
/// failed already, and is not sent.
///
/// ```
/// use core::time::Duration;
/// use tramline_call::timeout;
///
/// let text = timeout::encode(Duration::from_millis(250)).unwrap();
/// assert_eq!(text.as_bytes(), b"250000u");
/// assert_eq!(timeout::decode(b"250000u"), Some(Duration::from_millis(250)));
/// ```
#[must_use]
pub fn encode(timeout: Duration) -> Option<TimeoutText> {
    if timeout.is_zero() {
        return None;
    }
    let nanos = nanos(timeout);
    let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
    let finest = [(nanos, b'n'), (nanos.div_ceil(1_000), b'u'), (nanos.div_ceil(1_000_000), b'm')];
    let coarse = [(seconds, b'S'), (seconds.div_ceil(60), b'M'), (seconds.div_ceil(3_600), b'H')];
    let fitting = finest.into_iter().chain(coarse).find(|&(value, _)| value <= VALUE_MAX);
    let (value, unit) = fitting.unwrap_or((VALUE_MAX, b'H'));
    Some(text(value as u32, unit))
}

/// The whole in nanoseconds, at most what 64 bits hold: 584 years.
pub(crate) fn nanos(timeout: Duration) -> u64 {
    timeout.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(timeout.subsec_nanos()))
}

fn text(mut value: u32, unit: u8) -> TimeoutText {
    let mut octets = [0; DIGIT_COUNT_MAX + 1];
    let len = value.max(1).ilog10() as usize + 1;
    for octet in octets[..len].iter_mut().rev() {
        *octet = b'0' + (value % 10) as u8;
        value /= 10;
    }
    octets[len] = unit;
    TimeoutText { len: len as u8 + 1, octets }
}

/// Reads the header's value: one to eight digits and a unit. `None` if it is malformed.
/// Zero is a timeout, which has passed.
#[must_use]
pub fn decode(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > DIGIT_COUNT_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    match unit {
        b'n' => Some(Duration::from_nanos(value)),
        b'u' => Some(Duration::from_micros(value)),
        b'm' => Some(Duration::from_millis(value)),
        b'S' => Some(Duration::from_secs(value)),
        b'M' => Some(Duration::from_secs(value * 60)),
        b'H' => Some(Duration::from_secs(value * 3_600)),
        _ => None,
    }
}
