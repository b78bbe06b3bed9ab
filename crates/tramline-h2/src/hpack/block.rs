//! The fields of one section, in an arena that is used again.

use alloc::vec::Vec;
use core::ops::Range;

use super::ENTRY_OVERHEAD_LEN;
use super::decoder::{BlockLimits, Strings};
use super::field::{FieldKind, section, section::Effect};
use super::pattern::{Literal, Pattern};

/// Memory above this is given back when the block is cleared.
const OCTETS_KEPT_MAX: usize = 2 * 1024;
const FIELDS_KEPT_MAX: usize = 48;

/// Where no octets were put: behind all of them.
const NO_PLACE: Range<usize> = usize::MAX / 2..usize::MAX / 2;

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
    pub(super) pattern: Pattern,
}

/// Which section it is, of all that a decoder came to know: two sections of one direction of
/// one connection that have the same key hold the same fields, but for the values of those
/// that are [`fresh`](FieldBlock::fresh).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockKey(u64);

/// What is summed up over the fields of a section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) list_len: usize,
    /// Bits of [`section`]: those of all fields, those that may not come any more, and
    /// those that came all the same.
    section: u16,
    forbidden: u16,
    offences: u16,
}

impl Tally {
    pub(super) const NONE: Tally = Tally { list_len: 0, section: 0, forbidden: 0, offences: 0 };

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
            tally: Tally::NONE,
            missing_count: 0,
            pattern: Pattern::new(),
        }
    }

    /// Empties it, and keeps a moderate amount of memory.
    pub fn clear(&mut self) {
        self.pattern.clear();
        self.fields.clear();
        self.octets.clear();
        if self.fields.capacity() > FIELDS_KEPT_MAX || self.octets.capacity() > OCTETS_KEPT_MAX {
            self.fields.shrink_to(FIELDS_KEPT_MAX);
            self.octets.shrink_to(OCTETS_KEPT_MAX);
        }
        self.tally = Tally::default();
        self.missing_count = 0;
    }

    /// Gives back all memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.clear();
        self.pattern.shrink();
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
        self.fields.iter().map(|field| self.field(field))
    }

    /// The values of the fields of one kind, which are found without looking at the others'.
    pub(crate) fn values(&self, kind: FieldKind) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.kind == kind).map(|field| self.field(field).value)
    }

    #[inline]
    fn field(&self, field: &Field<T>) -> FieldRef<'_, T> {
        let octets = self.octets.get(field.start as usize..).unwrap_or_default();
        let (name, rest) = octets.split_at(field.name_len as usize);
        FieldRef { kind: field.kind, token: field.token, name, value: &rest[..field.value_len as usize] }
    }

    /// Which section it is, if it was short enough to be remembered.
    #[must_use]
    pub fn key(&self) -> Option<BlockKey> {
        (self.pattern.number > 0).then_some(BlockKey(self.pattern.number))
    }

    /// Whether there are [`fresh`](Self::fresh) fields.
    #[must_use]
    #[inline]
    pub fn has_fresh(&self) -> bool {
        self.pattern.has_fresh
    }

    /// The fields whose values may be others than they were in the first section with the same
    /// key, each with its place among all fields. Their names, order and number are the same.
    pub fn fresh(&self) -> impl Iterator<Item = (usize, FieldRef<'_, T>)> {
        self.pattern.fresh().filter_map(|at| Some((at, self.field(self.fields.get(at)?))))
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

    /// The last field came as a literal.
    pub(super) fn learn_literal(&mut self, first: u8, strings: &Strings<'_>, kind: FieldKind) {
        let has_octets = |field: &&Field<T>| field.name_len + field.value_len > 0;
        let place = self.fields.last().filter(has_octets).map_or(NO_PLACE, |field| {
            let value_start = (field.start + field.name_len) as usize;
            value_start..value_start + field.value_len as usize
        });
        self.pattern.learn_literal(first, strings, kind, place);
    }

    /// The last field, a literal, became the table's entry of this number.
    pub(super) fn mark_inserted(&mut self, number: u64) {
        if let Some(literal) = self.pattern.last_literal() {
            literal.number = Some(number);
        }
    }

    /// The section is whole, and the decoder's of this number.
    pub(super) fn learn(&mut self, number: u64, section: &[u8], table_version: u64) {
        if self.missing_count > 0 {
            return self.pattern.clear();
        }
        self.pattern.finish(number, section, self.octets.len(), self.tally, table_version);
    }

    pub(super) fn kind(&self, at: usize) -> Option<FieldKind> {
        self.fields.get(at).map(|field| field.kind)
    }

    /// The kind of a field and its token.
    pub(super) fn mark_of(&self, at: usize) -> Option<(FieldKind, T)> {
        self.fields.get(at).map(|field| (field.kind, field.token))
    }

    /// Takes the fields of the first section of this pattern, whose fresh ones are replaced then.
    pub(super) fn begin_alike(&mut self) {
        self.octets.truncate(self.pattern.octets_len);
        self.tally = self.pattern.tally;
    }

    /// Replaces a field by one with the same name.
    #[inline]
    pub(super) fn replace(&mut self, literal: &Literal, mark: (FieldKind, T), name: &[u8], value: &[u8]) {
        let Some(field) = self.fields.get_mut(literal.field) else { return };
        (field.kind, field.token) = mark;
        (field.name_len, field.value_len) = (name.len() as u32, value.len() as u32);
        let start = literal.place.start;
        match self.octets.get_mut(start..start + value.len()) {
            Some(place) if value.len() <= literal.place.len() => {
                place.copy_from_slice(value);
                field.start = (start - name.len()) as u32;
            }
            _ => {
                field.start = self.octets.len() as u32;
                self.octets.extend_from_slice(name);
                self.octets.extend_from_slice(value);
            }
        }
    }

    /// Replaces a field by one with the same name that its token says all of.
    #[inline]
    pub(super) fn replace_token(&mut self, literal: &Literal, (kind, token): (FieldKind, T)) {
        if let Some(field) = self.fields.get_mut(literal.field) {
            *field = Field { kind, token, start: 0, name_len: 0, value_len: 0 };
        }
    }

    /// Sums up what the fields are as a whole once more.
    #[cold]
    pub(super) fn tally_again(&mut self) {
        let list_len = self.tally.list_len;
        let mut tally = Tally::NONE;
        self.fields.iter().for_each(|field| tally.add(field.kind.effect(), 0));
        self.tally = Tally { list_len, ..tally };
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
