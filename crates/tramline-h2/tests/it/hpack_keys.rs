//! What a block of fields that is used again makes of sections that are written alike is what a
//! new one makes of them; and its key says which fields they have.

use tramline_h2::Indexing;
use tramline_h2::hpack::{BlockKey, BlockLimits, Classified, Classifier, Decoder, Encoder, FieldBlock};

use crate::numbers::Numbers;

const LIMITS: BlockLimits = BlockLimits { list_len_max: 900, list_len_hard_max: 1200, field_count_max: 9 };
const TABLE_SIZES: [usize; 3] = [90, 300, 4096];

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Tokens that depend on name and value, some of which need no octets.
#[derive(Clone)]
struct Lengths;

impl Classifier for Lengths {
    type Token = (u8, usize);

    fn classify(&self, name: &[u8], value: &[u8]) -> Classified<(u8, usize)> {
        Classified { token: (0, name.len() * 1000 + value.len()), keep: name != b"x-timeout" && value != b"token" }
    }

    fn classify_again(&self, before: (u8, usize), name: &[u8], value: &[u8]) -> Classified<(u8, usize)> {
        assert_eq!(before.1 / 1000, name.len(), "{before:?} is of another name than {name:?}");
        self.classify(name, value)
    }
}

const NAMES: [&[u8]; 9] =
    [b":path", b":status", b"te", b"authorization", b"x-timeout", b"x-a", b"x-b", b"content-length", b"traceparent"];

fn value(numbers: &mut Numbers) -> Vec<u8> {
    match numbers.below(12) {
        0 => numbers.below(100_000).to_string().into_bytes(),
        1 => vec![b'v'; numbers.below(80) as usize],
        2 => vec![b'\xff'; numbers.below(10) as usize],
        3 => b"a\0b".to_vec(),
        4 => b"token".to_vec(),
        5 => b"trailers".to_vec(),
        _ => numbers.below(3).to_string().into_bytes(),
    }
}

/// A section, most often like one that was there before, with another value here and there.
fn section(numbers: &mut Numbers, known: &mut Vec<Fields>) -> Fields {
    if known.len() < 4 || numbers.chance(3) {
        let count = numbers.below(8);
        let fields = (0..count).map(|_| (numbers.pick(&NAMES).to_vec(), value(numbers))).collect();
        if known.len() == 4 {
            known.remove(0);
        }
        known.push(fields);
    }
    let at = numbers.below(known.len() as u64) as usize;
    let mut fields = known[at].clone();
    if let Some(last) = fields.last_mut().filter(|_| numbers.chance(60)) {
        last.1 = value(numbers);
    }
    for field in &mut fields {
        if numbers.chance(5) {
            field.1 = value(numbers);
        }
    }
    fields
}

/// The section's octets, damaged now and then.
fn write(numbers: &mut Numbers, encoder: &mut Encoder, fields: &Fields) -> Vec<u8> {
    let mut wire = Vec::new();
    encoder.begin_block(&mut wire);
    for (n, (name, value)) in fields.iter().enumerate() {
        let usual = if n % 2 == 0 { Indexing::Incremental } else { [Indexing::None, Indexing::Never][n / 2 % 2] };
        let indexing = if numbers.chance(10) { Indexing::Incremental } else { usual };
        encoder.encode(name, value, indexing, &mut wire);
    }
    if numbers.chance(1) && !wire.is_empty() {
        let at = numbers.below(wire.len() as u64) as usize;
        wire[at] = numbers.below(256) as u8;
    }
    wire
}

/// All that a block says, but for its key.
fn content(block: &FieldBlock<(u8, usize)>) -> impl PartialEq + std::fmt::Debug {
    let fields: Vec<_> =
        block.iter().map(|field| (field.kind, field.token, field.name.to_vec(), field.value.to_vec())).collect();
    (fields, block.list_len(), block.field_count(), block.oversize())
}

type Said = Vec<(Vec<u8>, Vec<u8>, (u8, usize))>;

/// A decoder that uses its blocks again, beside one that does not.
struct Pair {
    seed: u64,
    decoder: Decoder<Lengths>,
    blocks: [FieldBlock<(u8, usize)>; 3],
    plain: Decoder<Lengths>,
    known: Vec<(BlockKey, Said)>,
    /// Keys that came again.
    again_count: usize,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let [decoder, plain] = [(); 2].map(|()| Decoder::new(Lengths, 4096));
        let blocks = [(); 3].map(|()| FieldBlock::new());
        Pair { seed, decoder, blocks, plain, known: Vec::new(), again_count: 0 }
    }

    /// Lets both decode a section. False if the connection is lost.
    fn take(&mut self, wire: &[u8], at: usize) -> bool {
        let seed = self.seed;
        let block = &mut self.blocks[at];
        let mut fresh = FieldBlock::new();
        let outcome = self.decoder.decode(wire, LIMITS, block);
        assert_eq!(outcome, self.plain.decode(wire, LIMITS, &mut fresh), "seed {seed}: {wire:02x?}");
        if outcome.is_err() {
            return false;
        }
        assert_eq!(self.decoder.table_size(), self.plain.table_size(), "seed {seed}");
        assert_eq!(content(block), content(&fresh), "seed {seed}: {wire:02x?}");
        let Some(key) = block.key() else { return true };
        let all: Said = block.iter().map(|field| (field.name.to_vec(), field.value.to_vec(), field.token)).collect();
        match self.known.iter().find(|(before, _)| *before == key) {
            Some((_, before)) => {
                assert_eq!(before.len(), all.len());
                for (at, (before, now)) in before.iter().zip(&all).enumerate() {
                    assert!(before == now || block.fresh().any(|(fresh, _)| fresh == at), "seed {seed}, field {at}");
                }
                self.again_count += 1;
            }
            None => self.known.push((key, all)),
        }
        true
    }
}

