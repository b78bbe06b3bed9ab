//! The Huffman code of RFC 7541 Appendix B.

use alloc::vec::Vec;

const CODE_BITS_MAX: usize = 30;
/// Codes up to this length are decoded by one look-up; they are all that text needs.
const FAST_BITS: u32 = 9;

/// Code and its length, by symbol.
static CODES: [(u32, u8); 257] = [
    (0x1ff8, 13),
    (0x7fffd8, 23),
    (0xfffffe2, 28),
    (0xfffffe3, 28),
    (0xfffffe4, 28),
    (0xfffffe5, 28),
    (0xfffffe6, 28),
    (0xfffffe7, 28),
    (0xfffffe8, 28),
    (0xffffea, 24),
    (0x3ffffffc, 30),
    (0xfffffe9, 28),
    (0xfffffea, 28),
    (0x3ffffffd, 30),
    (0xfffffeb, 28),
    (0xfffffec, 28),
    (0xfffffed, 28),
    (0xfffffee, 28),
    (0xfffffef, 28),
    (0xffffff0, 28),
    (0xffffff1, 28),
    (0xffffff2, 28),
    (0x3ffffffe, 30),
    (0xffffff3, 28),
    (0xffffff4, 28),
    (0xffffff5, 28),
    (0xffffff6, 28),
    (0xffffff7, 28),
    (0xffffff8, 28),
    (0xffffff9, 28),
    (0xffffffa, 28),
    (0xffffffb, 28),
    (0x14, 6),
    (0x3f8, 10),
    (0x3f9, 10),
    (0xffa, 12),
    (0x1ff9, 13),
    (0x15, 6),
    (0xf8, 8),
    (0x7fa, 11),
    (0x3fa, 10),
    (0x3fb, 10),
    (0xf9, 8),
    (0x7fb, 11),
    (0xfa, 8),
    (0x16, 6),
    (0x17, 6),
    (0x18, 6),
    (0x0, 5),
    (0x1, 5),
    (0x2, 5),
    (0x19, 6),
    (0x1a, 6),
    (0x1b, 6),
    (0x1c, 6),
    (0x1d, 6),
    (0x1e, 6),
    (0x1f, 6),
    (0x5c, 7),
    (0xfb, 8),
    (0x7ffc, 15),
    (0x20, 6),
    (0xffb, 12),
    (0x3fc, 10),
    (0x1ffa, 13),
    (0x21, 6),
    (0x5d, 7),
    (0x5e, 7),
    (0x5f, 7),
    (0x60, 7),
    (0x61, 7),
    (0x62, 7),
    (0x63, 7),
    (0x64, 7),
    (0x65, 7),
    (0x66, 7),
    (0x67, 7),
    (0x68, 7),
    (0x69, 7),
    (0x6a, 7),
    (0x6b, 7),
    (0x6c, 7),
    (0x6d, 7),
    (0x6e, 7),
    (0x6f, 7),
    (0x70, 7),
    (0x71, 7),
    (0x72, 7),
    (0xfc, 8),
    (0x73, 7),
    (0xfd, 8),
    (0x1ffb, 13),
    (0x7fff0, 19),
    (0x1ffc, 13),
    (0x3ffc, 14),
    (0x22, 6),
    (0x7ffd, 15),
    (0x3, 5),
    (0x23, 6),
    (0x4, 5),
    (0x24, 6),
    (0x5, 5),
    (0x25, 6),
    (0x26, 6),
    (0x27, 6),
    (0x6, 5),
    (0x74, 7),
    (0x75, 7),
    (0x28, 6),
    (0x29, 6),
    (0x2a, 6),
    (0x7, 5),
    (0x2b, 6),
    (0x76, 7),
    (0x2c, 6),
    (0x8, 5),
    (0x9, 5),
    (0x2d, 6),
    (0x77, 7),
    (0x78, 7),
    (0x79, 7),
    (0x7a, 7),
    (0x7b, 7),
    (0x7ffe, 15),
    (0x7fc, 11),
    (0x3ffd, 14),
    (0x1ffd, 13),
    (0xffffffc, 28),
    (0xfffe6, 20),
    (0x3fffd2, 22),
    (0xfffe7, 20),
    (0xfffe8, 20),
    (0x3fffd3, 22),
    (0x3fffd4, 22),
    (0x3fffd5, 22),
    (0x7fffd9, 23),
    (0x3fffd6, 22),
    (0x7fffda, 23),
    (0x7fffdb, 23),
    (0x7fffdc, 23),
    (0x7fffdd, 23),
    (0x7fffde, 23),
    (0xffffeb, 24),
    (0x7fffdf, 23),
    (0xffffec, 24),
    (0xffffed, 24),
    (0x3fffd7, 22),
    (0x7fffe0, 23),
    (0xffffee, 24),
    (0x7fffe1, 23),
    (0x7fffe2, 23),
    (0x7fffe3, 23),
    (0x7fffe4, 23),
    (0x1fffdc, 21),
    (0x3fffd8, 22),
    (0x7fffe5, 23),
    (0x3fffd9, 22),
    (0x7fffe6, 23),
    (0x7fffe7, 23),
    (0xffffef, 24),
    (0x3fffda, 22),
    (0x1fffdd, 21),
    (0xfffe9, 20),
    (0x3fffdb, 22),
    (0x3fffdc, 22),
    (0x7fffe8, 23),
    (0x7fffe9, 23),
    (0x1fffde, 21),
    (0x7fffea, 23),
    (0x3fffdd, 22),
    (0x3fffde, 22),
    (0xfffff0, 24),
    (0x1fffdf, 21),
    (0x3fffdf, 22),
    (0x7fffeb, 23),
    (0x7fffec, 23),
    (0x1fffe0, 21),
    (0x1fffe1, 21),
    (0x3fffe0, 22),
    (0x1fffe2, 21),
    (0x7fffed, 23),
    (0x3fffe1, 22),
    (0x7fffee, 23),
    (0x7fffef, 23),
    (0xfffea, 20),
    (0x3fffe2, 22),
    (0x3fffe3, 22),
    (0x3fffe4, 22),
    (0x7ffff0, 23),
    (0x3fffe5, 22),
    (0x3fffe6, 22),
    (0x7ffff1, 23),
    (0x3ffffe0, 26),
    (0x3ffffe1, 26),
    (0xfffeb, 20),
    (0x7fff1, 19),
    (0x3fffe7, 22),
    (0x7ffff2, 23),
    (0x3fffe8, 22),
    (0x1ffffec, 25),
    (0x3ffffe2, 26),
    (0x3ffffe3, 26),
    (0x3ffffe4, 26),
    (0x7ffffde, 27),
    (0x7ffffdf, 27),
    (0x3ffffe5, 26),
    (0xfffff1, 24),
    (0x1ffffed, 25),
    (0x7fff2, 19),
    (0x1fffe3, 21),
    (0x3ffffe6, 26),
    (0x7ffffe0, 27),
    (0x7ffffe1, 27),
    (0x3ffffe7, 26),
    (0x7ffffe2, 27),
    (0xfffff2, 24),
    (0x1fffe4, 21),
    (0x1fffe5, 21),
    (0x3ffffe8, 26),
    (0x3ffffe9, 26),
    (0xffffffd, 28),
    (0x7ffffe3, 27),
    (0x7ffffe4, 27),
    (0x7ffffe5, 27),
    (0xfffec, 20),
    (0xfffff3, 24),
    (0xfffed, 20),
    (0x1fffe6, 21),
    (0x3fffe9, 22),
    (0x1fffe7, 21),
    (0x1fffe8, 21),
    (0x7ffff3, 23),
    (0x3fffea, 22),
    (0x3fffeb, 22),
    (0x1ffffee, 25),
    (0x1ffffef, 25),
    (0xfffff4, 24),
    (0xfffff5, 24),
    (0x3ffffea, 26),
    (0x7ffff4, 23),
    (0x3ffffeb, 26),
    (0x7ffffe6, 27),
    (0x3ffffec, 26),
    (0x3ffffed, 26),
    (0x7ffffe7, 27),
    (0x7ffffe8, 27),
    (0x7ffffe9, 27),
    (0x7ffffea, 27),
    (0x7ffffeb, 27),
    (0xffffffe, 28),
    (0x7ffffec, 27),
    (0x7ffffed, 27),
    (0x7ffffee, 27),
    (0x7ffffef, 27),
    (0x7fffff0, 27),
    (0x3ffffee, 26),
    (0x3fffffff, 30),
];

