//! The prost message library for Tramline: the codec marker [`Prost`], and the library itself for generated code.
//!
//! Messages are encoded straight into the buffer that is sent. Of the [`Limits`] of a call prost knows two: the
//! length, and a depth that is fixed at 100.

use tramline_call::{
    Codec, Decode, Encode, Frame, Status,
    codec::{Limits, Sink, malformed},
};

/// The library, as generated code names it.
pub mod prost {
    pub use ::prost::*;

    /// The well-known types: `Timestamp` and its like.
    pub use ::prost_types as well_known;
}

use ::prost::Message;

/// Messages by prost, in protobuf's binary format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prost;

impl Codec for Prost {
    const SUBTYPE: &'static str = "proto";
}

impl<T: Message> Encode<T> for Prost {
    fn encode(self, message: &T, out: &mut Sink<'_>) -> Result<(), Status> {
        let encoded = message.encode(out.as_vec_mut());
        encoded.map_err(|error| Status::internal(format!("a message cannot be encoded: {error}")))
    }
}

impl<T: Message + Default> Decode<T> for Prost {
    /// # Errors
    /// INTERNAL: the octets are no such message. RESOURCE_EXHAUSTED: it is too long.
    fn decode(self, frame: Frame<'_>, limits: Limits) -> Result<T, Status> {
        if frame.len() > limits.message_len_max {
            return Err(Status::resource_exhausted(format!(
                "a message of {} octets is over the limit of {}",
                frame.len(),
                limits.message_len_max
            )));
        }
        T::decode(frame.reader()).map_err(malformed)
    }
}
