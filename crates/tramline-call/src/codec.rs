//! Messages to octets and back: what an adapter for a message library implements.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::Status;

/// A piece shorter than this is copied, because a segment of its own would cost more.
pub const SPLICE_LEN_MIN: usize = 4 * 1024;

/// A message format, usually of one library: a marker without a state.
///
/// ```
/// use tramline_call::Status;
/// use tramline_call::codec::{Codec, Decode, Encode, Frame, Limits, Sink, malformed};
///
/// #[derive(Clone, Copy, Default)]
/// struct Text;
///
/// impl Codec for Text {
///     const SUBTYPE: &'static str = "text";
/// }
///
/// impl Encode<str> for Text {
///     fn encode(self, message: &str, out: &mut Sink<'_>) -> Result<(), Status> {
///         out.put_slice(message.as_bytes());
///         Ok(())
///     }
/// }
///
/// impl Decode<String> for Text {
///     fn decode(self, frame: Frame<'_>, _limits: Limits) -> Result<String, Status> {
///         String::from_utf8(frame.contiguous().to_vec()).map_err(malformed)
///     }
/// }
/// # let frame = Frame::Slice(b"hi");
/// # assert_eq!(Text.decode(frame, Limits::default()).unwrap(), "hi");
/// ```
pub trait Codec: Copy + Send + Sync + 'static {
    /// The format's name behind `application/grpc+`: at most fourteen lower-case letters,
    /// digits, `-` and `.`.
    const SUBTYPE: &'static str;

    /// Whether messages of the format that a peer named can be read.
    fn reads(subtype: &str) -> bool {
        subtype == Self::SUBTYPE
    }
}

/// A codec that writes `T`.
pub trait Encode<T: ?Sized>: Codec {
    /// About how long the message will be, if that costs little to know.
    fn size_hint(self, message: &T) -> Option<usize> {
        let _ = message;
        None
    }

    /// Appends the message. It is not consumed, so that a call can be tried again.
    ///
    /// # Errors
    /// The message has no encoded form.
    fn encode(self, message: &T, out: &mut Sink<'_>) -> Result<(), Status>;
}

/// A codec that reads `T`.
pub trait Decode<T>: Codec {
    /// Reads one whole message.
    ///
    /// # Errors
    /// The octets are no such message ([`malformed`] makes the status), or it is over a limit.
    fn decode(self, frame: Frame<'_>, limits: Limits) -> Result<T, Status>;
}

/// The status for a message that its codec cannot read: INTERNAL, whichever side sent it
/// (gRPC statuscodes: "Could not decompress … or parse").
#[must_use]
pub fn malformed(error: impl core::fmt::Display) -> Status {
    Status::internal(alloc::format!("a message cannot be decoded: {error}"))
}

/// Where a message is written: the tail of a vector, and long pieces beside it.
#[derive(Debug)]
pub struct Sink<'a> {
    tail: &'a mut Vec<u8>,
    splices: &'a mut Vec<(usize, Bytes)>,
}

impl<'a> Sink<'a> {
    /// A sink that appends to `tail`, and notes in `splices` which piece belongs in front
    /// of which of its octets.
    pub fn new(tail: &'a mut Vec<u8>, splices: &'a mut Vec<(usize, Bytes)>) -> Self {
        Sink { tail, splices }
    }

    /// Appends octets.
    pub fn put_slice(&mut self, octets: &[u8]) {
        self.tail.extend_from_slice(octets);
    }

    /// Appends a piece: a long one without copying it.
    pub fn splice(&mut self, piece: Bytes) {
        if piece.len() < SPLICE_LEN_MIN {
            self.tail.extend_from_slice(&piece);
        } else {
            self.splices.push((self.tail.len(), piece));
        }
    }

    /// The tail itself, for libraries that write to a vector. Octets that are in it
    /// already belong to others, and stay.
    pub fn as_vec_mut(&mut self) -> &mut Vec<u8> {
        self.tail
    }
}

/// One whole message, decompressed.
#[derive(Clone, Debug)]
pub enum Frame<'a> {
    /// It lies in a buffer that is used again.
    Slice(&'a [u8]),
    /// It lies in memory of its own.
    Shared(Bytes),
}

impl Frame<'_> {
    /// The octets in one piece.
    #[must_use]
    pub fn contiguous(&self) -> &[u8] {
        match self {
            Frame::Slice(octets) => octets,
            Frame::Shared(octets) => octets,
        }
    }

    /// The octets to keep; copied only if the buffer is used again.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Frame::Slice(octets) => Bytes::copy_from_slice(octets),
            Frame::Shared(octets) => octets,
        }
    }

    /// The same octets once more, not copied.
    #[must_use]
    pub fn share(&self) -> Frame<'_> {
        match self {
            Frame::Slice(octets) => Frame::Slice(octets),
            Frame::Shared(octets) => Frame::Shared(octets.clone()),
        }
    }

    /// A cursor for libraries that read from a `bytes::Buf`.
    #[must_use]
    pub fn reader(&self) -> crate::FrameReader<'_> {
        crate::FrameReader::new(self)
    }

    /// The length in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.contiguous().len()
    }

    /// Whether the message has no octets; such a message is valid.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contiguous().is_empty()
    }
}

/// What one message may cost its reader. A codec obeys those that its library can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest message in octets, after decompression.
    pub message_len_max: usize,
    /// Deepest nesting of messages.
    pub depth_max: usize,
    /// Most memory for the elements of repeated fields and maps, in octets.
    pub element_memory_max: usize,
    /// Most fields that the schema does not know.
    pub unknown_fields_max: usize,
}

/// Least room for the elements of repeated fields and maps, in octets.
const ELEMENT_MEMORY_MIN: usize = 32 * 1024 * 1024;

/// How many octets of memory an octet of a message may become in elements, beyond the least room.
const ELEMENT_MEMORY_FACTOR: usize = 8;

impl Limits {
    /// The same limits for messages of up to `len` octets, with room for their elements to match: eight times the
    /// message, and never less than 32 MiB. A limit on messages that is raised must not fail at the elements.
    #[must_use]
    pub const fn with_message_len_max(mut self, len: usize) -> Self {
        self.message_len_max = len;
        let in_proportion = len.saturating_mul(ELEMENT_MEMORY_FACTOR);
        self.element_memory_max = if in_proportion > ELEMENT_MEMORY_MIN { in_proportion } else { ELEMENT_MEMORY_MIN };
        self
    }
}

impl Default for Limits {
    /// Four MiB, a depth of 100, and eight times the longest message for its elements.
    fn default() -> Self {
        Limits {
            message_len_max: 4 * 1024 * 1024,
            depth_max: 100,
            element_memory_max: ELEMENT_MEMORY_MIN,
            unknown_fields_max: 1_000_000,
        }
    }
}

/// The codec of octets: for proxies, and for calls whose schema is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Raw;

impl Codec for Raw {
    const SUBTYPE: &'static str = "proto";

    /// Octets of every format.
    fn reads(_subtype: &str) -> bool {
        true
    }
}

impl Encode<Bytes> for Raw {
    fn size_hint(self, message: &Bytes) -> Option<usize> {
        Some(message.len())
    }

    fn encode(self, message: &Bytes, out: &mut Sink<'_>) -> Result<(), Status> {
        out.splice(message.clone());
        Ok(())
    }
}

impl Decode<Bytes> for Raw {
    fn decode(self, frame: Frame<'_>, _limits: Limits) -> Result<Bytes, Status> {
        Ok(frame.into_bytes())
    }
}
