//! Where the application's header fields go: to the encoder, or to a list that
//! waits behind queued data.

use alloc::vec::Vec;

use crate::hpack::{Encoder, GroupKey, Indexing};
use crate::stream::FieldList;

enum Target<'a> {
    Wire(&'a mut Encoder, &'a mut Vec<u8>),
    List(&'a mut FieldList),
}

/// Takes the fields of one section, in their order.
///
/// Names and values must be valid (RFC 9113 §8.2): the caller has checked what came
/// from a user.
pub struct FieldWriter<'a> {
    target: Target<'a>,
}

impl<'a> FieldWriter<'a> {
    pub(crate) fn wire(encoder: &'a mut Encoder, out: &'a mut Vec<u8>) -> Self {
        FieldWriter { target: Target::Wire(encoder, out) }
    }

    pub(crate) fn list(list: &'a mut FieldList) -> Self {
        FieldWriter { target: Target::List(list) }
    }

    /// Writes one field. Sensitive values want [`Indexing::Never`].
    #[inline(always)]
    pub fn field(&mut self, name: &[u8], value: &[u8], indexing: Indexing) {
        match &mut self.target {
            Target::Wire(encoder, out) => encoder.encode(name, value, indexing, out),
            Target::List(list) => list.push(name, value, indexing),
        }
    }

    /// Begins a group of fields, which depend on `key` alone. `None` says that they are written
    /// already: the connection knew them. Otherwise they are to be written, and the group
    /// [ended](Self::end_group).
    ///
    /// ```
    /// use core::time::Duration;
    /// use tramline_h2::hpack::{GroupKey, Opaque};
    /// use tramline_h2::{Config, Connection, Indexing, Role};
    ///
    /// let mut client = Connection::new(Role::Client, Config::default(), Opaque, Duration::ZERO);
    /// let (path, authority) = ("/pkg.Echo/Say", "localhost");
    /// let key = GroupKey { place: 0, kind: 0, texts: [path.as_bytes(), authority.as_bytes()] };
    /// let opened = client.send_request(Duration::ZERO, true, |fields| {
    ///     if let Some(group) = fields.begin_group(&key) {
    ///         fields.field(b":method", b"POST", Indexing::Incremental);
    ///         fields.field(b":scheme", b"http", Indexing::Incremental);
    ///         fields.field(b":path", path.as_bytes(), Indexing::Incremental);
    ///         fields.field(b":authority", authority.as_bytes(), Indexing::Incremental);
    ///         fields.end_group(&key, group);
    ///     }
    ///     fields.field(b"x-request-id", b"1", Indexing::None);
    /// });
    /// assert!(opened.is_ok());
    /// ```
    #[inline(always)]
    pub fn begin_group(&mut self, key: &GroupKey<'_>) -> Option<GroupStart> {
        match &mut self.target {
            Target::Wire(encoder, out) => (!encoder.encode_group(key, out)).then_some(GroupStart(out.len())),
            Target::List(_) => Some(GroupStart(0)),
        }
    }

    /// The group that began there is whole.
    pub fn end_group(&mut self, key: &GroupKey<'_>, GroupStart(start): GroupStart) {
        if let Target::Wire(encoder, out) = &mut self.target {
            encoder.keep_group(key, out.get(start..).unwrap_or_default());
        }
    }
}

/// Where a group of fields began.
#[derive(Debug)]
#[must_use]
pub struct GroupStart(usize);
