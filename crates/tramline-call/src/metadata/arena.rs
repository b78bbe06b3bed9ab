//! Where keys and values lie.

use alloc::vec::Vec;

use super::binary;
use super::key;
use super::value::Value;
use crate::MetadataError;
use crate::field::{FieldReuse, FieldSink};

/// Places are 32 bits wide.
pub(super) const OCTETS_LEN_MAX: usize = (u32::MAX / 2) as usize;
/// Octets of removed entries before the rest is moved together.
const GARBAGE_LEN_MIN: usize = 512;
/// Memory above this is given back when the arena is cleared.
const OCTETS_KEPT_MAX: usize = 4 * 1024;
const ENTRIES_KEPT_MAX: usize = 64;

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
    reuse: FieldReuse,
}

/// Room for the first entries, so that a handful of them is two allocations.
const OCTETS_CAPACITY_MIN: usize = 192;
const ENTRIES_CAPACITY_MIN: usize = 6;

/// Entries one after another: `name`, `value` as it is on the wire.
#[derive(Clone)]
pub(super) struct Arena {
    octets: Vec<u8>,
    entries: Vec<Entry>,
    garbage_len: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Arena {
            octets: Vec::with_capacity(OCTETS_CAPACITY_MIN),
            entries: Vec::with_capacity(ENTRIES_CAPACITY_MIN),
            garbage_len: 0,
        }
    }
}

impl Arena {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn capacity(&self) -> usize {
        self.octets.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    pub(super) fn octet_len(&self) -> usize {
        self.octets.len()
    }

    fn slices(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let octets = self.octets.get(entry.start as usize..).unwrap_or_default();
        let (name, rest) = octets.split_at_checked(entry.name_len as usize).unwrap_or_default();
        (name, rest.get(..entry.value_len as usize).unwrap_or_default())
    }

    /// The name and the values of an entry. A list of binary values is split here, "before
    /// decoding" (gRPC PROTOCOL-HTTP2), and not when it comes, so that a peer's commas cost
    /// no memory.
    fn values_of(&self, entry: &Entry) -> impl Iterator<Item = (&str, Value<'_>)> {
        let (name, wire) = self.slices(entry);
        let is_binary = binary::is_binary(name);
        let is_sensitive = entry.reuse == FieldReuse::Secret;
        // Names are checked by whoever puts them in; a field's name is a token (RFC 9110 §5.1).
        let name = core::str::from_utf8(name).unwrap_or_default();
        wire.split(move |&octet| is_binary && octet == b',').map(move |value| {
            let value = if is_binary { value.trim_ascii() } else { value };
            (name, Value::new(value, is_binary, is_sensitive))
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.entries.iter().flat_map(|entry| self.values_of(entry))
    }

    /// The values of `key`, found without looking at the others'.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Value<'a>> {
        let entries = self.entries.iter().filter(move |entry| self.is_named(entry, key));
        entries.flat_map(|entry| self.values_of(entry)).map(|(_, value)| value)
    }

    /// The first value of `key` that is text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        if binary::is_binary(key.as_bytes()) {
            return None;
        }
        let mut entries = self.entries.iter().filter(|entry| self.is_named(entry, key));
        entries.find_map(|entry| core::str::from_utf8(self.slices(entry).1).ok())
    }

    fn is_named(&self, entry: &Entry, key: &str) -> bool {
        let key = key.as_bytes();
        if entry.name_len as usize != key.len() {
            return false;
        }
        let name = self.slices(entry).0;
        name == key || name.eq_ignore_ascii_case(key)
    }

