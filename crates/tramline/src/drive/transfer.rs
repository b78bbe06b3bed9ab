//! Messages to envelopes and back: codec, compression, and the five octets in front.

use bytes::Bytes;
use tramline_call::codec::{Decode, Encode, Frame, Limits, SPLICE_LEN_MIN, Sink};
use tramline_call::envelope::{PREFIX_LEN, check_sent_len, prefix};
use tramline_call::{Encoding, Status};

use crate::compression;

/// How messages of one type are written, without its codec's type.
pub(crate) type EncodeFn<T> = fn(&T, &mut Sink<'_>) -> Result<(), Status>;

/// How to read messages of one type, without its codec's type.
#[derive(Clone, Copy)]
pub(crate) struct Decoder<T> {
    /// A message that lies in a buffer which is used again, as nearly all do. A slice comes in
    /// registers: a frame would be put together here and taken apart there.
    pub(crate) slice: fn(&[u8], &Limits) -> Result<T, Status>,
    pub(crate) frame: fn(Frame<'_>, &Limits) -> Result<T, Status>,
}

impl<T> Decoder<T> {
    /// By codec `C`.
    pub(crate) fn new<C: Decode<T> + Default>() -> Self {
        Decoder {
            slice: |octets, limits| C::default().decode(Frame::Slice(octets), *limits),
            frame: |frame, limits| C::default().decode(frame, *limits),
        }
    }
}

/// Long pieces and their places among the octets.
pub(crate) type Splices = Vec<(usize, Bytes)>;

/// How messages of one call are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packing {
    /// The encoding of messages that are compressed.
    pub(crate) encoding: Encoding,
    /// Whether the next message is compressed.
    pub(crate) is_compressed: bool,
    /// Longest message that may be sent, before compression.
    pub(crate) message_len_max: u32,
}

impl Packing {
    /// As they are, however long.
    pub(crate) const PLAIN: Packing =
        Packing { encoding: Encoding::Identity, is_compressed: false, message_len_max: u32::MAX };

    /// Compresses whatever `encoding` allows. A length that no prefix can hold is no limit.
    pub(crate) fn new(encoding: Encoding, message_len_max: usize) -> Packing {
        let message_len_max = u32::try_from(message_len_max).unwrap_or(u32::MAX);
        Packing { encoding, is_compressed: encoding != Encoding::Identity, message_len_max }
    }
}

/// Room for most messages, and for the reply, which takes the place of the request.
const ENVELOPE_CAPACITY_MIN: usize = 64;

/// One message behind its prefix: octets, or pieces where a long part was spliced in.
#[derive(Debug)]
pub(crate) struct Envelope {
    octets: Vec<u8>,
    pieces: Option<Vec<Bytes>>,
}

impl Envelope {
    pub(crate) fn into_parts(self) -> (Vec<u8>, Option<Vec<Bytes>>) {
        (self.octets, self.pieces)
    }

    /// Encodes `message` behind its prefix.
    pub(crate) fn encode<T, C: Encode<T>>(codec: C, message: &T, packing: Packing) -> Result<Envelope, Status> {
        let hint = codec.size_hint(message).unwrap_or(0);
        let mut octets = Vec::with_capacity((PREFIX_LEN + hint.min(SPLICE_LEN_MIN)).max(ENVELOPE_CAPACITY_MIN));
        let mut splices = Vec::new();
        encode_into(&mut octets, &mut splices, packing, |sink| codec.encode(message, sink))?;
        Ok(Envelope { pieces: cut(&mut octets, 0, splices), octets })
    }
}

/// Appends one message that is encoded already, behind its prefix.
pub(crate) fn wrap_into(
    out: &mut Vec<u8>,
    splices: &mut Splices,
    packing: Packing,
    message: Bytes,
) -> Result<(), Status> {
    encode_into(out, splices, packing, |sink| {
        sink.splice(message);
        Ok(())
    })
}

/// Appends one envelope to `out`; long pieces go to `splices` with their place in `out`.
#[inline]
pub(crate) fn encode_into(
    out: &mut Vec<u8>,
    splices: &mut Splices,
    packing: Packing,
    encode: impl FnOnce(&mut Sink<'_>) -> Result<(), Status>,
) -> Result<(), Status> {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_LEN]);
    let mut sink = Sink::new(out, splices);
    encode(&mut sink)?;
    let spliced_len = if splices.is_empty() { 0 } else { splices.iter().map(|(_, piece)| piece.len()).sum::<usize>() };
    let len = out.len() - start - PREFIX_LEN + spliced_len;
    check_sent_len(len, packing.message_len_max as usize)?;
    if packing.is_compressed && packing.encoding != Encoding::Identity {
        return compress_tail(out, splices, start, packing.encoding);
    }
    patch_prefix(out, start, false, len)
}

