//! Fields to field blocks (RFC 7541 §6).

use alloc::vec::Vec;

use super::group::{GroupKey, Groups};
use super::index::Index;
use super::memo::{Looks, Memo, Reference};
use super::ring::{Entry, Ring};
use super::static_table::{self, STATIC_TABLE};
use super::{ENTRY_OVERHEAD_LEN, huffman, integer};

/// Strings shorter than this are sent as they are: on them Huffman costs more time
/// than the octets that it saves. Their length is one octet.
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

/// What is looked up: a field, and what is derived from it once.
struct Wanted<'a> {
    name: &'a [u8],
    value: &'a [u8],
    looks: Looks,
}

impl Wanted<'_> {
    fn is(&self, entry: &Entry<'_, ()>) -> bool {
        entry.name() == self.name && entry.value() == self.value
    }
}

/// The encoding side of one connection.
#[derive(Debug)]
pub struct Encoder {
    table: Ring<()>,
    /// Entries by the hash of name and value.
    fields: Index,
    /// Entries by the hash of their name.
    names: Index,
    /// The fields that followed each other in earlier sections: what is likely next.
    memo: Memo,
    /// Fields that go out together.
    groups: Groups,
    /// What we use at most, whatever the peer allows.
    table_size_cap: usize,
    /// The lowest limit since the last block, and whether the limit changed.
    lowest_size: Option<usize>,
}

