//! The fields of one section, in an arena that is used again.

use alloc::vec::Vec;

use super::ENTRY_OVERHEAD_LEN;
use super::decoder::BlockLimits;
use super::field::{FieldKind, section, section::Effect};

/// Memory above this is given back when the block is cleared.
const OCTETS_KEPT_MAX: usize = 2 * 1024;
const FIELDS_KEPT_MAX: usize = 48;

/// One field of a block; its octets are in the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<T> {
    /// What RFC 9113 says of it.
    pub kind: FieldKind,
    /// What the classifier says of it.
    pub token: T,
    start: u32,
    name_len: u32,
    value_len: u32,
}

/// One field with its octets; they are empty if the classifier did not keep them.
#[derive(Clone, Copy, Debug)]
pub struct FieldRef<'a, T> {
    /// What RFC 9113 says of it.
    pub kind: FieldKind,
    /// What the classifier says of it.
    pub token: T,
    /// The name.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// A decoded field section.
#[derive(Debug)]
pub struct FieldBlock<T> {
    fields: Vec<Field<T>>,
    octets: Vec<u8>,
    pub(super) tally: Tally,
    /// Fields that came when the section was over a limit.
    missing_count: usize,
    front: Front,
}

/// Octets of a front that are remembered.
const FRONT_LEN_MAX: usize = 24;

/// The indices that a block begins with, and how far their fields reach. Peers repeat
/// themselves: if the next block begins with the same indices and they still mean the
/// same, these fields are there already.
#[derive(Clone, Copy, Debug)]
struct Front {
    key: BlockKey,
    field_count: u32,
    octets_len: u32,
    tally: Tally,
}

/// What a section consists of, where it is indices alone: two sections of one direction of
/// one connection that have the same key hold the same fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockKey {
    table_version: u64,
    /// Zeros behind `len`.
    indices: [u8; FRONT_LEN_MAX],
    len: u8,
}

impl BlockKey {
    const NONE: BlockKey = BlockKey { table_version: 0, indices: [0; FRONT_LEN_MAX], len: 0 };
}

/// Compares strings of one length, most of which are shorter than a call is worth.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    match one.len() {
        0..4 => one.iter().zip(other).all(|(a, b)| a == b),
        4..=8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        _ => one == other,
    }
}

/// What is summed up over the fields of a section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    list_len: usize,
    /// Bits of [`section`]: those of all fields, those that may not come any more, and
    /// those that came all the same.
    section: u16,
    forbidden: u16,
    offences: u16,
}

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, effect: Effect, len: usize) {
        self.offences |= self.forbidden & effect.adds;
        self.forbidden |= effect.forbids;
        self.section |= effect.adds;
        self.list_len += len + ENTRY_OVERHEAD_LEN;
    }
}

impl<T: Copy> Default for FieldBlock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> FieldBlock<T> {
    /// An empty block.
    #[must_use]
    pub const fn new() -> Self {
        FieldBlock {
            fields: Vec::new(),
            octets: Vec::new(),
            tally: Tally { list_len: 0, section: 0, forbidden: 0, offences: 0 },
            missing_count: 0,
            front: Front {
                key: BlockKey::NONE,
                field_count: 0,
                octets_len: 0,
                tally: Tally { list_len: 0, section: 0, forbidden: 0, offences: 0 },
            },
        }
    }

    /// Empties it, and keeps a moderate amount of memory.
    pub fn clear(&mut self) {
        self.front.key.len = 0;
        self.fields.clear();
        self.octets.clear();
        if self.fields.capacity() > FIELDS_KEPT_MAX || self.octets.capacity() > OCTETS_KEPT_MAX {
            self.fields.shrink_to(FIELDS_KEPT_MAX);
            self.octets.shrink_to(OCTETS_KEPT_MAX);
        }
        self.tally = Tally::default();
        self.missing_count = 0;
    }

