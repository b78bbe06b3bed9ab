//! Integers with a prefix (RFC 7541 §5.1).

use alloc::vec::Vec;

/// Continuation octets that are read at most: enough for 2³² and no more.
const CONTINUATION_COUNT_MAX: u32 = 5;

/// Reads an integer whose prefix has `prefix_bits` bits. `None` is a malformed or
/// endless one.
#[inline]
pub(super) fn decode(input: &mut &[u8], prefix_bits: u32) -> Option<usize> {
    let (&first, rest) = input.split_first()?;
    *input = rest;
    let mask = (1u8 << prefix_bits) - 1;
    let prefix = first & mask;
    if prefix < mask {
        return Some(usize::from(prefix));
    }
    let mut value = u64::from(prefix);
    for n in 0..CONTINUATION_COUNT_MAX {
        let (&octet, rest) = input.split_first()?;
        *input = rest;
        value += u64::from(octet & 0x7f) << (7 * n);
        if octet & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| value as usize);
        }
    }
    None
}

/// Writes an integer behind the bits of `first` above its prefix.
#[inline]
pub(super) fn encode(value: usize, prefix_bits: u32, first: u8, out: &mut Vec<u8>) {
    let mask = (1usize << prefix_bits) - 1;
    if value < mask {
        out.push(first | value as u8);
        return;
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_appendix_c1() {
        for (value, bits, octets) in [(10, 5, &[10][..]), (1337, 5, &[31, 154, 10]), (42, 8, &[42])] {
            let mut out = Vec::new();
            encode(value, bits.min(7), 0, &mut out);
            if bits < 8 {
                assert_eq!(out, octets);
            }
            assert_eq!(decode(&mut &out[..], bits.min(7)), Some(value));
        }
    }

    #[test]
    fn every_boundary_survives() {
        for bits in 1..=7 {
            for value in [0, 1, 30, 31, 32, 126, 127, 128, 254, 255, 256, 16_383, 16_384, 1 << 28, u32::MAX as usize] {
                let mut out = Vec::new();
                encode(value, bits, 0, &mut out);
                let mut input = &out[..];
                assert_eq!(decode(&mut input, bits), Some(value), "{value} in {bits} bits");
                assert!(input.is_empty());
            }
        }
    }

    #[test]
    fn overlong_and_cut_integers_are_refused() {
        assert_eq!(decode(&mut &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..], 5), None);
        assert_eq!(decode(&mut &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f][..], 5), None);
        assert_eq!(decode(&mut &[0x1f, 0x80][..], 5), None);
        assert_eq!(decode(&mut &[][..], 5), None);
    }
}
