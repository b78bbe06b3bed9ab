//! Reading a frame field by field, for message libraries that take a `bytes::Buf`.

use bytes::{Buf, Bytes};

use crate::codec::Frame;

/// A piece shorter than this is copied: a count of its owners costs as much.
const SHARED_LEN_MIN: usize = 1024;

/// A piece that is a smaller part of its frame than this is copied: it would keep the whole frame in memory for as
/// long as it lives.
const SHARED_PART_MIN: usize = 4;

/// A cursor over a frame. Pieces that are asked for as `Bytes` share the frame's memory where that pays.
#[derive(Debug)]
pub struct FrameReader<'a> {
    rest: &'a [u8],
    owner: Option<&'a Bytes>,
}

impl<'a> FrameReader<'a> {
    #[inline]
    pub(crate) fn new(frame: &'a Frame<'_>) -> Self {
        match frame {
            Frame::Slice(octets) => FrameReader { rest: octets, owner: None },
            Frame::Shared(octets) => FrameReader { rest: octets, owner: Some(octets) },
        }
    }
}

impl Buf for FrameReader<'_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.rest
    }

    /// # Panics
    /// `len` is more than what remains, as `Buf` has it.
    #[inline]
    fn advance(&mut self, len: usize) {
        self.rest = &self.rest[len..];
    }

    /// # Panics
    /// `len` is more than what remains, as `Buf` has it.
    #[inline]
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let (piece, rest) = self.rest.split_at(len);
        let bytes = match self.owner {
            Some(owner) if len >= SHARED_LEN_MIN => share_large(owner, owner.len() - self.rest.len(), piece),
            _ => Bytes::copy_from_slice(piece),
        };
        self.rest = rest;
        bytes
    }
}

/// The piece that begins at `start`.
#[inline(never)]
fn share_large(owner: &Bytes, start: usize, piece: &[u8]) -> Bytes {
    if piece.len() < owner.len() / SHARED_PART_MIN {
        return Bytes::copy_from_slice(piece);
    }
    owner.slice(start..start + piece.len())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn lies_within(piece: &Bytes, frame: &Bytes) -> bool {
        frame.as_ptr_range().contains(&piece.as_ptr())
    }

    #[test]
    fn a_large_piece_shares_and_a_small_one_does_not() {
        let octets = Bytes::from(vec![7; 8 * 1024]);
        let frame = Frame::Shared(octets.clone());
        let mut reader = frame.reader();
        reader.advance(1);
        let large = reader.copy_to_bytes(4 * 1024);
        let small = reader.copy_to_bytes(1024);
        assert!(lies_within(&large, &octets) && large.len() == 4 * 1024);
        assert!(!lies_within(&small, &octets) && small.len() == 1024);
        assert_eq!(reader.remaining(), 8 * 1024 - 1 - 5 * 1024);
    }

    #[test]
    fn a_frame_in_a_buffer_that_is_used_again_is_copied() {
        let octets = Bytes::from(vec![7; 8 * 1024]);
        let frame = Frame::Slice(&octets);
        let piece = frame.reader().copy_to_bytes(8 * 1024);
        assert!(!lies_within(&piece, &octets));
        assert_eq!(piece, octets);
    }
}
