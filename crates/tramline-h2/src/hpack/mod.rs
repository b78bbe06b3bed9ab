//! HPACK (RFC 7541), with fields validated and classified once: when they enter the table.

mod block;
mod decoder;
mod encoder;
mod field;
mod group;
mod huffman;
mod index;
mod integer;
mod memo;
mod pattern;
mod ring;
mod static_table;

pub use block::{BlockKey, FieldBlock, FieldRef};
pub(crate) use decoder::Recognised;
pub use decoder::{BlockLimits, Decoder, HpackError};
pub use encoder::{Encoder, Indexing};
pub(crate) use field::section;
pub use field::{Classified, Classifier, FieldKind, Opaque};
pub use group::GroupKey;

/// What an entry costs beyond its octets (RFC 7541 §4.1, RFC 9113 §6.5.2).
pub const ENTRY_OVERHEAD_LEN: usize = 32;