/// Symbol and length by the next [`FAST_BITS`] bits; length 0 means a longer code.
static FAST: [(u8, u8); 1 << FAST_BITS] = {
    let mut table = [(0u8, 0u8); 1 << FAST_BITS];
    let mut symbol = 0;
    while symbol < 256 {
        let (code, bits) = CODES[symbol];
        if bits as u32 <= FAST_BITS {
            let spread = FAST_BITS - bits as u32;
            let mut n = 0;
            while n < 1 << spread {
                table[((code as usize) << spread) + n] = (symbol as u8, bits);
                n += 1;
            }
        }
        symbol += 1;
    }
    table
};

/// Symbols in the order of their codes, for those that [`FAST`] does not hold.
struct Canonical {
    /// First code of each length, and the place of its symbol.
    first: [(u32, u16); CODE_BITS_MAX + 1],
    count: [u16; CODE_BITS_MAX + 1],
    symbols: [u16; 257],
}

static CANONICAL: Canonical = {
    let mut canonical =
        Canonical { first: [(0, 0); CODE_BITS_MAX + 1], count: [0; CODE_BITS_MAX + 1], symbols: [0; 257] };
    let mut place = 0;
    let mut bits = 1;
    while bits <= CODE_BITS_MAX {
        // Within a length, codes rise with their symbols (RFC 7541 Appendix B is canonical).
        let mut symbol = 0;
        while symbol < 257 {
            if CODES[symbol].1 as usize == bits {
                if canonical.count[bits] == 0 {
                    canonical.first[bits] = (CODES[symbol].0, place);
                }
                canonical.count[bits] += 1;
                canonical.symbols[place as usize] = symbol as u16;
                place += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    canonical
};

/// Symbols that are decoded between two refills of 56 bits, at least.
const SYMBOLS_PER_REFILL: usize = 56 / FAST_BITS as usize;

/// Appends the decoded octets. `None` if a code is EOS, or the padding is wrong
/// (RFC 7541 §5.2).
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = Bits { buffer: 0, buffered: 0, input };
    let mut symbols = [0u8; SYMBOLS_PER_REFILL];
    while rest.refill() {
        let count = symbols.iter_mut().map_while(|symbol| rest.take_short().map(|taken| *symbol = taken)).count();
        out.extend_from_slice(symbols.get(..count)?);
        if count < SYMBOLS_PER_REFILL {
            out.push(rest.take_long()?);
        }
    }
    let Bits { mut buffer, mut buffered, input } = rest;
    let mut octets = input.iter();
    loop {
        while buffered <= 56 {
            let Some(&octet) = octets.next() else { break };
            buffer |= u64::from(octet) << (56 - buffered);
            buffered += 8;
        }
        if buffered < FAST_BITS {
            return decode_rest(buffer, buffered, out);
        }
        let (symbol, bits) = FAST[(buffer >> (64 - FAST_BITS)) as usize];
        if bits > 0 {
            out.push(symbol);
            buffer <<= bits;
            buffered -= u32::from(bits);
            continue;
        }
        match decode_long(buffer, buffered) {
            Some((symbol, bits)) => {
                out.push(symbol);
                buffer <<= bits;
                buffered -= bits;
            }
            None => return is_padding(buffer, buffered).then_some(()),
        }
    }
}

/// What is left of an input, the next bits of it in a register.
struct Bits<'a> {
    buffer: u64,
    buffered: u32,
    input: &'a [u8],
}

impl Bits<'_> {
    /// Fills the register to 56 bits or more, as long as eight octets are left.
    #[inline(always)]
    fn refill(&mut self) -> bool {
        let Some(word) = self.input.first_chunk() else { return false };
        // Octets that fit. The bits of the next one that come along are written again, alike.
        let count = (63 - self.buffered) >> 3;
        self.buffer |= u64::from_be_bytes(*word) >> self.buffered;
        self.buffered += 8 * count;
        self.input = self.input.get(count as usize..).unwrap_or_default();
        true
    }

    /// The next symbol, if its code is short.
    #[inline(always)]
    fn take_short(&mut self) -> Option<u8> {
        let (symbol, bits) = FAST[(self.buffer >> (64 - FAST_BITS)) as usize];
        self.buffer <<= bits;
        self.buffered = self.buffered.wrapping_sub(u32::from(bits));
        (bits > 0).then_some(symbol)
    }

    /// The next symbol, whose code is long. `None` if it is EOS.
    #[inline(never)]
    fn take_long(&mut self) -> Option<u8> {
        while self.buffered <= 56 {
            let Some((octet, rest)) = self.input.split_first() else { break };
            self.buffer |= u64::from(*octet) << (56 - self.buffered);
            self.buffered += 8;
            self.input = rest;
        }
        let (symbol, bits) = decode_long(self.buffer, self.buffered)?;
        self.buffer <<= bits;
        self.buffered -= bits;
        Some(symbol)
    }
}