impl Encoder {
    /// An encoder with an empty table of at most `table_size_cap` octets.
    #[must_use]
    pub fn new(table_size_cap: usize) -> Self {
        let mut encoder = Encoder {
            table: Ring::new(4096),
            fields: Index::default(),
            names: Index::default(),
            memo: Memo::default(),
            groups: Groups::default(),
            table_size_cap,
            lowest_size: None,
        };
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
    #[inline]
    pub fn begin_block(&mut self, out: &mut Vec<u8>) {
        if let Some(lowest) = self.lowest_size.take() {
            self.announce_sizes(lowest, out);
        }
    }

    #[cold]
    fn announce_sizes(&self, lowest: usize, out: &mut Vec<u8>) {
        // RFC 7541 §4.2: the smallest size in between, then the final one.
        if lowest < self.table.size_max() {
            integer::encode(lowest, 5, 0x20, out);
        }
        integer::encode(self.table.size_max(), 5, 0x20, out);
    }

    /// Appends one field.
    ///
    /// Names and many values are constants where this is called, and what is derived from
    /// them is then a constant too.
    #[inline(always)]
    pub fn encode(&mut self, name: &[u8], value: &[u8], indexing: Indexing, out: &mut Vec<u8>) {
        match indexing {
            Indexing::Incremental => self.encode_incremental(name, value, out),
            Indexing::None => encode_unkept(name, value, 0, out),
            Indexing::Never => encode_unkept(name, value, 0x10, out),
        }
    }

    #[inline(always)]
    fn encode_incremental(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let looks = Looks::of(name, value);
        if let Some(index) = self.find_expected(&looks, name, value) {
            self.memo.follow();
            return encode_index(index, out);
        }
        self.encode_unexpected(&Wanted { name, value, looks }, out);
    }

    /// Appends the fields of the group with this key, if all of them are in the table. False if
    /// they are to be encoded, which [`keep_group`](Self::keep_group) is to be told then.
    #[inline(always)]
    pub fn encode_group(&mut self, key: &GroupKey<'_>, out: &mut Vec<u8>) -> bool {
        self.groups.write(key, &self.table, out)
    }

    /// The group with this key was encoded as `octets`.
    pub fn keep_group(&mut self, key: &GroupKey<'_>, octets: &[u8]) {
        self.groups.keep(key, octets, &self.table);
    }

    /// Gives back the memory that only a busy connection needs.
    pub(crate) fn shrink(&mut self) {
        self.groups.clear();
    }

    /// The index of this field, if it is the one that followed last time.
    #[inline(always)]
    fn find_expected(&self, looks: &Looks, name: &[u8], value: &[u8]) -> Option<usize> {
        let reference = self.memo.expected(looks)?;
        if !looks.say_all() && !self.is_same_within(reference, name, value) {
            return None;
        }
        self.index_of(reference)
    }

    #[inline(always)]
    fn index_of(&self, reference: Reference) -> Option<usize> {
        match reference {
            Reference::Static(index) => Some(usize::from(index)),
            Reference::Dynamic(number) => self.table.index_of(number).map(|index| STATIC_TABLE.len() + 1 + index),
        }
    }

    /// Compares what the looks of a field do not say.
    #[inline(never)]
    fn is_same_within(&self, reference: Reference, name: &[u8], value: &[u8]) -> bool {
        let Reference::Dynamic(number) = reference else { return false };
        self.table
            .numbered(number)
            .is_some_and(|(_, entry)| is_same(entry.name(), name) && is_same(entry.value(), value))
    }

    /// A field that is not the one expected: it is looked up, and expected from then on.
    #[inline(never)]
    fn encode_unexpected(&mut self, wanted: &Wanted<'_>, out: &mut Vec<u8>) {
        let (name, value) = (wanted.name, wanted.value);
        let remembered = self.memo.find(&wanted.looks, |reference| {
            if !wanted.looks.say_all() && !self.is_same_within(reference, name, value) {
                return None;
            }
            self.index_of(reference)
        });
        if let Some((at, index)) = remembered {
            self.memo.turn_to(at);
            return encode_index(index, out);
        }
        if let Some(index) = static_table::find(name, value) {
            self.memo.turn(wanted.looks, Reference::Static(index as u8));
            return encode_index(index, out);
        }
        let [name_hash, field_hash] = wanted.looks.hashes();
        let found = self.fields.find(field_hash, |number| {
            let (index, entry) = self.table.numbered(number)?;
            wanted.is(&entry).then_some((index, number))
        });
        match found {
            Some((index, number)) => {
                self.memo.turn(wanted.looks, Reference::Dynamic(number));
                encode_index(STATIC_TABLE.len() + 1 + index, out);
            }
            None => self.encode_new(wanted, name_hash, field_hash, out),
        }
    }

    /// A field that the table does not hold, and is to hold from now on.
    #[inline(never)]
    fn encode_new(&mut self, wanted: &Wanted<'_>, name_hash: u32, field_hash: u32, out: &mut Vec<u8>) {
        let (name, value) = (wanted.name, wanted.value);
        let index = static_table::find_name(name).or_else(|| {
            let index = self.names.find(name_hash, |number| {
                let (index, entry) = self.table.numbered(number)?;
                (entry.name() == name).then_some(index)
            })?;
            Some(STATIC_TABLE.len() + 1 + index)
        });
        // A field longer than half of the table would throw out all that is worth keeping.
        let size_max = self.table.size_max();
        if name.len() + value.len() + ENTRY_OVERHEAD_LEN > size_max / 2 {
            return encode_literal(index, name, value, 4, 0, out);
        }
        encode_literal(index, name, value, 6, 0x40, out);
        if let Some(number) = self.table.insert(name, value, ()) {
            self.memo.turn(wanted.looks, Reference::Dynamic(number));
            self.fields.insert(field_hash, number, size_max);
            self.names.insert(name_hash, number, size_max);
        }
    }
}

/// Whether two strings that have the same length and end alike are the same.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ((a, _), (b, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a.iter().zip(b).all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b))
}

/// RFC 7541 §6.1.
#[inline(always)]
fn encode_index(index: usize, out: &mut Vec<u8>) {
    if index < 0x7f { out.push(0x80 | index as u8) } else { encode_long_index(index, out) }
}

#[cold]
#[inline(never)]
fn encode_long_index(index: usize, out: &mut Vec<u8>) {
    integer::encode(index, 7, 0x80, out);
}

