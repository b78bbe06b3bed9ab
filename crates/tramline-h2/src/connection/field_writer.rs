//! Where the application's header fields go: to the encoder, or to a list that
//! waits behind queued data.

use alloc::vec::Vec;

use crate::hpack::{Encoder, Indexing};
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
}
