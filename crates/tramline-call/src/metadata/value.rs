//! One value of metadata.

use core::fmt;

use bytes::Bytes;

use super::binary;

/// One value of metadata, as it lies there.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    wire: &'a [u8],
    is_binary: bool,
    is_sensitive: bool,
}

impl<'a> Value<'a> {
    pub(super) fn new(wire: &'a [u8], is_binary: bool, is_sensitive: bool) -> Self {
        Value { wire, is_binary, is_sensitive }
    }

    /// Whether its key ends in `-bin`.
    #[must_use]
    pub fn is_binary(self) -> bool {
        self.is_binary
    }

    /// Whether it is kept out of compression tables and logs.
    #[must_use]
    pub fn is_sensitive(self) -> bool {
        self.is_sensitive
    }

    /// The text; `None` for a binary value, or for octets of a peer that are no UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        if self.is_binary { None } else { core::str::from_utf8(self.wire).ok() }
    }

    /// The octets of a binary value; `None` for text.
    #[must_use]
    pub fn to_bytes(self) -> Option<Bytes> {
        if self.is_binary { binary::decode(self.wire).map(Bytes::from) } else { None }
    }

    /// The value as it is in the header field: base64 for a binary one.
    #[must_use]
    pub fn as_wire(self) -> &'a [u8] {
        self.wire
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.is_binary && other.is_binary {
            return self.to_bytes() == other.to_bytes();
        }
        self.is_binary == other.is_binary && self.wire == other.wire
    }
}

impl Eq for Value<'_> {}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_sensitive {
            return write!(f, "<{} octets>", self.wire.len());
        }
        write!(f, "\"{}\"", self.wire.escape_ascii())
    }
}