/// The last bits: symbols that fit, then padding.
fn decode_rest(mut buffer: u64, mut buffered: u32, out: &mut Vec<u8>) -> Option<()> {
    loop {
        let (symbol, bits) = FAST[(buffer >> (64 - FAST_BITS)) as usize];
        let bits = u32::from(bits);
        if bits == 0 || bits > buffered {
            return is_padding(buffer, buffered).then_some(());
        }
        out.push(symbol);
        buffer <<= bits;
        buffered -= bits;
    }
}

/// A code longer than [`FAST_BITS`] at the front of `buffer`; `None` if there is none.
fn decode_long(buffer: u64, buffered: u32) -> Option<(u8, u32)> {
    for bits in FAST_BITS as usize + 1..=CODE_BITS_MAX.min(buffered as usize) {
        let code = (buffer >> (64 - bits)) as u32;
        let (first, place) = CANONICAL.first[bits];
        let at = code.wrapping_sub(first);
        if at < u32::from(CANONICAL.count[bits]) {
            let symbol = CANONICAL.symbols[place as usize + at as usize];
            return u8::try_from(symbol).ok().map(|symbol| (symbol, bits as u32));
        }
    }
    None
}

/// RFC 7541 §5.2: fewer than eight bits, all of them ones.
fn is_padding(buffer: u64, buffered: u32) -> bool {
    buffered < 8 && buffer >> (64 - buffered.max(1)) == (1 << buffered) - 1 || buffered == 0
}

