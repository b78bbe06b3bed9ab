//! The key of a section that is indices alone says what its fields are.

use tramline_h2::Indexing;
use tramline_h2::hpack::{BlockKey, BlockLimits, Decoder, Encoder, FieldBlock, Opaque};

const LIMITS: BlockLimits = BlockLimits { list_len_max: 1 << 20, list_len_hard_max: 1 << 20, field_count_max: 1000 };

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Numbers without pattern, the same in every run (Knuth's linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn section(numbers: &mut Numbers) -> Fields {
    let field = |numbers: &mut Numbers| {
        // Few fields, which come again; now and then a new one, which pushes an old one out.
        let value = if numbers.below(20) == 0 { numbers.below(1000) } else { numbers.below(2) };
        (format!("x-{}", numbers.below(3)).into_bytes(), value.to_string().into_bytes())
    };
    (0..=numbers.below(2)).map(|_| field(numbers)).collect()
}

#[test]
fn sections_with_the_same_key_have_the_same_fields() {
    let mut numbers = Numbers(7541);
    let (mut encoder, mut decoder) = (Encoder::new(300), Decoder::new(Opaque, 300));
    encoder.set_peer_table_size(300);
    let mut blocks = [FieldBlock::new(), FieldBlock::new()];
    let mut known: Vec<(BlockKey, Fields)> = Vec::new();
    let mut again_count = 0;
    for n in 0..5000 {
        let fields = section(&mut numbers);
        let mut wire = Vec::new();
        encoder.begin_block(&mut wire);
        let indexing = [Indexing::Incremental, Indexing::None][usize::from(numbers.below(10) == 0)];
        fields.iter().for_each(|(name, value)| encoder.encode(name, value, indexing, &mut wire));
        let block = &mut blocks[n % 2];
        decoder.decode(&wire, LIMITS, block).unwrap();
        let decoded: Fields = block.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
        assert_eq!(decoded, fields, "section {n}");
        let Some(key) = block.key() else { continue };
        assert!(wire.iter().all(|octet| *octet > 0x80), "section {n} is more than indices");
        match known.iter().find(|(before, _)| before == key) {
            Some((_, before)) => {
                assert_eq!(*before, fields, "section {n}");
                again_count += 1;
            }
            None => known.push((*key, fields)),
        }
    }
    assert!(again_count > 500 && known.len() > 500, "{again_count} of {} keys came again", known.len());
}
