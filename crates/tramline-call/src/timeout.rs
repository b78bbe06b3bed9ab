//! `grpc-timeout`, both ways.

use core::time::Duration;

/// gRPC PROTOCOL-HTTP2: "TimeoutValue → positive integer as ASCII string of at most 8 digits".
const DIGIT_COUNT_MAX: usize = 8;
const VALUE_MAX: u128 = 99_999_999;

/// Units, finest first, in nanoseconds.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60 * 1_000_000_000),
    (b'H', 3_600 * 1_000_000_000),
];

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
    let nanos = timeout.as_nanos();
    if nanos == 0 {
        return None;
    }
    let fitting = UNITS.iter().map(|&(unit, len)| (unit, nanos.div_ceil(len))).find(|&(_, value)| value <= VALUE_MAX);
    let (unit, value) = fitting.unwrap_or((b'H', VALUE_MAX));
    Some(text(value as u32, unit))
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
