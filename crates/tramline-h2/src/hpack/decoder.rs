//! Field blocks to fields (RFC 7541 §3, §6).

use alloc::vec::Vec;
use core::fmt;

use super::block::{FieldBlock, Tally};
use super::field::{Classified, Classifier, FieldKind, kind, section};
use super::ring::Ring;
use super::static_table::{self, COMPLETE_COUNT};
use super::{huffman, integer};

/// Why a block, and with it the connection, is lost (RFC 9113 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HpackError {
    /// The block ends inside a field, or an integer is malformed.
    Malformed,
    /// An index names no entry (RFC 7541 §2.3.3).
    InvalidIndex,
    /// A Huffman string holds EOS or wrong padding (RFC 7541 §5.2).
    InvalidHuffman,
    /// A table size update is missing, too large, or not at the start (RFC 7541 §4.2).
    InvalidSizeUpdate,
    /// The section is longer than the hard limit.
    ListTooLong,
}

impl fmt::Display for HpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HpackError::Malformed => "a field is cut or malformed",
            HpackError::InvalidIndex => "an index names no entry",
            HpackError::InvalidHuffman => "a Huffman string is malformed",
            HpackError::InvalidSizeUpdate => "a table size update is missing or invalid",
            HpackError::ListTooLong => "the field section is far too long",
        })
    }
}

impl core::error::Error for HpackError {}

/// How much of a section is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockLimits {
    /// Above this length no more fields are kept, and the block is `oversize`.
    pub list_len_max: usize,
    /// Above this length decoding stops with [`HpackError::ListTooLong`].
    pub list_len_hard_max: usize,
    /// Above this count no more fields are kept, and the block is `oversize`.
    pub field_count_max: usize,
}

/// What stands beside a table entry.
#[derive(Clone, Copy, Debug)]
struct Mark<T> {
    token: T,
    kind: FieldKind,
    keep: bool,
    effect: section::Effect,
}

impl<T> Mark<T> {
    fn of<C: Classifier<Token = T>>(classifier: &C, name: &[u8], value: &[u8]) -> Self {
        let Classified { token, keep } = classifier.classify(name, value);
        let kind = kind(name, value);
        // Of this the engine itself wants the octets.
        let is_needed = kind == FieldKind::ContentLength;
        Mark { token, kind, keep: keep || is_needed, effect: kind.effect() }
    }
}

/// A literal's strings where Huffman needs them unpacked.
#[derive(Debug, Default)]
struct Scratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// The decoding side of one connection.
#[derive(Debug)]
pub struct Decoder<C: Classifier> {
    classifier: C,
    table: Ring<Mark<C::Token>>,
    /// Marks of the static entries with values of their own.
    complete: [Mark<C::Token>; COMPLETE_COUNT],
    scratch: Scratch,
    /// What we allow; the peer may choose less.
    size_max_allowed: usize,
    /// A lower limit took effect: the next block must begin with a size update.
    awaits_size_update: bool,
}

impl<C: Classifier> Decoder<C> {
    /// A decoder with an empty table of at most `table_size_max` octets.
    pub fn new(classifier: C, table_size_max: usize) -> Self {
        let complete = core::array::from_fn(|n| {
            let (name, value) = static_table::get(n + 1).unwrap_or_default();
            Mark::of(&classifier, name, value)
        });
        Decoder {
            classifier,
            // RFC 9113 §4.3.1: 4,096 until our SETTINGS are acknowledged.
            table: Ring::new(4096),
            complete,
            scratch: Scratch::default(),
            size_max_allowed: table_size_max.max(4096),
            awaits_size_update: false,
        }
    }

    /// The classifier.
    pub fn classifier(&self) -> &C {
        &self.classifier
    }

    /// Octets in the table (RFC 7541 §4.1).
    pub fn table_size(&self) -> usize {
        self.table.size()
    }

    /// Our SETTINGS_HEADER_TABLE_SIZE took effect.
    pub fn set_table_size_max(&mut self, size_max: usize) {
        self.size_max_allowed = size_max;
        self.awaits_size_update |= size_max < self.table.size_max();
    }

