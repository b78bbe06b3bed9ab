//! Binary values: base64 under keys that end in `-bin` (gRPC PROTOCOL-HTTP2, "Custom Metadata").

use alloc::vec::Vec;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// "Implementations MUST accept padded and un-padded values and should emit un-padded values."
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether values of this key are binary.
pub(crate) fn is_binary(name: &[u8]) -> bool {
    name.last_chunk().is_some_and(|suffix: &[u8; 4]| suffix.eq_ignore_ascii_case(b"-bin"))
}

/// Appends `value` in base64.
pub(crate) fn encode(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + value.len().div_ceil(3) * 4, 0);
    let written = out.get_mut(start..).and_then(|space| BASE64.encode_slice(value, space).ok());
    out.truncate(start + written.unwrap_or(0));
}

/// Reads one value.
pub(crate) fn decode(value: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(value).ok()
}

/// Whether every value of the list can be read, found without memory of its own.
pub(crate) fn is_valid(list: &[u8]) -> bool {
    list.split(|&octet| octet == b',').all(|value| is_base64(value.trim_ascii()))
}

fn is_base64(value: &[u8]) -> bool {
    let padding_len = value.iter().rev().take_while(|&&octet| octet == b'=').count();
    let digits = value.get(..value.len() - padding_len).unwrap_or_default();
    let tail_len = digits.len() % 4;
    let padding_len_max = if tail_len == 0 { 0 } else { 4 - tail_len };
    tail_len != 1
        && padding_len <= padding_len_max
        && digits.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
}
