//! Fields to field blocks (RFC 7541 §6).

use alloc::vec::Vec;

use super::ring::Ring;
use super::static_table::{self, STATIC_TABLE};
use super::{ENTRY_OVERHEAD_LEN, huffman, integer};

/// Strings shorter than this are sent as they are: on them Huffman costs more time
/// than the octets that it saves.
const HUFFMAN_LEN_MIN: usize = 64;

/// How a field is represented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indexing {
    /// Kept in the table, and a reference from then on (RFC 7541 §6.2.1).
    Incremental,
    /// Not kept (RFC 7541 §6.2.2): values that change with each message.
    None,
    /// Not kept, here or on any hop (RFC 7541 §6.2.3): secrets.
    Never,
}

/// Two hashes of an entry: of its name, and of both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Hashes {
    name: u32,
    field: u32,
}

impl Hashes {
    fn of(name: &[u8], value: &[u8]) -> Self {
        let name_hash = fold(0x9e37_79b9_7f4a_7c15, name);
        let field_hash = fold(name_hash, value);
        Hashes { name: (name_hash >> 32) as u32, field: (field_hash >> 32) as u32 }
    }
}

/// Eight octets a step. Collisions only cost a comparison: entries are compared whole.
fn fold(seed: u64, octets: &[u8]) -> u64 {
    let mut hash = seed ^ octets.len() as u64;
    let (chunks, rest) = octets.as_chunks::<8>();
    for chunk in chunks {
        hash = (hash ^ u64::from_le_bytes(*chunk)).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(29);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    (hash ^ u64::from_le_bytes(last)).wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// The encoding side of one connection.
#[derive(Debug)]
pub struct Encoder {
    table: Ring<Hashes>,
    /// What we use at most, whatever the peer allows.
    table_size_cap: usize,
    /// The lowest limit since the last block, and whether the limit changed.
    lowest_size: Option<usize>,
}

impl Encoder {
    /// An encoder with an empty table of at most `table_size_cap` octets.
    #[must_use]
    pub fn new(table_size_cap: usize) -> Self {
        let mut encoder = Encoder { table: Ring::new(4096), table_size_cap, lowest_size: None };
        if table_size_cap < 4096 {
            encoder.set_peer_table_size(4096);
        }
        encoder
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with the change
    /// (RFC 7541 §4.2).
    pub fn set_peer_table_size(&mut self, size: u32) {
        let size = (size as usize).min(self.table_size_cap);
        if size == self.table.size_max() {
            return;
        }
        self.table.set_size_max(size);
        self.lowest_size = Some(self.lowest_size.map_or(size, |lowest| lowest.min(size)));
    }

    /// To be called at the start of each block.
    pub fn begin_block(&mut self, out: &mut Vec<u8>) {
        let Some(lowest) = self.lowest_size.take() else { return };
        // RFC 7541 §4.2: the smallest size in between, then the final one.
        if lowest < self.table.size_max() {
            integer::encode(lowest, 5, 0x20, out);
        }
        integer::encode(self.table.size_max(), 5, 0x20, out);
    }

    /// Appends one field.
    pub fn encode(&mut self, name: &[u8], value: &[u8], indexing: Indexing, out: &mut Vec<u8>) {
        if name.first() == Some(&b':')
            && let Some(index) = static_table::find(name, value)
        {
            integer::encode(index, 7, 0x80, out);
            return;
        }
        if indexing != Indexing::Incremental {
            let first = if indexing == Indexing::Never { 0x10 } else { 0 };
            let index = static_table::find_name(name);
            return encode_literal(index, name, value, 4, first, out);
        }
        let hashes = Hashes::of(name, value);
        let same = |entry: &Hashes| *entry == hashes;
        if let Some(index) = self.table.find(same, |n, v| n == name && v == value) {
            integer::encode(STATIC_TABLE.len() + 1 + index, 7, 0x80, out);
            return;
        }
        let index = static_table::find_name(name).or_else(|| {
            let index = self.table.find(|entry| entry.name == hashes.name, |n, _| n == name)?;
            Some(STATIC_TABLE.len() + 1 + index)
        });
        // A field longer than half of the table would throw out all that is worth keeping.
        if name.len() + value.len() + ENTRY_OVERHEAD_LEN > self.table.size_max() / 2 {
            return encode_literal(index, name, value, 4, 0, out);
        }
        encode_literal(index, name, value, 6, 0x40, out);
        self.table.insert(name, value, hashes);
    }
}

fn encode_literal(index: Option<usize>, name: &[u8], value: &[u8], prefix_bits: u32, first: u8, out: &mut Vec<u8>) {
    integer::encode(index.unwrap_or(0), prefix_bits, first, out);
    if index.is_none() {
        encode_string(name, out);
    }
    encode_string(value, out);
}

fn encode_string(octets: &[u8], out: &mut Vec<u8>) {
    if octets.len() >= HUFFMAN_LEN_MIN {
        let len = huffman::encoded_len(octets);
        if len < octets.len() {
            integer::encode(len, 7, 0x80, out);
            huffman::encode(octets, out);
            return;
        }
    }
    integer::encode(octets.len(), 7, 0, out);
    out.extend_from_slice(octets);
}