    /// Decodes one complete block into `out`, which is this decoder's alone. The table
    /// keeps step whatever the single fields are.
    ///
    /// # Errors
    /// The table can no longer be in step with the peer's, or the section is over the
    /// hard limit: the connection is lost.
    pub fn decode(
        &mut self,
        block: &[u8],
        limits: BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let front_len = self.front_version().map_or(0, |version| out.begin(block, version));
        if front_len == 0 {
            out.clear();
        }
        self.decode_behind(front_len, block, limits, out)
    }

    /// The version of the table, unless the next block must begin with a size update, and so
    /// repeats no other.
    #[inline]
    pub(crate) fn front_version(&self) -> Option<u64> {
        (!self.awaits_size_update).then_some(self.table.version())
    }

    /// Decodes what is behind the front of a block that `out` holds already.
    pub(crate) fn decode_behind(
        &mut self,
        front_len: usize,
        block: &[u8],
        limits: BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let mut input = block.get(front_len..).unwrap_or_default();
        if front_len == 0 {
            self.decode_size_updates(&mut input)?;
        }
        while let Some(&first) = input.first() {
            match first {
                0x80..=0xfe => {
                    let before = input;
                    self.decode_run(&mut input, &limits, out)?;
                    if before.len() == block.len() {
                        out.remember_front(&before[..before.len() - input.len()], self.table.version());
                    }
                }
                0xff => {
                    let index = integer::decode(&mut input, 7).ok_or(HpackError::Malformed)?;
                    let mut tally = out.tally;
                    self.push_indexed(index, &limits, &mut tally, out)?;
                    out.tally = tally;
                }
                0x40.. => self.decode_literal(&mut input, 6, true, &limits, out)?,
                0x20.. => return Err(HpackError::InvalidSizeUpdate),
                _ => self.decode_literal(&mut input, 4, false, &limits, out)?,
            }
        }
        Ok(())
    }

    /// Fields whose indices are one octet each, which is what most blocks are made of:
    /// the sums stay in registers.
    #[inline(never)]
    fn decode_run(
        &self,
        input: &mut &[u8],
        limits: &BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let mut rest = *input;
        let mut tally = out.tally;
        while let [first @ 0x80..=0xfe, after @ ..] = rest {
            rest = after;
            self.push_indexed(usize::from(first & 0x7f), limits, &mut tally, out)?;
        }
        out.tally = tally;
        *input = rest;
        Ok(())
    }

    /// RFC 7541 §4.2, §6.3: at the start of a block, and not above what we allow.
    #[inline]
    fn decode_size_updates(&mut self, input: &mut &[u8]) -> Result<(), HpackError> {
        let is_update = input.first().is_some_and(|first| first & 0xe0 == 0x20);
        if is_update || self.awaits_size_update { self.take_size_updates(input) } else { Ok(()) }
    }

    #[inline(never)]
    fn take_size_updates(&mut self, input: &mut &[u8]) -> Result<(), HpackError> {
        let mut has_some = false;
        while input.first().is_some_and(|first| first & 0xe0 == 0x20) {
            let size_max = integer::decode(input, 5).ok_or(HpackError::Malformed)?;
            if size_max > self.size_max_allowed {
                return Err(HpackError::InvalidSizeUpdate);
            }
            self.table.set_size_max(size_max);
            has_some = true;
        }
        if self.awaits_size_update && !has_some {
            return Err(HpackError::InvalidSizeUpdate);
        }
        self.awaits_size_update = false;
        Ok(())
    }

    /// RFC 7541 §6.1.
    #[inline(always)]
    fn push_indexed(
        &self,
        index: usize,
        limits: &BlockLimits,
        tally: &mut Tally,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let Some(at) = index.checked_sub(static_table::STATIC_TABLE.len() + 1) else {
            return self.push_static(index, limits, tally, out);
        };
        let entry = self.table.get(at).ok_or(HpackError::InvalidIndex)?;
        let mark = entry.mark();
        tally.add(mark.effect, entry.len());
        if !out.has_room(tally, limits) {
            return leave_out(out, limits, tally);
        }
        if mark.keep {
            out.push_joined(mark.kind, mark.token, entry.octets(), entry.name_len());
        } else {
            out.push_token(mark.kind, mark.token);
        }
        Ok(())
    }