    /// Adds an entry whose name is in lower case.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), MetadataError> {
        self.push_with(name, |octets| octets.extend_from_slice(value))
    }

    /// Adds an entry whose name goes to lower case.
    pub(super) fn push_lowered(&mut self, name: &[u8], value: &[u8]) -> Result<(), MetadataError> {
        self.push(name, value)?;
        self.lower_last();
        Ok(())
    }

    /// Adds an entry whose name goes to lower case and whose value is encoded for the wire.
    pub(super) fn push_binary(&mut self, name: &[u8], value: &[u8]) -> Result<(), MetadataError> {
        self.push_with(name, |octets| binary::encode(value, octets))?;
        self.lower_last();
        Ok(())
    }

    fn lower_last(&mut self) {
        let Some(entry) = self.entries.last_mut() else { return };
        let octets = self.octets.get_mut(entry.start as usize..).unwrap_or_default();
        let name = octets.get_mut(..entry.name_len as usize).unwrap_or_default();
        name.make_ascii_lowercase();
        entry.reuse = key::reuse(name);
    }

    fn push_with(&mut self, name: &[u8], write_value: impl FnOnce(&mut Vec<u8>)) -> Result<(), MetadataError> {
        let start = self.octets.len();
        self.octets.extend_from_slice(name);
        let value_start = self.octets.len();
        write_value(&mut self.octets);
        if self.octets.len() > OCTETS_LEN_MAX {
            self.octets.truncate(start);
            return Err(MetadataError::TooLong);
        }
        self.entries.push(Entry {
            start: start as u32,
            name_len: name.len() as u32,
            value_len: (self.octets.len() - value_start) as u32,
            reuse: key::reuse(name),
        });
        Ok(())
    }

    pub(super) fn append_all(&mut self, other: &Arena) {
        for entry in &other.entries {
            let (name, value) = other.slices(entry);
            if self.push(name, value).is_err() {
                return;
            }
            if let Some(own) = self.entries.last_mut() {
                own.reuse = entry.reuse;
            }
        }
    }

    pub(super) fn mark_sensitive(&mut self, key: &str) {
        let mut entries = core::mem::take(&mut self.entries);
        entries.iter_mut().filter(|entry| self.is_named(entry, key)).for_each(|entry| entry.reuse = FieldReuse::Secret);
        self.entries = entries;
    }

    pub(super) fn remove(&mut self, key: &str) -> usize {
        let mut entries = core::mem::take(&mut self.entries);
        let len_before = entries.len();
        let mut garbage_len = 0;
        entries.retain(|entry| {
            let is_removed = self.is_named(entry, key);
            garbage_len += if is_removed { (entry.name_len + entry.value_len) as usize } else { 0 };
            !is_removed
        });
        let removed_count = len_before - entries.len();
        self.entries = entries;
        self.garbage_len += garbage_len;
        if self.garbage_len > GARBAGE_LEN_MIN.max(self.octets.len() / 2) {
            self.compact();
        }
        removed_count
    }

    fn compact(&mut self) {
        let mut tidy = Arena::default();
        tidy.append_all(self);
        *self = tidy;
    }

    /// Gives the entry at this place another value, as it is on the wire.
    pub(super) fn replace(&mut self, at: usize, value: &[u8]) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        let start = (entry.start + entry.name_len) as usize;
        let (len_before, entry_start) = (entry.value_len, entry.start);
        let end = start + len_before as usize;
        if let Some(place) = self.octets.get_mut(start..end).filter(|place| place.len() == value.len()) {
            return place.copy_from_slice(value);
        }
        entry.value_len = value.len() as u32;
        self.octets.splice(start..end, value.iter().copied());
        for behind in self.entries.iter_mut().filter(|behind| behind.start > entry_start) {
            behind.start = behind.start - len_before + value.len() as u32;
        }
    }

    /// Becomes what `other` is, in the memory that is here.
    pub(super) fn copy_from(&mut self, other: &Arena) {
        self.octets.clear();
        self.octets.extend_from_slice(&other.octets);
        self.entries.clear();
        self.entries.extend_from_slice(&other.entries);
        self.garbage_len = other.garbage_len;
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.octets.clear();
        self.garbage_len = 0;
        self.entries.shrink_to(ENTRIES_KEPT_MAX);
        self.octets.shrink_to(OCTETS_KEPT_MAX);
    }

    pub(super) fn write_to(&self, sink: &mut impl FieldSink) {
        for entry in &self.entries {
            let (name, value) = self.slices(entry);
            if key::is_written(name) {
                sink.field(name, value, entry.reuse);
            }
        }
    }
}
