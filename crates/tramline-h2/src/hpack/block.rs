//! The fields of one section, in an arena that is used again.

use alloc::vec::Vec;

use super::ENTRY_OVERHEAD_LEN;
use super::field::FieldKind;

/// Memory above this is given back when the block is cleared.
const OCTETS_KEPT_MAX: usize = 4 * 1024;
const FIELDS_KEPT_MAX: usize = 64;

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
    list_len: usize,
    field_count: usize,
    oversize: bool,
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
        FieldBlock { fields: Vec::new(), octets: Vec::new(), list_len: 0, field_count: 0, oversize: false }
    }

    /// Empties it, and keeps a moderate amount of memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.octets.clear();
        self.fields.shrink_to(FIELDS_KEPT_MAX);
        self.octets.shrink_to(OCTETS_KEPT_MAX);
        self.list_len = 0;
        self.field_count = 0;
        self.oversize = false;
    }

    /// Gives back all memory that is not in use.
    pub(crate) fn shrink(&mut self) {
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
        self.list_len
    }

    /// The section's fields, whatever was kept.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.field_count
    }

    /// The section was over a limit: fields are missing.
    #[must_use]
    pub fn oversize(&self) -> bool {
        self.oversize
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = FieldRef<'_, T>> {
        self.fields.iter().map(|field| {
            let octets = self.octets.get(field.start as usize..).unwrap_or_default();
            let (name, rest) = octets.split_at(field.name_len as usize);
            FieldRef { kind: field.kind, token: field.token, name, value: &rest[..field.value_len as usize] }
        })
    }

    /// Adds a field with its octets.
    pub fn push(&mut self, kind: FieldKind, token: T, name: &[u8], value: &[u8]) {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        let (name_len, value_len) = (name.len() as u32, value.len() as u32);
        self.fields.push(Field { kind, token, start, name_len, value_len });
    }

    /// Adds a field that its token says all of.
    pub(super) fn push_token(&mut self, kind: FieldKind, token: T) {
        self.fields.push(Field { kind, token, start: 0, name_len: 0, value_len: 0 });
    }

    /// Counts a field. False once the section is over `list_len_max` or `field_count_max`.
    pub(super) fn count(
        &mut self,
        name_len: usize,
        value_len: usize,
        list_len_max: usize,
        field_count_max: usize,
    ) -> bool {
        self.list_len += name_len + value_len + ENTRY_OVERHEAD_LEN;
        self.field_count += 1;
        self.oversize |= self.list_len > list_len_max || self.field_count > field_count_max;
        !self.oversize
    }
}
