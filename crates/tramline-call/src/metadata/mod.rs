//! Metadata: what travels beside the messages of a call.

mod arena;
mod binary;
mod key;
mod value;

use alloc::string::ToString;
use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;

use crate::Status;
use crate::field::FieldSink;
use arena::Arena;
pub(crate) use binary::{decode as decode_binary, encode as encode_binary, is_binary, is_valid as is_valid_binary};
pub use value::Value;

/// What HTTP counts for each field beside its name and value (RFC 9113 §6.5.2).
const FIELD_LEN: usize = 32;

/// Why an entry cannot be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MetadataError {
    /// The key has octets other than letters, digits, `_`, `-` and `.`, or none.
    InvalidKey,
    /// The key belongs to gRPC or HTTP.
    ReservedKey,
    /// The value has octets other than printable ASCII. Keys that end in `-bin` take any.
    InvalidValue,
    /// The key ends in `-bin` and the value is text, or the other way round.
    WrongKind,
    /// There is no room for it.
    TooLong,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetadataError::InvalidKey => "a metadata key is made of letters, digits, `_`, `-` and `.`",
            MetadataError::ReservedKey => "the key is reserved by gRPC or HTTP",
            MetadataError::InvalidValue => {
                "a metadata value is printable ASCII; use a key that ends in `-bin` for others"
            }
            MetadataError::WrongKind => {
                "keys that end in `-bin` hold octets (`insert_bin`), others hold text (`insert`)"
            }
            MetadataError::TooLong => "the metadata is too long",
        })
    }
}

impl core::error::Error for MetadataError {}

/// Metadata that a handler cannot set is its own fault: INTERNAL.
impl From<MetadataError> for Status {
    fn from(error: MetadataError) -> Self {
        Status::internal(error.to_string())
    }
}

/// Keys with values: text, or any octets under a key that ends in `-bin`. A key may have
/// several values, which keep their order.
///
/// Keys are compared without regard to case, and travel in lower case. Values lie one
/// after another in one block of memory as they came; binary values are decoded when they
/// are asked for. A clone shares the block until one of the two is changed.
///
/// ```
/// use tramline_call::Metadata;
///
/// let mut metadata = Metadata::new();
/// metadata.insert("x-tenant", "blue")?;
/// metadata.append_bin("x-trace-bin", &[1, 2, 3])?;
/// assert_eq!(metadata.get("X-Tenant"), Some("blue"));
/// assert_eq!(metadata.get_bin("x-trace-bin").as_deref(), Some(&[1, 2, 3][..]));
/// # Ok::<(), tramline_call::MetadataError>(())
/// ```
#[derive(Clone, Default)]
pub struct Metadata {
    arena: Option<Arc<Arena>>,
}