fn compress_tail(out: &mut Vec<u8>, splices: &mut Splices, start: usize, encoding: Encoding) -> Result<(), Status> {
    let mut plain = out.split_off(start + PREFIX_LEN);
    if !splices.is_empty() {
        let mut whole = Vec::with_capacity(plain.len());
        let mut taken = 0;
        for (at, piece) in splices.drain(..) {
            let at = at - start - PREFIX_LEN;
            whole.extend_from_slice(&plain[taken..at]);
            whole.extend_from_slice(&piece);
            taken = at;
        }
        whole.extend_from_slice(&plain[taken..]);
        plain = whole;
    }
    compression::compress(encoding, &plain, out)?;
    let len = out.len() - start - PREFIX_LEN;
    patch_prefix(out, start, true, len)
}

#[inline]
fn patch_prefix(out: &mut [u8], start: usize, compressed: bool, len: usize) -> Result<(), Status> {
    out[start..start + PREFIX_LEN].copy_from_slice(&prefix(compressed, len)?);
    Ok(())
}

/// Takes what begins at `start` off `octets`, in pieces cut at the places of `splices`; `None`
/// if there are none.
#[inline]
pub(crate) fn cut(octets: &mut Vec<u8>, start: usize, splices: Splices) -> Option<Vec<Bytes>> {
    if splices.is_empty() { None } else { Some(cut_some(octets, start, splices)) }
}

#[inline(never)]
fn cut_some(octets: &mut Vec<u8>, start: usize, splices: Splices) -> Vec<Bytes> {
    // They may wait for long, and hold all the memory they lie in: most of it is not to be empty.
    let own = if start == 0 && octets.len() >= octets.capacity() / 2 {
        std::mem::take(octets)
    } else {
        let own = octets[start..].to_vec();
        octets.truncate(start);
        own
    };
    let whole = Bytes::from(own);
    let mut pieces = Vec::with_capacity(splices.len() * 2 + 1);
    let mut taken = 0;
    for (at, piece) in splices {
        let at = at - start;
        if at > taken {
            pieces.push(whole.slice(taken..at));
        }
        pieces.push(piece);
        taken = at;
    }
    if taken < whole.len() {
        pieces.push(whole.slice(taken..));
    }
    pieces
}

/// Decodes one message, decompressing it first if its flag says so.
#[inline(always)]
pub(crate) fn decode<T>(
    frame: Frame<'_>,
    compressed: bool,
    encoding: Encoding,
    limits: &Limits,
    decode: impl FnOnce(Frame<'_>, &Limits) -> Result<T, Status>,
) -> Result<T, Status> {
    if !compressed {
        return decode(frame, limits);
    }
    let plain = compression::decompress(encoding, frame.contiguous(), limits.message_len_max)?;
    decode(Frame::Shared(Bytes::from(plain)), limits)
}

/// The encoder of `T` by codec `C`, as a plain function.
pub(crate) fn encode_fn<T, C: Encode<T> + Default>() -> EncodeFn<T> {
    |message, sink| C::default().encode(message, sink)
}