/// Lengths of the codes, by octet.
static CODE_BITS: [u8; 256] = {
    let mut bits = [0; 256];
    let mut symbol = 0;
    while symbol < 256 {
        bits[symbol] = CODES[symbol].1;
        symbol += 1;
    }
    bits
};

/// Octets that `input` takes encoded.
pub(super) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|&octet| usize::from(CODE_BITS[usize::from(octet)])).sum();
    bits.div_ceil(8)
}

/// Appends the encoded octets.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) {
    let mut buffer = 0u64;
    let mut buffered = 0u32;
    for &octet in input {
        // A code has 30 bits at most, and fewer than 32 wait.
        let (code, bits) = CODES[usize::from(octet)];
        buffer = buffer << bits | u64::from(code);
        buffered += u32::from(bits);
        if buffered >= 32 {
            buffered -= 32;
            out.extend_from_slice(&((buffer >> buffered) as u32).to_be_bytes());
        }
    }
    let padding = buffered.wrapping_neg() & 7;
    let last = (buffer << padding | ((1 << padding) - 1)) as u32;
    let last_len = ((buffered + padding) / 8) as usize;
    out.extend_from_slice(last.to_be_bytes().get(4 - last_len..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(input, &mut out).map(|()| out)
    }

    #[test]
    fn every_symbol_and_pair_survives() {
        for a in 0..=255u8 {
            for text in [&[a][..], &[a, a], &[b'a', a, b'z'], &[a, 0, a, 255]] {
                let mut wire = Vec::new();
                encode(text, &mut wire);
                assert_eq!(wire.len(), encoded_len(text));
                assert_eq!(decoded(&wire).as_deref(), Some(text));
            }
        }
    }

    #[test]
    fn the_example_of_appendix_c4() {
        let wire = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&wire).as_deref(), Some(&b"www.example.com"[..]));
    }

    #[test]
    fn wrong_padding_and_eos_are_refused() {
        assert_eq!(decoded(&[]), Some(Vec::new()));
        // '0' is 00000; the padding must be ones, and shorter than an octet.
        assert_eq!(decoded(&[0b0000_0111]).as_deref(), Some(&b"0"[..]));
        assert_eq!(decoded(&[0b0000_0110]), None);
        assert_eq!(decoded(&[0b0000_0111, 0xff]), None);
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(CODES[256], (0x3fff_ffff, 30));
    }

    /// Bit by bit, by the table of Appendix B alone.
    fn decode_slowly(input: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut code, mut bits) = (Vec::new(), 0u32, 0u8);
        for n in 0..input.len() * 8 {
            code = code << 1 | u32::from(input[n / 8] >> (7 - n % 8) & 1);
            bits += 1;
            match CODES.iter().position(|known| *known == (code, bits)) {
                Some(256) => return None,
                Some(symbol) => {
                    out.push(symbol as u8);
                    (code, bits) = (0, 0);
                }
                None if bits > 30 => return None,
                None => {}
            }
        }
        (bits < 8 && code == (1 << bits) - 1).then_some(out)
    }

    #[test]
    fn long_strings_are_decoded_as_bit_by_bit() {
        let mut seed = 7u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for round in 0..3000 {
            let mut text = Vec::new();
            for _ in 0..next() % 60 {
                // Most of the time text, whose codes are short.
                text.push(if next() % 16 == 0 { next() as u8 } else { b' ' + (next() % 95) as u8 });
            }
            let mut wire = Vec::new();
            encode(&text, &mut wire);
            assert_eq!(wire.len(), encoded_len(&text));
            assert_eq!(decoded(&wire).as_deref(), Some(&text[..]));
            if round % 2 == 1 && !wire.is_empty() {
                let at = next() % wire.len();
                wire[at] ^= 1 << (next() % 8);
                wire.truncate(wire.len() - next() % 2);
            }
            assert_eq!(decoded(&wire), decode_slowly(&wire), "{wire:x?}");
        }
    }

    #[test]
    fn random_input_never_panics() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let octets = seed.to_be_bytes();
            let len = (seed >> 59) as usize % 9;
            if let Some(text) = decoded(&octets[..len]) {
                let mut wire = Vec::new();
                encode(&text, &mut wire);
                assert_eq!(wire, &octets[..len]);
            }
        }
    }
}
