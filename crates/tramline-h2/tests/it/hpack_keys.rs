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

/// Runs one connection's sections, and says how many keys came again.
fn run(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let size = numbers.pick(&TABLE_SIZES);
    let mut encoder = Encoder::new(size);
    let (mut decoder, mut plain) = (Decoder::new(Lengths, 4096), Decoder::new(Lengths, 4096));
    let mut blocks = [FieldBlock::new(), FieldBlock::new(), FieldBlock::new()];
    let mut sections = Vec::new();
    let mut known: Vec<(BlockKey, Vec<_>)> = Vec::new();
    let mut again_count = 0;
    for _ in 0..60 {
        if numbers.chance(2) {
            encoder.set_peer_table_size(numbers.pick(&[0, 60, 200, 4096]));
        }
        let fields = section(&mut numbers, &mut sections);
        let wire = write(&mut numbers, &mut encoder, &fields);
        let block = &mut blocks[numbers.below(3) as usize];
        let mut fresh = FieldBlock::new();
        let outcome = decoder.decode(&wire, LIMITS, block);
        assert_eq!(outcome, plain.decode(&wire, LIMITS, &mut fresh), "seed {seed}: {wire:02x?}");
        assert_eq!(decoder.table_size(), plain.table_size(), "seed {seed}");
        if outcome.is_err() {
            return again_count;
        }
        assert_eq!(content(block), content(&fresh), "seed {seed}: {wire:02x?}");
        let Some(key) = block.key() else { continue };
        let all: Vec<_> = block.iter().map(|field| (field.name.to_vec(), field.value.to_vec(), field.token)).collect();
        match known.iter().find(|(before, _)| *before == key) {
            Some((_, before)) => {
                assert_eq!(before.len(), all.len());
                for (at, (before, now)) in before.iter().zip(&all).enumerate() {
                    assert!(before == now || block.fresh().any(|(fresh, _)| fresh == at), "seed {seed}, field {at}");
                }
                again_count += 1;
            }
            None => known.push((key, all)),
        }
    }
    again_count
}

#[test]
fn sections_are_the_same_in_a_block_that_is_used_again() {
    let seeds = 3000;
    let again_count: usize = (0..seeds).map(run).sum();
    assert!(again_count > 5 * seeds as usize, "{again_count} keys came again");
}
