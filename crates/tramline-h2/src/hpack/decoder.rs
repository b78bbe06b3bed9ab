//! Field blocks to fields (RFC 7541 §3, §6).

use alloc::vec::Vec;
use core::fmt;

use super::block::{FieldBlock, Tally};
use super::field::{Classified, Classifier, FieldKind, kind, kind_again, section};
use super::pattern::{Book, Found, Literal, Spot, prefix_bits};
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

/// What a block is to the section before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Recognised {
    /// The very same.
    Same,
    /// Written alike.
    Alike,
    Not,
}

/// What stands beside a table entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<T> {
    token: T,
    kind: FieldKind,
    keep: bool,
    effect: section::Effect,
}

impl<T> Mark<T> {
    fn of<C: Classifier<Token = T>>(classifier: &C, name: &[u8], value: &[u8]) -> Self {
        Mark::new(classifier.classify(name, value), kind(name, value))
    }

    /// The same, where this are the kind and the token that the name has with another value.
    #[inline]
    fn again<C: Classifier<Token = T>>(classifier: &C, before: (FieldKind, T), name: &[u8], value: &[u8]) -> Self {
        Mark::new(classifier.classify_again(before.1, name, value), kind_again(before.0, name, value))
    }

    #[inline]
    fn new(Classified { token, keep }: Classified<T>, kind: FieldKind) -> Self {
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

/// A literal's strings: what they are, and how they came.
pub(super) struct Strings<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Empty if the name is that of an entry.
    pub(super) name_wire: &'a [u8],
    pub(super) value_wire: &'a [u8],
    /// Where in the section that is.
    pub(super) value_at: usize,
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
    /// Sections that were learnt; each is named by its number in this count.
    learnt_count: u64,
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
            learnt_count: 0,
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
        let recognised = self.recognise(block, &limits, out);
        self.decode_recognised(recognised, block, limits, out)
    }

    /// Decodes a block that was [recognised](Self::recognise) by what is in `out`.
    #[inline(always)]
    pub(crate) fn decode_recognised(
        &mut self,
        recognised: Recognised,
        block: &[u8],
        limits: BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        match recognised {
            Recognised::Same => Ok(()),
            Recognised::Alike => self.decode_alike(block, out),
            Recognised::Not => self.decode_anew(block, limits, out),
        }
    }

    /// Whether `block` is written as the last section in `out` was: nothing of it changes by that.
    #[inline]
    pub(crate) fn recognise(&self, block: &[u8], limits: &BlockLimits, out: &mut FieldBlock<C::Token>) -> Recognised {
        // A block that must begin with a size update is like no other.
        if self.awaits_size_update {
            return Recognised::Not;
        }
        if out.pattern.is_last(block, self.table.version()) {
            return Recognised::Same;
        }
        if out.pattern.fits(block, &self.table, limits) { Recognised::Alike } else { Recognised::Not }
    }

    /// Whether any other block can be like the last section in `out`.
    pub(crate) fn may_recognise(&self, out: &FieldBlock<C::Token>) -> bool {
        out.pattern.is_of_use(&self.table)
    }

    /// Takes a block that was recognised as like the last section in `out`.
    #[inline(always)]
    fn decode_alike(&mut self, block: &[u8], out: &mut FieldBlock<C::Token>) -> Result<(), HpackError> {
        // A section without literals has all that it had.
        let Some(mut book) = out.pattern.take_book() else {
            out.begin_alike();
            out.pattern.finish_use(block, self.table.version());
            return Ok(());
        };
        let is_aligned = out.pattern.is_aligned;
        let taken = match is_aligned {
            true => self.take_fresh(block, &mut book, out),
            false => self.take_literals(block, &mut book, out),
        };
        out.pattern.give_book(book);
        match taken {
            Ok(()) if is_aligned => {}
            Ok(()) => out.pattern.finish_use(block, self.table.version()),
            Err(_) => out.clear(),
        }
        taken
    }

    /// The values of a section that is the last one but for them.
    #[inline]
    fn take_fresh(&mut self, block: &[u8], book: &mut Book, out: &mut FieldBlock<C::Token>) -> Result<(), HpackError> {
        out.begin_alike();
        let mut is_other = false;
        let (literals, fresh, names) = book.parts();
        for &at in fresh {
            let Some(literal) = literals.get_mut(at) else { continue };
            let Found::Value(spot) = literal.found else { continue };
            let name = names.get(literal.name.clone()).unwrap_or_default();
            let (kind, len) = self.take_value(block, spot, name, literal, out)?;
            out.tally.list_len = out.tally.list_len + len - literal.len;
            is_other |= kind != literal.kind;
        }
        if is_other {
            out.tally_again();
        }
        Ok(())
    }

    #[inline(never)]
    fn take_literals(
        &mut self,
        block: &[u8],
        book: &mut Book,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        out.begin_alike();
        let mut is_other = false;
        let (literals, _, names) = book.parts();
        for literal in literals {
            let name = names.get(literal.name.clone()).unwrap_or_default();
            self.take_literal(block, name, literal, out)?;
            is_other |= out.kind(literal.field) != Some(literal.kind);
        }
        if is_other {
            out.tally_again();
        }
        Ok(())
    }

