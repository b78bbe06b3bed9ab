//! A group of fields means to the peer what its fields mean one by one, whatever became of the
//! tables in between.

use tramline_h2::Indexing;
use tramline_h2::hpack::{BlockLimits, Decoder, Encoder, FieldBlock, GroupKey, Opaque};

use crate::numbers::Numbers;

const LIMITS: BlockLimits = BlockLimits { list_len_max: 100_000, list_len_hard_max: 100_000, field_count_max: 100 };
const TABLE_SIZES: [usize; 4] = [0, 150, 600, 4096];

type Field = (Vec<u8>, Vec<u8>, Indexing);

/// What a section is made of: groups, and fields of its own between them.
enum Piece {
    Group { place: usize, kind: u64, texts: [Vec<u8>; 2], fields: Vec<Field> },
    Field(Field),
}

fn text(numbers: &mut Numbers) -> Vec<u8> {
    let len = numbers.pick(&[0, 1, 5, 8, 12, 16, 24, 32, 40]);
    let last = numbers.below(3) as u8;
    (0..len).map(|n| if n + 1 == len || n == len / 2 { b'0' + last } else { b't' }).collect()
}

/// Fields that depend on the key alone. Some are too long for a table, and some secret.
fn fields_of(place: usize, kind: u64, texts: &[Vec<u8>; 2]) -> Vec<Field> {
    let long = if kind == 3 { vec![b'l'; 3000] } else { Vec::new() };
    let indexing = if kind == 4 { Indexing::Never } else { Indexing::Incremental };
    vec![
        (b":method".to_vec(), b"POST".to_vec(), Indexing::Incremental),
        (format!("x-{place}-{kind}").into_bytes(), texts[0].clone(), Indexing::Incremental),
        (b"x-long".to_vec(), long, Indexing::Incremental),
        (b"x-text".to_vec(), texts[1].clone(), indexing),
    ]
}

fn section(numbers: &mut Numbers) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for place in 0..numbers.below(3) as usize {
        let kind = numbers.pick(&[0, 0, 0, 1, 2, 3, 4]);
        let texts = [text(numbers), text(numbers)];
        let fields = fields_of(place, kind, &texts);
        pieces.push(Piece::Group { place, kind, texts, fields });
        if numbers.chance(30) {
            let value = numbers.below(1000).to_string().into_bytes();
            let indexing = numbers.pick(&[Indexing::None, Indexing::Never, Indexing::Incremental]);
            pieces.push(Piece::Field((b"x-own".to_vec(), value, indexing)));
        }
    }
    pieces
}

/// One side's octets, and how many groups it knew.
fn write(encoder: &mut Encoder, pieces: &[Piece], known_count: &mut usize) -> Vec<u8> {
    let mut wire = Vec::new();
    encoder.begin_block(&mut wire);
    for piece in pieces {
        match piece {
            Piece::Field((name, value, indexing)) => encoder.encode(name, value, *indexing, &mut wire),
            Piece::Group { place, kind, texts, fields } => {
                let key = GroupKey { place: *place, kind: *kind, texts: [&texts[0], &texts[1]] };
                if encoder.encode_group(&key, &mut wire) {
                    *known_count += 1;
                    continue;
                }
                let start = wire.len();
                fields.iter().for_each(|(name, value, indexing)| encoder.encode(name, value, *indexing, &mut wire));
                encoder.keep_group(&key, &wire[start..]);
            }
        }
    }
    wire
}

fn write_singly(encoder: &mut Encoder, pieces: &[Piece]) -> Vec<u8> {
    let mut wire = Vec::new();
    encoder.begin_block(&mut wire);
    for piece in pieces {
        let fields = match piece {
            Piece::Field(field) => std::slice::from_ref(field),
            Piece::Group { fields, .. } => fields,
        };
        fields.iter().for_each(|(name, value, indexing)| encoder.encode(name, value, *indexing, &mut wire));
    }
    wire
}