    #[inline(always)]
    fn push_static(
        &self,
        index: usize,
        limits: &BlockLimits,
        tally: &mut Tally,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let (name, value) = static_table::get(index).ok_or(HpackError::InvalidIndex)?;
        let mark = match self.complete.get(index - 1) {
            Some(mark) => *mark,
            None => self.mark_static(name, value),
        };
        tally.add(mark.effect, name.len() + value.len());
        if !out.has_room(tally, limits) {
            return leave_out(out, limits, tally);
        }
        if mark.keep {
            out.push(mark.kind, mark.token, name, value);
        } else {
            out.push_token(mark.kind, mark.token);
        }
        Ok(())
    }

    /// A static entry without a value of its own, which peers hardly ever refer to.
    #[cold]
    #[inline(never)]
    fn mark_static(&self, name: &[u8], value: &[u8]) -> Mark<C::Token> {
        Mark::of(&self.classifier, name, value)
    }

    /// RFC 7541 §6.2.
    #[inline(never)]
    fn decode_literal(
        &mut self,
        input: &mut &[u8],
        prefix_bits: u32,
        is_inserted: bool,
        limits: &BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let index = integer::decode(input, prefix_bits).ok_or(HpackError::Malformed)?;
        let Scratch { name: name_buffer, value: value_buffer } = &mut self.scratch;
        let name = match index.checked_sub(static_table::STATIC_TABLE.len() + 1) {
            _ if index == 0 => decode_string(input, name_buffer)?,
            None => static_table::get(index).ok_or(HpackError::InvalidIndex)?.0,
            Some(at) => {
                // An insertion may evict the very entry that lends its name (RFC 7541 §4.4).
                name_buffer.clear();
                name_buffer.extend_from_slice(self.table.get(at).ok_or(HpackError::InvalidIndex)?.name());
                name_buffer
            }
        };
        let value = decode_string(input, value_buffer)?;
        let mark = Mark::of(&self.classifier, name, value);
        out.tally.add(mark.effect, name.len() + value.len());
        let tally = out.tally;
        if !out.has_room(&tally, limits) {
            leave_out(out, limits, &tally)?;
        } else if mark.keep {
            out.push(mark.kind, mark.token, name, value);
        } else {
            out.push_token(mark.kind, mark.token);
        }
        if is_inserted {
            self.table.insert(name, value, mark);
        }
        self.shrink_scratch();
        Ok(())
    }

    fn shrink_scratch(&mut self) {
        const KEPT_MAX: usize = 1024;
        if self.scratch.value.capacity() > KEPT_MAX {
            self.scratch.value = Vec::new();
        }
        if self.scratch.name.capacity() > KEPT_MAX {
            self.scratch.name = Vec::new();
        }
    }
}

/// A string literal (RFC 7541 §5.2), where it stands or unpacked into `buffer`.
fn decode_string<'a, 'i: 'a>(input: &mut &'i [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], HpackError> {
    let is_huffman = input.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::decode(input, 7).ok_or(HpackError::Malformed)?;
    let (octets, rest) = input.split_at_checked(len).ok_or(HpackError::Malformed)?;
    *input = rest;
    if !is_huffman {
        return Ok(octets);
    }
    buffer.clear();
    huffman::decode(octets, buffer).ok_or(HpackError::InvalidHuffman)?;
    Ok(buffer)
}

fn leave_out<T: Copy>(out: &mut FieldBlock<T>, limits: &BlockLimits, tally: &Tally) -> Result<(), HpackError> {
    if out.leave_out(tally, limits) { Ok(()) } else { Err(HpackError::ListTooLong) }
}

#[cfg(test)]
mod tests {
    use super::super::Opaque;
    use super::*;

    #[test]
    fn a_missing_size_update_is_found_in_a_block_that_repeats_another() {
        let mut decoder = Decoder::new(Opaque, 4096);
        let limits = BlockLimits { list_len_max: 1000, list_len_hard_max: 4000, field_count_max: 10 };
        let mut fields = FieldBlock::new();
        for _ in 0..2 {
            assert_eq!(decoder.decode(&[0x82], limits, &mut fields), Ok(()));
        }
        decoder.set_table_size_max(100);
        assert_eq!(decoder.decode(&[0x82], limits, &mut fields), Err(HpackError::InvalidSizeUpdate));
    }
}
