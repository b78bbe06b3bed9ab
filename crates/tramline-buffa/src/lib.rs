//! The buffa message library for Tramline: the codec marker [`Buffa`], and the library itself for generated code.
//!
//! Messages are encoded in one pass over their sizes and one over their fields, straight into the buffer that is
//! sent; long `bytes` fields are not copied at all. They are decoded under the [`Limits`] of the call.

use core::cell::Cell;

use bytes::Bytes;
use tramline_call::{
    Codec, Decode, Encode, Frame, Status,
    codec::{Limits, SPLICE_LEN_MIN, Sink, malformed},
};

/// The library, as generated code names it.
pub mod buffa {
    pub use ::buffa::*;

    /// The types of google/protobuf/descriptor.proto.
    #[cfg(feature = "descriptor")]
    pub use ::buffa_descriptor as descriptor;
    /// The well-known types: `google::protobuf::Timestamp` and its like.
    pub use ::buffa_types as well_known;
}

use ::buffa::{DecodeContext, DecodeError, EncodeSink, Message, SizeCache};

/// The most that is reserved for a message before it is written. A longer one either consists of long `bytes` fields,
/// which need no room here, or makes the buffer grow a few times more.
const RESERVED_LEN_MAX: usize = 16 * 1024;

/// Messages by buffa, in protobuf's binary format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Buffa;

impl Codec for Buffa {
    const SUBTYPE: &'static str = "proto";
}

impl<T: Message> Encode<T> for Buffa {
    /// # Errors
    /// RESOURCE_EXHAUSTED: the message is longer than protobuf's 2 GiB.
    #[inline]
    fn encode(self, message: &T, out: &mut Sink<'_>) -> Result<(), Status> {
        let mut sizes = SizeCache::new();
        let size = ::buffa::checked_encode_size(message.compute_size(&mut sizes))
            .map_err(|error| Status::resource_exhausted(format!("a message cannot be encoded: {error}")))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        out.as_vec_mut().reserve(size.min(RESERVED_LEN_MAX));
        if size < SPLICE_LEN_MIN {
            // Nothing in it is long enough to be passed on, and to offer a piece costs a second handle to it, which
            // is an allocation where the first was made from a vector.
            message.write_to(&mut sizes, out.as_vec_mut());
        } else {
            message.write_to(&mut sizes, &mut Output { sink: out });
        }
        Ok(())
    }
}

impl<T: Message> Decode<T> for Buffa {
    /// # Errors
    /// INTERNAL: the octets are no such message. RESOURCE_EXHAUSTED: it is over a limit.
    #[inline(always)]
    fn decode(self, frame: Frame<'_>, limits: Limits) -> Result<T, Status> {
        if frame.len() > limits.message_len_max {
            return Err(refusal(&DecodeError::MessageTooLarge, limits));
        }
        let depth_max = u32::try_from(limits.depth_max).unwrap_or(u32::MAX);
        let unknown_fields_left = Cell::new(limits.unknown_fields_max);
        let element_memory_left = Cell::new(limits.element_memory_max);
        let context = DecodeContext::new(depth_max, &unknown_fields_left).with_element_memory(&element_memory_left);
        // Merged into a message in its place: a message that is returned through several results is moved each time.
        let mut message = T::default();
        match message.merge(&mut frame.reader(), context) {
            Ok(()) => Ok(message),
            Err(error) => Err(refusal(&error, limits)),
        }
    }
}

#[cold]
fn refusal(error: &DecodeError, limits: Limits) -> Status {
    match error {
        DecodeError::ElementMemoryLimitExceeded => Status::resource_exhausted(format!(
            "a message's repeated fields and maps take more than {} octets in memory, the bound that follows from the \
             limit of {} octets on the message itself; a higher message limit raises both",
            limits.element_memory_max, limits.message_len_max
        )),
        DecodeError::MessageTooLarge => Status::resource_exhausted(format!(
            "a message is over the limit of {} octets, or a field of it over protobuf's 2 GiB",
            limits.message_len_max
        )),
        DecodeError::UnknownFieldLimitExceeded => Status::resource_exhausted(format!(
            "a message has more than {} fields that its schema does not know",
            limits.unknown_fields_max
        )),
        DecodeError::RecursionLimitExceeded => {
            malformed(format_args!("its parts are nested more than {} deep", limits.depth_max))
        }
        error => malformed(error),
    }
}

/// The sink as buffa wants it. Long pieces are passed on by reference.
struct Output<'a, 's> {
    sink: &'a mut Sink<'s>,
}

impl EncodeSink for Output<'_, '_> {
    const IS_SEGMENTED: bool = true;

    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.sink.as_vec_mut().push(value);
    }

    #[inline]
    fn put_slice(&mut self, octets: &[u8]) {
        self.sink.as_vec_mut().extend_from_slice(octets);
    }

    #[inline]
    fn put_u32_le(&mut self, value: u32) {
        self.put_slice(&value.to_le_bytes());
    }

    #[inline]
    fn put_u64_le(&mut self, value: u64) {
        self.put_slice(&value.to_le_bytes());
    }

    #[inline]
    fn put_shared(&mut self, piece: Bytes) {
        self.sink.splice(piece);
    }
}