fn read(decoder: &mut Decoder<Opaque>, wire: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut block = FieldBlock::new();
    decoder.decode(wire, LIMITS, &mut block).unwrap();
    block.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

/// Runs one connection's sections, and says how many groups were known.
fn run(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let size = numbers.pick(&TABLE_SIZES);
    let (mut grouped, mut single) = (Encoder::new(size), Encoder::new(size));
    let (mut of_grouped, mut of_single) = (Decoder::new(Opaque, 4096), Decoder::new(Opaque, 4096));
    let sections: Vec<_> = (0..4).map(|_| section(&mut numbers)).collect();
    let mut known_count = 0;
    for n in 0..80 {
        if numbers.chance(4) {
            let size = numbers.pick(&[0, 100, 400, 4096]);
            grouped.set_peer_table_size(size);
            single.set_peer_table_size(size);
        }
        // By turns, out of turn, and some that come once.
        let fresh = section(&mut numbers);
        let pieces = match numbers.below(10) {
            0..6 => &sections[n % 4],
            6..9 => &sections[numbers.below(4) as usize],
            _ => &fresh,
        };
        let fields = read(&mut of_grouped, &write(&mut grouped, pieces, &mut known_count));
        assert_eq!(fields, read(&mut of_single, &write_singly(&mut single, pieces)), "seed {seed}, section {n}");
    }
    known_count
}

#[test]
fn groups_mean_what_their_fields_mean() {
    let seeds = 1500;
    let known_count: usize = (0..seeds).map(run).sum();
    assert!(known_count > 5 * seeds as usize, "{known_count} groups were known");
}

/// A connection that writes groups of one field and one text, and its peer.
struct Side {
    encoder: Encoder,
    decoder: Decoder<Opaque>,
}

impl Side {
    fn new() -> Self {
        Side { encoder: Encoder::new(4096), decoder: Decoder::new(Opaque, 4096) }
    }

    /// Writes a section, which the peer reads; true if the group was known.
    fn write(&mut self, value: &str, indexing: Indexing) -> bool {
        let mut known_count = 0;
        let field = (b"x-a".to_vec(), value.as_bytes().to_vec(), indexing);
        let texts = [value.as_bytes().to_vec(), Vec::new()];
        let pieces = [Piece::Group { place: 0, kind: 0, texts, fields: vec![field] }];
        let wire = write(&mut self.encoder, &pieces, &mut known_count);
        assert_eq!(read(&mut self.decoder, &wire), [(b"x-a".to_vec(), value.as_bytes().to_vec())]);
        known_count > 0
    }

    /// Adds so many entries to the table.
    fn insert(&mut self, count: usize) {
        for n in 0..count {
            let mut wire = Vec::new();
            self.encoder.encode(b"x-other", n.to_string().as_bytes(), Indexing::Incremental, &mut wire);
            read(&mut self.decoder, &wire);
        }
    }

    fn set_table_size(&mut self, size: u32) {
        self.encoder.set_peer_table_size(size);
        let mut wire = Vec::new();
        self.encoder.begin_block(&mut wire);
        read(&mut self.decoder, &wire);
    }
}

#[test]
fn a_group_is_known_while_its_fields_are_in_the_table() {
    let mut side = Side::new();
    let known = [(); 3].map(|()| side.write("a", Indexing::Incremental));
    assert_eq!(known, [false, false, true], "first it is inserted, then its index is learnt");
    // Its index grows with each entry, and has one octet up to 126.
    side.insert(64);
    assert!(side.write("a", Indexing::Incremental));
    side.insert(1);
    assert!(!side.write("a", Indexing::Incremental), "the index has two octets");
    side.set_table_size(0);
    assert!(!side.write("a", Indexing::Incremental), "it left the table");
}

#[test]
fn a_table_that_shrinks_takes_groups_along() {
    let mut side = Side::new();
    assert_eq!([(); 3].map(|()| side.write("a", Indexing::Incremental)), [false, false, true]);
    side.set_table_size(40);
    assert!(side.write("a", Indexing::Incremental), "there is room for it still");
    side.set_table_size(35);
    assert!(!side.write("a", Indexing::Incremental));
}

#[test]
fn what_must_not_be_kept_is_no_group() {
    let mut side = Side::new();
    for indexing in [Indexing::Never, Indexing::None] {
        assert_eq!([(); 3].map(|()| side.write("secret", indexing)), [false; 3]);
    }
    side.set_table_size(0);
    assert_eq!([(); 3].map(|()| side.write("a", Indexing::Incremental)), [false; 3]);
}

#[test]
fn the_last_groups_of_many_are_known() {
    let mut side = Side::new();
    let values: Vec<String> = (0..24).map(|n| format!("value {n}")).collect();
    for _ in 0..3 {
        let known_count = values.iter().filter(|value| side.write(value, Indexing::Incremental)).count();
        assert_eq!(known_count, 0, "each comes again when it has made room for others");
    }
    let known_count = values.iter().rev().filter(|value| side.write(value, Indexing::Incremental)).count();
    assert_eq!(known_count, 16);
}
