//! The five octets in front of each message (gRPC PROTOCOL-HTTP2, "Length-Prefixed-Message").

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use crate::codec::Frame;
use crate::{Encoding, Status};

/// A flag and a length.
pub const PREFIX_LEN: usize = 5;

/// One message with what its prefix says of it.
#[derive(Clone, Debug)]
pub struct Envelope<'i> {
    /// The message is compressed in the call's encoding.
    pub compressed: bool,
    /// The message as it was sent.
    pub frame: Frame<'i>,
}

/// The prefix of a message of `len` octets.
///
/// # Errors
/// RESOURCE_EXHAUSTED: the length does not fit.
#[inline]
pub fn prefix(compressed: bool, len: usize) -> Result<[u8; PREFIX_LEN], Status> {
    let Ok(len) = u32::try_from(len) else {
        return Err(Status::resource_exhausted(format!("message of {len} bytes does not fit a gRPC envelope")));
    };
    let [a, b, c, d] = len.to_be_bytes();
    Ok([u8::from(compressed), a, b, c, d])
}

/// Fails a message that is longer than this side may send.
///
/// # Errors
/// RESOURCE_EXHAUSTED: names both lengths.
#[inline]
pub fn check_sent_len(len: usize, len_max: usize) -> Result<(), Status> {
    if len <= len_max { Ok(()) } else { Err(too_long("sent", len, len_max)) }
}

fn too_long(direction: &str, len: usize, len_max: usize) -> Status {
    Status::resource_exhausted(format!(
        "{direction} message of {len} bytes is longer than the limit of {len_max} bytes"
    ))
}

/// What a prefix says.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    compressed: bool,
    len: usize,
}

/// Memory for long messages that is used again and again, so that each of them does not cost
/// the page faults of fresh memory.
#[derive(Clone, Copy, Debug)]
pub struct MessageMemory {
    /// An empty vector that holds as many octets, if one lies ready.
    pub take: fn(len: usize) -> Option<Vec<u8>>,
    /// A message whose memory comes back when the last handle on it is dropped.
    pub share: fn(message: Vec<u8>) -> Bytes,
}

/// A message gets memory that lies ready when one part of so many is there.
const LENT_FACTOR: usize = 64;

/// Puts messages together from the pieces in which they arrive.
///
/// A message that lies whole in one piece is handed on where it lies. Memory grows with the
/// octets that came, to at most twice as many, whatever length the peer announced; memory
/// that lies ready in a [`MessageMemory`] is lent for a part of the message.
///
/// ```
/// use tramline_call::{Encoding, envelope::Assembler};
///
/// let mut assembler = Assembler::default();
/// let mut input = &b"\0\0\0\0\x02hi\0\0"[..];
/// let message = assembler.next(&mut input, Encoding::Identity, 1024)?.unwrap();
/// assert_eq!(message.frame.contiguous(), b"hi");
/// assert!(assembler.next(&mut input, Encoding::Identity, 1024)?.is_none());
/// assert!(assembler.finish().is_err(), "a prefix is cut");
/// # Ok::<(), tramline_call::Status>(())
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    /// What is there of a message that is not complete. Most messages never are in pieces.
    partial: Option<Box<Partial>>,
    memory: Option<&'static MessageMemory>,
}

#[derive(Debug, Default)]
struct Partial {
    /// Octets of the prefix, as far as they are there.
    head: [u8; PREFIX_LEN],
    head_len: usize,
    /// The prefix, once it is complete.
    prefix: Option<Prefix>,
    payload: Vec<u8>,
    memory: Option<&'static MessageMemory>,
}

impl Assembler {
    /// Long messages lie in memory that is lent, and given back.
    #[must_use]
    pub fn with_memory(memory: &'static MessageMemory) -> Self {
        Assembler { memory: Some(memory), ..Assembler::default() }
    }

    /// Takes the next message out of `input`; `None` when `input` is used up first.
    /// `encoding` is what the call's `grpc-encoding` says.
    ///
    /// # Errors
    /// INTERNAL for a flag other than 0 and 1, or for a compressed message in a call
    /// without an encoding; RESOURCE_EXHAUSTED, before a payload octet is kept, for a length
    /// over `message_len_max`. The stream cannot be read any further.
    #[inline]
    pub fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        encoding: Encoding,
        message_len_max: usize,
    ) -> Result<Option<Envelope<'i>>, Status> {
        if self.partial.is_none()
            && let Some(message) = take_whole(input, message_len_max)
        {
            return Ok(Some(Envelope { compressed: false, frame: Frame::Slice(message) }));
        }
        if input.is_empty() {
            return Ok(None);
        }
        self.next_of_pieces(input, encoding, message_len_max)
    }

    #[inline(never)]
    fn next_of_pieces<'i>(
        &mut self,
        input: &mut &'i [u8],
        encoding: Encoding,
        message_len_max: usize,
    ) -> Result<Option<Envelope<'i>>, Status> {
        if self.partial.is_none()
            && let Some((&head, rest)) = input.split_first_chunk()
        {
            let prefix = read_prefix(head, encoding, message_len_max)?;
            if let Some((message, after)) = rest.split_at_checked(prefix.len) {
                *input = after;
                return Ok(Some(Envelope { compressed: prefix.compressed, frame: Frame::Slice(message) }));
            }
        }
        self.go_on(input, encoding, message_len_max)
    }

    /// Goes on with a message that comes in pieces.
    fn go_on<'i>(
        &mut self,
        input: &mut &'i [u8],
        encoding: Encoding,
        message_len_max: usize,
    ) -> Result<Option<Envelope<'i>>, Status> {
        let memory = self.memory;
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial { memory, ..Partial::default() }));
        let Some(prefix) = partial.read_prefix(input, encoding, message_len_max)? else { return Ok(None) };
        let wanted = prefix.len - partial.payload.len();
        let Some((rest, after)) = input.split_at_checked(wanted) else {
            partial.keep(input, prefix.len);
            *input = &[];
            return Ok(None);
        };
        *input = after;
        let frame = if partial.payload.is_empty() {
            Frame::Slice(rest)
        } else {
            partial.keep(rest, prefix.len);
            let message = mem::take(&mut partial.payload);
            Frame::Shared(match partial.memory {
                Some(memory) => (memory.share)(message),
                None => Bytes::from(message),
            })
        };
        self.partial = None;
        Ok(Some(Envelope { compressed: prefix.compressed, frame }))
    }

    /// The peer's stream ended.
    ///
    /// # Errors
    /// INTERNAL: it ended inside a message.
    pub fn finish(&self) -> Result<(), Status> {
        self.partial.as_ref().map_or(Ok(()), |partial| Err(partial.cut_short()))
    }

    /// Octets of an incomplete message that are kept.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.head_len + partial.payload.len())
    }

    /// Octets of memory that are held for it.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.payload.capacity())
    }

    /// The length of the message that is being read, once its prefix is there.
    #[must_use]
    pub fn announced_len(&self) -> Option<usize> {
        self.partial.as_ref()?.prefix.map(|prefix| prefix.len)
    }

    /// Forgets everything, for the next call.
    #[inline]
    pub fn reset(&mut self) {
        self.partial = None;
    }
}