    fn take_literal(
        &mut self,
        block: &[u8],
        name: &[u8],
        literal: &mut Literal,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        // What an insertion of this very block threw out is not there any more.
        let is_gone = |number: Option<u64>| number.is_some_and(|number| number < self.table.numbers().start);
        if is_gone(literal.lender) {
            return Err(HpackError::InvalidIndex);
        }
        let len = match literal.found {
            Found::Same if is_gone(literal.number) => return Err(HpackError::InvalidIndex),
            Found::Same => return Ok(()),
            Found::Again(spot) => return self.take_value(block, spot, name, literal, out).map(|_| ()),
            Found::Value(spot) => self.take_value(block, spot, name, literal, out)?.1,
            Found::Entry(number) => {
                let entry = self.table.entry(number).ok_or(HpackError::InvalidIndex)?;
                let mark = entry.mark();
                match mark.keep {
                    true => out.replace(literal, (mark.kind, mark.token), name, entry.value()),
                    false => out.replace_token(literal, (mark.kind, mark.token)),
                }
                entry.len()
            }
        };
        literal.is_fresh = true;
        out.tally.list_len = out.tally.list_len + len - literal.len;
        Ok(())
    }

    /// The value of a literal that is not what it was, or that is inserted again: the kind of
    /// the field, and its length.
    #[inline(always)]
    fn take_value(
        &mut self,
        block: &[u8],
        spot: Spot,
        name: &[u8],
        literal: &mut Literal,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(FieldKind, usize), HpackError> {
        let mut value = block.get(spot.start..spot.start + spot.len).unwrap_or_default();
        if spot.is_huffman {
            unpack(value, &mut self.scratch.value)?;
            value = &self.scratch.value;
        }
        let before = out.mark_of(literal.field).unwrap_or((literal.kind, C::Token::default()));
        let mark = Mark::again(&self.classifier, before, name, value);
        if mark.keep {
            out.replace(literal, (mark.kind, mark.token), name, value);
        } else {
            out.replace_token(literal, (mark.kind, mark.token));
        }
        let len = name.len() + value.len();
        if literal.is_inserted() {
            let start = self.table.numbers().start;
            self.table.insert(name, value, mark);
            literal.number = Some(self.table.numbers().end - 1);
            if self.table.numbers().start != start && !out.pattern.is_whole_behind(literal.field, &self.table) {
                return Err(HpackError::InvalidIndex);
            }
        }
        if spot.is_huffman {
            self.shrink_scratch();
        }
        Ok((mark.kind, len))
    }

    /// Remembers how the section in `out` was written.
    fn learn(&mut self, section: &[u8], out: &mut FieldBlock<C::Token>) {
        self.learnt_count += 1;
        out.learn(self.learnt_count, section, self.table.version());
    }

    /// Decodes a block that is like no other.
    fn decode_anew(
        &mut self,
        block: &[u8],
        limits: BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        out.clear();
        let mut input = block;
        self.decode_size_updates(&mut input)?;
        let section = input;
        let has_size_update = section.len() < block.len();
        while let Some(&first) = input.first() {
            match first {
                0x80..=0xfe => self.decode_run(&mut input, &limits, out)?,
                0xff => {
                    let index = integer::decode(&mut input, 7).ok_or(HpackError::Malformed)?;
                    let mut tally = out.tally;
                    self.push_indexed(index, &limits, &mut tally, out)?;
                    out.tally = tally;
                }
                0x40.. => self.decode_literal(&mut input, section.len(), &limits, out)?,
                0x20.. => return Err(HpackError::InvalidSizeUpdate),
                _ => self.decode_literal(&mut input, section.len(), &limits, out)?,
            }
        }
        // The section may be known already, by one that came before: known twice, it would be taken
        // for the one and the other by turns.
        if has_size_update {
            out.pattern.shrink();
        } else {
            self.learn(section, out);
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
        out.pattern.learn_dynamic(at, &self.table);
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
        out.pattern.learn_static(index);
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
        section_len: usize,
        limits: &BlockLimits,
        out: &mut FieldBlock<C::Token>,
    ) -> Result<(), HpackError> {
        let first = input.first().copied().unwrap_or_default();
        let is_inserted = first & 0x40 != 0;
        let index = integer::decode(input, prefix_bits(first)).ok_or(HpackError::Malformed)?;
        let Scratch { name: name_buffer, value: value_buffer } = &mut self.scratch;
        let at_name = *input;
        let mut before = None;
        let name = match index.checked_sub(static_table::STATIC_TABLE.len() + 1) {
            _ if index == 0 => decode_string(input, name_buffer)?,
            None => static_table::get(index).ok_or(HpackError::InvalidIndex)?.0,
            Some(at) => {
                let entry = self.table.get(at).ok_or(HpackError::InvalidIndex)?;
                before = Some((entry.mark().kind, entry.mark().token));
                // An insertion may evict the very entry that lends its name (RFC 7541 §4.4).
                name_buffer.clear();
                name_buffer.extend_from_slice(entry.name());
                name_buffer
            }
        };
        let at_value = *input;
        let value = decode_string(input, value_buffer)?;
        let mark = match before {
            Some(before) => Mark::again(&self.classifier, before, name, value),
            None => Mark::of(&self.classifier, name, value),
        };
        out.tally.add(mark.effect, name.len() + value.len());
        let tally = out.tally;
        if !out.has_room(&tally, limits) {
            leave_out(out, limits, &tally)?;
        } else if mark.keep {
            out.push(mark.kind, mark.token, name, value);
        } else {
            out.push_token(mark.kind, mark.token);
        }
        let name_wire = &at_name[..at_name.len() - at_value.len()];
        let value_wire = &at_value[..at_value.len() - input.len()];
        let value_at = section_len - at_value.len();
        out.learn_literal(first, &Strings { name, value, name_wire, value_wire, value_at }, mark.kind);
        if is_inserted && self.table.insert(name, value, mark).is_some() {
            out.mark_inserted(self.table.numbers().end - 1);
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
    unpack(octets, buffer)?;
    Ok(buffer)
}

fn unpack(octets: &[u8], buffer: &mut Vec<u8>) -> Result<(), HpackError> {
    buffer.clear();
    huffman::decode(octets, buffer).ok_or(HpackError::InvalidHuffman)
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