    /// Keeps the fields of the front, if `block` begins with it and the table is the same:
    /// returns its length. Otherwise nothing changes.
    #[inline]
    pub(crate) fn begin(&mut self, block: &[u8], table_version: u64) -> usize {
        let key = &self.front.key;
        let len = usize::from(key.len);
        let is_same = self.may_repeat(table_version)
            && block.get(..len).zip(key.indices.get(..len)).is_some_and(|(front, known)| is_same(front, known));
        if !is_same {
            return 0;
        }
        self.fields.truncate(self.front.field_count as usize);
        self.octets.truncate(self.front.octets_len as usize);
        self.tally = self.front.tally;
        self.missing_count = 0;
        len
    }

    /// Whether there is a front, and the table is still the same.
    #[inline]
    pub(crate) fn may_repeat(&self, table_version: u64) -> bool {
        self.front.key.len > 0 && self.front.key.table_version == table_version
    }

    /// The fields that are here came of `indices` alone.
    pub(super) fn remember_front(&mut self, indices: &[u8], table_version: u64) {
        let mut key = BlockKey { table_version, len: indices.len() as u8, ..BlockKey::NONE };
        let Some(front) = key.indices.get_mut(..indices.len()).filter(|_| self.missing_count == 0) else { return };
        front.copy_from_slice(indices);
        self.front.key = key;
        self.front.field_count = self.fields.len() as u32;
        self.front.octets_len = self.octets.len() as u32;
        self.front.tally = self.tally;
    }

    /// Gives back all memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.clear();
        self.fields.shrink_to_fit();
        self.octets.shrink_to_fit();
    }

    /// Fields that are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// No field is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The section's length as RFC 9113 §6.5.2 counts it, whatever was kept.
    #[must_use]
    pub fn list_len(&self) -> usize {
        self.tally.list_len
    }

    /// The section's fields, whatever was kept.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.fields.len() + self.missing_count
    }

    /// The section was over a limit: fields are missing.
    #[must_use]
    pub fn oversize(&self) -> bool {
        self.missing_count > 0
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = FieldRef<'_, T>> {
        self.fields.iter().map(|field| {
            let octets = self.octets.get(field.start as usize..).unwrap_or_default();
            let (name, rest) = octets.split_at(field.name_len as usize);
            FieldRef { kind: field.kind, token: field.token, name, value: &rest[..field.value_len as usize] }
        })
    }

    /// What the section consists of, if it was short indices into the tables, all of it.
    #[must_use]
    pub fn key(&self) -> Option<&BlockKey> {
        // Every field adds to the length of the list.
        let is_front = self.tally.list_len == self.front.tally.list_len && self.missing_count == 0;
        (self.front.key.len > 0 && is_front).then_some(&self.front.key)
    }

    /// Adds a field with its octets.
    #[inline(never)]
    pub fn push(&mut self, kind: FieldKind, token: T, name: &[u8], value: &[u8]) {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        let (name_len, value_len) = (name.len() as u32, value.len() as u32);
        self.fields.push(Field { kind, token, start, name_len, value_len });
    }

    /// Adds a field whose name and value stand side by side.
    #[inline(never)]
    pub(super) fn push_joined(&mut self, kind: FieldKind, token: T, octets: &[u8], name_len: usize) {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(octets);
        let value_len = (octets.len() - name_len) as u32;
        self.fields.push(Field { kind, token, start, name_len: name_len as u32, value_len });
    }

    /// Adds a field that its token says all of.
    #[inline]
    pub(super) fn push_token(&mut self, kind: FieldKind, token: T) {
        self.fields.push(Field { kind, token, start: 0, name_len: 0, value_len: 0 });
    }

    /// Whether one more field, counted in `tally`, is within the limits of its section.
    /// Once one is not, none behind it is.
    #[inline]
    pub(super) fn has_room(&self, tally: &Tally, limits: &BlockLimits) -> bool {
        tally.list_len <= limits.list_len_max && self.fields.len() < limits.field_count_max
    }

    /// A field is left out. False above the hard limit.
    #[cold]
    pub(super) fn leave_out(&mut self, tally: &Tally, limits: &BlockLimits) -> bool {
        self.missing_count += 1;
        tally.list_len <= limits.list_len_hard_max
    }

    /// What the section is as a whole: bits of [`section`].
    pub(crate) fn section(&self) -> u16 {
        self.tally.section | if self.tally.offences == 0 { 0 } else { section::MALFORMED }
    }
}