/// Runs one connection's sections, and says how many keys came again.
fn run(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let size = numbers.pick(&TABLE_SIZES);
    let mut encoder = Encoder::new(size);
    let mut pair = Pair::new(seed);
    let mut sections = Vec::new();
    for _ in 0..60 {
        if numbers.chance(2) {
            encoder.set_peer_table_size(numbers.pick(&[0, 60, 200, 4096]));
        }
        let fields = section(&mut numbers, &mut sections);
        let wire = write(&mut numbers, &mut encoder, &fields);
        if !pair.take(&wire, numbers.below(3) as usize) {
            break;
        }
    }
    pair.again_count
}

#[test]
fn sections_are_the_same_in_a_block_that_is_used_again() {
    let seeds = 3000;
    let again_count: usize = (0..seeds).map(run).sum();
    assert!(again_count > 5 * seeds as usize, "{again_count} keys came again");
}

/// Strings as they may be spelled: plain, or by Huffman's code.
const SPELLED: [&[u8]; 12] = [
    b"\x01a",
    b"\x81\x1f",
    b"\x01b",
    b"\x81\x8f",
    b"\x02aa",
    b"\x82\x18\xff",
    b"\x00",
    b"\x80",
    b"\x09x-timeout",
    b"\x05token",
    b"\x0econtent-length",
    b"\x011",
];

fn integer(value: u64, prefix_bits: u32, first: u8, out: &mut Vec<u8>) {
    let mask = (1 << prefix_bits) - 1;
    if value < mask {
        return out.push(first | value as u8);
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// One field as peers may write it that do as they like.
fn representation(numbers: &mut Numbers) -> Vec<u8> {
    let mut out = Vec::new();
    let index = if numbers.chance(60) { 62 + numbers.below(3) } else { numbers.below(62) };
    let (prefix_bits, first) = match numbers.below(8) {
        0..3 => {
            integer(if numbers.chance(1) { 62 + numbers.below(70) } else { index.max(1) }, 7, 0x80, &mut out);
            return out;
        }
        3..6 => (6, 0x40),
        6 => (4, 0),
        _ => (4, 0x10),
    };
    if numbers.chance(50) {
        integer(0, prefix_bits, first, &mut out);
        out.extend_from_slice(numbers.pick(&SPELLED));
    } else {
        integer(index, prefix_bits, first, &mut out);
        if index == 0 {
            out.extend_from_slice(numbers.pick(&SPELLED));
        }
    }
    out.extend_from_slice(numbers.pick(&SPELLED));
    out
}

/// Runs one connection's sections that no encoder would write so, and says how many keys came
/// again.
fn run_wild(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let mut pair = Pair::new(seed);
    let first = (0..6).map(|n| [&[0x40, 1, b'a' + n][..], numbers.pick(&SPELLED)].concat());
    let mut sections: Vec<Vec<Vec<u8>>> = vec![first.collect()];
    for _ in 0..80 {
        let at = numbers.below(sections.len() as u64) as usize;
        let mut section = sections[at].clone();
        if numbers.chance(10) {
            section = (0..numbers.below(7)).map(|_| representation(&mut numbers)).collect();
            sections.push(section.clone());
        } else if numbers.chance(30) && !section.is_empty() {
            let at = numbers.below(section.len() as u64) as usize;
            section[at] = representation(&mut numbers);
        }
        if numbers.chance(20) {
            sections[at] = section.clone();
        }
        let mut wire = Vec::new();
        if numbers.chance(3) {
            integer(numbers.pick(&[110, 180, 4096]), 5, 0x20, &mut wire);
        }
        wire.extend(section.concat());
        if !pair.take(&wire, numbers.below(3) as usize) {
            break;
        }
    }
    pair.again_count
}

#[test]
fn sections_are_the_same_however_they_are_written() {
    let seeds = 3000;
    let again_count: usize = (0..seeds).map(run_wild).sum();
    assert!(again_count > 3 * seeds as usize, "{again_count} keys came again");
}

/// RFC 9113 §8.2.1 forbids it, and whoever reads the block is to find it there.
#[test]
fn a_field_without_a_name_keeps_its_value() {
    let mut pair = Pair::new(0);
    for wire in [&b"\x40\x00\x02aa"[..], b"\x40\x00\x02aa", b"\xbe", b"\x40\x00\x02aa", b"\xbe"] {
        assert!(pair.take(wire, 0));
    }
}