/// A field that is not kept. `first` has the bits of RFC 7541 §6.2.2 or §6.2.3.
#[inline(never)]
fn encode_unkept(name: &[u8], value: &[u8], first: u8, out: &mut Vec<u8>) {
    if name.first() == Some(&b':')
        && let Some(index) = static_table::find(name, value)
    {
        return encode_index(index, out);
    }
    encode_literal(static_table::find_name(name), name, value, 4, first, out);
}

#[inline(always)]
fn encode_literal(index: Option<usize>, name: &[u8], value: &[u8], prefix_bits: u32, first: u8, out: &mut Vec<u8>) {
    integer::encode(index.unwrap_or(0), prefix_bits, first, out);
    if index.is_none() {
        encode_string(name, out);
    }
    encode_string(value, out);
}

#[inline(always)]
fn encode_string(octets: &[u8], out: &mut Vec<u8>) {
    if octets.len() >= HUFFMAN_LEN_MIN {
        return encode_long_string(octets, out);
    }
    out.push(octets.len() as u8);
    out.extend_from_slice(octets);
}

#[inline(never)]
fn encode_long_string(octets: &[u8], out: &mut Vec<u8>) {
    let len = huffman::encoded_len(octets);
    if len < octets.len() {
        integer::encode(len, 7, 0x80, out);
        huffman::encode(octets, out);
        return;
    }
    integer::encode(octets.len(), 7, 0, out);
    out.extend_from_slice(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(encoder: &mut Encoder, name: &[u8], value: &[u8], indexing: Indexing) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.encode(name, value, indexing, &mut out);
        out
    }

    #[test]
    fn secrets_never_enter_a_table() {
        let mut encoder = Encoder::new(4096);
        for _ in 0..2 {
            let wire = encoded(&mut encoder, b"authorization", b"secret", Indexing::Never);
            assert_eq!(wire, b"\x1f\x08\x06secret");
            let wire = encoded(&mut encoder, b"x-token-bin", b"secret", Indexing::Never);
            assert_eq!(wire, b"\x10\x0bx-token-bin\x06secret");
        }
        assert_eq!(encoder.table.size(), 0);
    }

    #[test]
    fn a_field_that_comes_again_is_one_octet() {
        let mut encoder = Encoder::new(4096);
        let fields: [(&[u8], &[u8]); 5] = [
            (b"content-type", b"application/grpc"),
            (b"a", b""),
            (b"a", b"b"),
            (b"x-long", b"a value that is longer than both of its ends are"),
            (b"x-long", b"a value that is longer, and only in the middle are"),
        ];
        for (name, value) in fields {
            assert!(encoded(&mut encoder, name, value, Indexing::Incremental).len() > 1);
        }
        for (n, (name, value)) in fields.into_iter().enumerate() {
            let index = 62 + fields.len() - 1 - n;
            assert_eq!(encoded(&mut encoder, name, value, Indexing::Incremental), [0x80 | index as u8]);
        }
    }

    #[test]
    fn a_long_field_leaves_the_table_as_it_is() {
        let mut encoder = Encoder::new(4096);
        encoded(&mut encoder, b"a", b"b", Indexing::Incremental);
        encoded(&mut encoder, b"x", &[b'l'; 3000], Indexing::Incremental);
        assert_eq!(encoded(&mut encoder, b"a", b"b", Indexing::Incremental), [0xbe]);
    }

    #[test]
    fn a_table_of_nothing_is_respected() {
        let mut encoder = Encoder::new(4096);
        encoder.set_peer_table_size(0);
        let mut out = Vec::new();
        encoder.begin_block(&mut out);
        assert_eq!(out, [0x20]);
        for _ in 0..2 {
            assert_eq!(encoded(&mut encoder, b"a", b"b", Indexing::Incremental), b"\x00\x01a\x01b");
        }
        encoder.set_peer_table_size(u32::MAX);
        out.clear();
        encoder.begin_block(&mut out);
        assert_eq!(out, [0x3f, 0xe1, 0x1f], "no more than we want to use");
    }
}