impl Partial {
    fn read_prefix(
        &mut self,
        input: &mut &[u8],
        encoding: Encoding,
        message_len_max: usize,
    ) -> Result<Option<Prefix>, Status> {
        if self.prefix.is_none()
            && let Some(head) = self.take_head(input)
        {
            self.prefix = Some(read_prefix(head, encoding, message_len_max)?);
            self.head_len = 0;
        }
        Ok(self.prefix)
    }

    fn take_head(&mut self, input: &mut &[u8]) -> Option<[u8; PREFIX_LEN]> {
        let missing = self.head.get_mut(self.head_len..).unwrap_or_default();
        let taken_len = missing.len().min(input.len());
        let (taken, rest) = input.split_at(taken_len);
        missing[..taken_len].copy_from_slice(taken);
        *input = rest;
        self.head_len += taken_len;
        (self.head_len == PREFIX_LEN).then_some(self.head)
    }

    /// Appends octets, and grows to twice what is there, but never past the message.
    fn keep(&mut self, octets: &[u8], message_len: usize) {
        let needed = self.payload.len() + octets.len();
        if needed > self.payload.capacity() {
            self.grow(needed, message_len);
        }
        self.payload.extend_from_slice(octets);
    }

    #[inline(never)]
    fn grow(&mut self, needed: usize, message_len: usize) {
        let memory = self.memory.filter(|_| needed >= message_len / LENT_FACTOR);
        if let Some(mut lent) = memory.and_then(|memory| (memory.take)(message_len)) {
            lent.extend_from_slice(&self.payload);
            self.payload = lent;
            return;
        }
        let capacity = message_len.min(needed.max(self.payload.len() * 2));
        self.payload.reserve_exact(capacity - self.payload.len());
    }

    fn cut_short(&self) -> Status {
        match self.prefix {
            None => Status::internal("the stream ended inside a message's prefix"),
            Some(prefix) => Status::internal(format!(
                "the stream ended inside a message: {} of {} bytes came",
                self.payload.len(),
                prefix.len
            )),
        }
    }
}

fn read_prefix(head: [u8; PREFIX_LEN], encoding: Encoding, message_len_max: usize) -> Result<Prefix, Status> {
    let prefix = parse_prefix(head, encoding)?;
    check_announced_len(prefix, message_len_max)?;
    Ok(prefix)
}

/// Takes a message that is not compressed and lies whole in `input`, as most do; of any
/// other nothing is taken.
#[inline]
fn take_whole<'i>(input: &mut &'i [u8], message_len_max: usize) -> Option<&'i [u8]> {
    let ([0, len @ ..], rest) = input.split_first_chunk::<PREFIX_LEN>()? else { return None };
    let len = u32::from_be_bytes(*len) as usize;
    let (message, rest) = rest.split_at_checked(len).filter(|_| len <= message_len_max)?;
    *input = rest;
    Some(message)
}

/// The limit is on what comes out of decompression, so that a message at the limit passes
/// although it may have grown a little: by a header, and by a mark on each block of what
/// could not be made shorter.
fn check_announced_len(prefix: Prefix, message_len_max: usize) -> Result<(), Status> {
    let growth = if prefix.compressed { message_len_max / 64 + 1024 } else { 0 };
    if prefix.len <= message_len_max.saturating_add(growth) {
        return Ok(());
    }
    Err(too_long("received", prefix.len, message_len_max))
}

fn parse_prefix(head: [u8; PREFIX_LEN], encoding: Encoding) -> Result<Prefix, Status> {
    let [flag, len @ ..] = head;
    let compressed = match flag {
        0 => false,
        1 if encoding != Encoding::Identity => true,
        // gRPC compression: "If … the Compressed-Flag is set … without grpc-encoding … INTERNAL".
        1 => return Err(Status::internal("a message is compressed, but grpc-encoding names no compression")),
        _ => return Err(Status::internal(format!("a message's flags are {flag:#04x}; only 0 and 1 are known"))),
    };
    Ok(Prefix { compressed, len: u32::from_be_bytes(len) as usize })
}