impl Metadata {
    /// Nothing; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Metadata { arena: None }
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no value.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.arena.as_ref().is_none_or(|arena| arena.is_empty())
    }

    /// What its fields add to a field section, as HTTP counts it: names, values, and 32 octets
    /// for each (RFC 9113 §6.5.2).
    #[must_use]
    pub fn section_len(&self) -> usize {
        self.iter().map(|(key, value)| key.len() + value.as_wire().len() + FIELD_LEN).sum()
    }

    /// Octets of memory that are held for it, shared or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.arena.as_ref().map_or(0, |arena| arena.capacity())
    }

    /// All values with their keys, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.arena.iter().flat_map(|arena| arena.iter())
    }

    /// The values of `key`, in their order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Value<'a>> {
        self.arena.iter().flat_map(move |arena| arena.values(key))
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }

    /// The first value of `key` that is text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let arena = self.arena.as_ref()?;
        arena.text(key)
    }

    /// The first value of `key`, which ends in `-bin`.
    #[must_use]
    pub fn get_bin(&self, key: &str) -> Option<Bytes> {
        self.values(key).find_map(Value::to_bytes)
    }

    /// The values of `key` that are text.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(key).filter_map(Value::as_str)
    }

    /// The values of `key`, which ends in `-bin`.
    pub fn get_all_bin<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Bytes> + 'a {
        self.values(key).filter_map(Value::to_bytes)
    }

    /// Sets the one value of `key`; spaces around it are dropped.
    ///
    /// # Errors
    /// See [`MetadataError`]; nothing is changed then.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let value = self.check_text(key, value)?;
        self.remove(key);
        self.arena_mut().push_lowered(key.as_bytes(), value.as_bytes())
    }

    /// Adds a value of `key` behind those it has; spaces around it are dropped.
    ///
    /// # Errors
    /// See [`MetadataError`]; nothing is changed then.
    pub fn append(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let value = self.check_text(key, value)?;
        self.arena_mut().push_lowered(key.as_bytes(), value.as_bytes())
    }

    /// Sets the one value of `key`, which ends in `-bin`.
    ///
    /// # Errors
    /// See [`MetadataError`]; nothing is changed then.
    pub fn insert_bin(&mut self, key: &str, value: &[u8]) -> Result<(), MetadataError> {
        self.check_binary(key, value)?;
        self.remove(key);
        self.arena_mut().push_binary(key.as_bytes(), value)
    }

    /// Adds a value of `key`, which ends in `-bin`, behind those it has.
    ///
    /// # Errors
    /// See [`MetadataError`]; nothing is changed then.
    pub fn append_bin(&mut self, key: &str, value: &[u8]) -> Result<(), MetadataError> {
        self.check_binary(key, value)?;
        self.arena_mut().push_binary(key.as_bytes(), value)
    }

    fn check_text<'a>(&self, key: &str, value: &'a str) -> Result<&'a str, MetadataError> {
        key::check(key)?;
        if is_binary(key.as_bytes()) {
            return Err(MetadataError::WrongKind);
        }
        // gRPC PROTOCOL-HTTP2: white space around an ASCII-Value may be stripped; RFC 9113
        // §8.2.1 does not let it through.
        let value = value.trim_matches(' ');
        if !value.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            return Err(MetadataError::InvalidValue);
        }
        self.check_room(key, value.len())?;
        Ok(value)
    }

    fn check_binary(&self, key: &str, value: &[u8]) -> Result<(), MetadataError> {
        key::check(key)?;
        if !is_binary(key.as_bytes()) {
            return Err(MetadataError::WrongKind);
        }
        self.check_room(key, value.len().saturating_mul(2))
    }

    fn check_room(&self, key: &str, value_len: usize) -> Result<(), MetadataError> {
        let len = self.arena.as_ref().map_or(0, |arena| arena.octet_len());
        let wanted = key.len().saturating_add(value_len);
        if wanted > arena::OCTETS_LEN_MAX - len { Err(MetadataError::TooLong) } else { Ok(()) }
    }

    /// Takes all values of `key` out; says how many there were.
    pub fn remove(&mut self, key: &str) -> usize {
        if !self.contains_key(key) {
            return 0;
        }
        self.arena_mut().remove(key)
    }

    /// Marks the values of `key` as secret: they are kept out of the tables with which HTTP
    /// compresses fields, here and on every hop (RFC 7541 §7.1.3), and out of `Debug`.
    /// `authorization`, `cookie` and binary values are secret anyway.
    pub fn mark_sensitive(&mut self, key: &str) {
        if self.contains_key(key) {
            self.arena_mut().mark_sensitive(key);
        }
    }

    /// Adds all values of `other` behind its own.
    pub fn merge(&mut self, other: &Metadata) {
        let Some(theirs) = &other.arena else { return };
        match &self.arena {
            Some(own) if !own.is_empty() => self.arena_mut().append_all(theirs),
            _ => self.arena = Some(Arc::clone(theirs)),
        }
    }

    /// Whether both are handles on the same values, as clones are until one of them changes.
    ///
    /// ```
    /// use tramline_call::Metadata;
    ///
    /// let mut head = Metadata::new();
    /// head.insert("x-tenant", "blue")?;
    /// let mut of_call = head.clone();
    /// assert!(of_call.shares(&head));
    /// of_call.insert("x-tenant", "green")?;
    /// assert!(!of_call.shares(&head));
    /// # Ok::<(), tramline_call::MetadataError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn shares(&self, other: &Metadata) -> bool {
        match (&self.arena, &other.arena) {
            (Some(own), Some(theirs)) => Arc::ptr_eq(own, theirs),
            (own, theirs) => own.is_none() && theirs.is_none(),
        }
    }

    /// Takes everything out. Memory that nobody shares is kept for the next entries.
    #[inline]
    pub fn clear(&mut self) {
        if !self.is_empty() {
            self.clear_some();
        }
    }

    fn clear_some(&mut self) {
        match self.arena.as_mut().and_then(Arc::get_mut) {
            Some(arena) => arena.clear(),
            None => self.arena = None,
        }
    }

    /// Takes what a peer sent. Nothing is allocated before the first entry.
    pub(crate) fn receive(&mut self) -> Received<'_> {
        Received { metadata: Some(self), arena: None }
    }

    /// Gives the entry that was received at this place another value.
    pub(crate) fn replace_received(&mut self, at: usize, value: &[u8]) {
        self.arena_mut().replace(at, value);
    }

    /// Becomes a copy that shares nothing with `other`, in the memory that is here if nobody
    /// else uses it.
    pub(crate) fn copy_from(&mut self, other: &Metadata) {
        let Some(theirs) = &other.arena else { return self.clear() };
        match self.arena.as_mut().and_then(Arc::get_mut) {
            Some(own) => own.copy_from(theirs),
            None => self.arena = Some(Arc::new(Arena::clone(theirs))),
        }
    }

    /// Writes all entries as fields.
    pub(crate) fn write_to(&self, sink: &mut impl FieldSink) {
        if let Some(arena) = &self.arena {
            arena.write_to(sink);
        }
    }

    fn arena_mut(&mut self) -> &mut Arena {
        Arc::make_mut(self.arena.get_or_insert_default())
    }
}

/// Takes fields of a peer. The block that they go to is looked for once.
pub(crate) struct Received<'m> {
    metadata: Option<&'m mut Metadata>,
    arena: Option<&'m mut Arena>,
}

impl Received<'_> {
    /// Adds a field, whose name is in lower case.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        if let Some(metadata) = self.metadata.take() {
            self.arena = Some(metadata.arena_mut());
        }
        if let Some(arena) = &mut self.arena {
            // The field list is limited long before the arena is full.
            let _ = arena.push(name, value);
        }
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Metadata {}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
