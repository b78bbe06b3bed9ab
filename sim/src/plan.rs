//! What one call is going to do, known to both sides and to the judge.

use std::time::Duration;

use tramline_h2::hpack::FieldBlock;
use tramline_h2::{FieldWriter, Indexing, Reason};

use crate::entropy::Entropy;

/// How the server treats a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// Reads the whole request, then answers.
    Unary,
    /// Answers while it reads.
    Streaming,
    /// Answers in full without waiting for the request.
    Early,
    /// Resets after this many octets of the request.
    Reset(usize),
    /// One head is the whole answer.
    TrailersOnly,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) manner: Manner,
    pub(crate) start_at: Duration,
    pub(crate) request_len: usize,
    pub(crate) response_len: usize,
    /// What the client and the server send at a time.
    pub(crate) chunk_len: usize,
    /// The client gives up after this time.
    pub(crate) cancel_after: Option<Duration>,
    /// How long the handler takes.
    pub(crate) delay: Duration,
    /// How long delivered octets are kept before they are released.
    pub(crate) release_after: Duration,
    /// Octets go straight into the output where they can.
    pub(crate) is_direct: bool,
    /// END_STREAM comes in an empty DATA frame of its own.
    pub(crate) ends_apart: bool,
    pub(crate) reason: Reason,
    /// What [`fields`] are drawn from.
    pub(crate) field_seed: u64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut impl Entropy) -> Plan {
        let millis = |count: usize| Duration::from_millis(count as u64);
        let request_len = draw_len(rng);
        let manner = match rng.below(20) {
            0..10 => Manner::Unary,
            10..15 => Manner::Streaming,
            15..17 => Manner::Early,
            17..19 => Manner::Reset(rng.below(request_len + 1)),
            _ => Manner::TrailersOnly,
        };
        Plan {
            manner,
            start_at: millis(rng.below(300)),
            request_len,
            response_len: draw_len(rng),
            chunk_len: rng.pick(&[10, 600, 5_000, 16_384, 40_000]),
            cancel_after: rng.chance(15).then(|| millis(rng.below(400))),
            delay: if rng.chance(50) { Duration::ZERO } else { millis(rng.below(100)) },
            release_after: if rng.chance(70) { Duration::ZERO } else { millis(rng.below(50)) },
            is_direct: rng.chance(50),
            ends_apart: rng.chance(20),
            reason: rng.pick(&[Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM, Reason::NO_ERROR]),
            field_seed: rng.below(1 << 16) as u64,
        }
    }
}

impl Plan {
    /// No direction carries more than `len_max`.
    pub(crate) fn shorten(&mut self, len_max: usize) {
        self.request_len = self.request_len.min(len_max);
        self.response_len = self.response_len.min(len_max);
        if let Manner::Reset(after) = &mut self.manner {
            *after = self.request_len.min(*after);
        }
    }
}

fn draw_len(rng: &mut impl Entropy) -> usize {
    match rng.below(10) {
        0 => 0,
        1..6 => rng.below(100),
        6..9 => rng.below(5_000),
        _ => rng.below(100_000),
    }
}

/// The fields that one direction of a call carries beside the usual: some come again
/// in other calls, some never, and some are long.
pub(crate) fn fields(plan: &Plan, is_request: bool) -> Vec<(String, String, Indexing)> {
    let mut rng = fastrand::Rng::with_seed(plan.field_seed * 2 + u64::from(is_request));
    let count = rng.below(7);
    let field = |n: usize| {
        let name = format!("x-{n}-{}", rng.below(12));
        let value = match rng.below(10) {
            0 => String::new(),
            1 => "long ".repeat(rng.below(300)) + "end",
            2 => rng.below(1 << 30).to_string(),
            _ => format!("value {}", rng.below(20)),
        };
        let indexing = match rng.below(10) {
            0 => Indexing::None,
            1 => Indexing::Never,
            _ => Indexing::Incremental,
        };
        (name, value, indexing)
    };
    (0..count).map(field).collect()
}

/// Whether a section holds these fields, in this order.
pub(crate) fn has_fields(block: &FieldBlock<()>, plan: &Plan, is_request: bool) -> bool {
    let expected = fields(plan, is_request);
    let expected = expected.iter().map(|(name, value, _)| (name.as_bytes(), value.as_bytes()));
    let is_drawn = |name: &[u8]| name.starts_with(b"x-") && name.get(2).is_some_and(u8::is_ascii_digit);
    block.iter().filter(|field| is_drawn(field.name)).map(|field| (field.name, field.value)).eq(expected)
}

/// Writes the fields of [`fields`].
pub(crate) fn write_fields(writer: &mut FieldWriter<'_>, plan: &Plan, is_request: bool) {
    for (name, value, indexing) in fields(plan, is_request) {
        writer.field(name.as_bytes(), value.as_bytes(), indexing);
    }
}

/// The octet at `offset` of one direction of a call: no two directions look alike.
pub(crate) fn octet(call: usize, is_request: bool, offset: usize) -> u8 {
    let mixed = (call * 2 + usize::from(is_request)).wrapping_mul(0x9e37_79b1) ^ offset.wrapping_mul(0x85eb_ca6b);
    (mixed >> 7) as u8
}

/// Octets `offset..offset + len`.
pub(crate) fn octets(call: usize, is_request: bool, offset: usize, len: usize) -> Vec<u8> {
    (offset..offset + len).map(|at| octet(call, is_request, at)).collect()
}

/// Whether `bytes` are the octets from `offset` on.
pub(crate) fn fits(call: usize, is_request: bool, offset: usize, bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(n, byte)| *byte == octet(call, is_request, offset + n))
}
