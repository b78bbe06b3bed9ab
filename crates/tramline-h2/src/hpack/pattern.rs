//! How a section was written, so that the next one that is written alike need not be decoded
//! again: peers repeat themselves, but for a timeout or an identifier.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::block::Tally;
use super::decoder::{BlockLimits, Strings};
use super::field::FieldKind;
use super::ring::Ring;
use super::static_table::{self, STATIC_TABLE};
use super::{ENTRY_OVERHEAD_LEN, integer};

/// Longer sections are not remembered.
const WIRE_LEN_MAX: usize = 2 * 1024;
const STEP_COUNT_MAX: usize = 48;
/// After so many sections with fresh values the next one is learnt anew: what changed once,
/// a token for one, may have come to rest.
const USE_COUNT_MAX: u16 = 4096;
/// No version of a table: no section is the same as the last.
const NO_VERSION: u64 = u64::MAX;

/// How one field is written.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// By an index into the static table.
    Static(usize),
    /// By the index of the dynamic entry with this number.
    Dynamic(u64),
    /// By a literal, or by the index of the entry that one made.
    Literal,
}

/// Where in a block a string's octets stand (RFC 7541 §5.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) is_huffman: bool,
}

impl Spot {
    /// Takes the string in front of `rest`, which is the end of a block of so many octets.
    #[inline]
    fn take(rest: &mut &[u8], block_len: usize) -> Option<Spot> {
        let first = *rest.first()?;
        let len = match first & 0x7f {
            0x7f => integer::decode(rest, 7)?,
            len => {
                *rest = rest.get(1..)?;
                usize::from(len)
            }
        };
        let start = block_len - rest.len();
        *rest = rest.get(len..)?;
        Some(Spot { start, len, is_huffman: first & 0x80 != 0 })
    }

    /// The most that its octets can be: the shortest code of Huffman's has five bits.
    fn len_max(self) -> usize {
        2 * self.len
    }
}

/// What the section at hand has in the place of a literal.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// The value that was there at first, and nothing to do.
    Same,
    /// That value, to be inserted into the table again.
    Again(Spot),
    /// Another value, which stands there in the block.
    Value(Spot),
    /// The value of the entry with this number, whose name is the same.
    Entry(u64),
}

/// A field that came as a literal.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    /// Which of the section's fields it is.
    pub(super) field: usize,
    /// The first octet's bits above the index.
    form: u8,
    /// The name: as it is, and as it was spelled on the wire, if it was.
    pub(super) name: Range<usize>,
    spelled: Range<usize>,
    /// The entry that lent the name to the section at hand.
    pub(super) lender: Option<u64>,
    value: Range<usize>,
    /// The entry that it became.
    pub(super) number: Option<u64>,
    /// The value was another one since: it is always looked at.
    pub(super) is_fresh: bool,
    /// What the field was at first, and its name and value counted together.
    pub(super) kind: FieldKind,
    pub(super) len: usize,
    /// Where its value was put, if its octets were kept.
    pub(super) place: Range<usize>,
    pub(super) found: Found,
    /// The value's string in the block at hand, and in the last one that was kept.
    seen: Range<usize>,
    kept: Range<usize>,
}

const FORM_INSERTED: u8 = 0x40;

impl Literal {
    pub(super) fn is_inserted(&self) -> bool {
        self.form == FORM_INSERTED
    }

    /// Reads the octets of this field from the front of `rest`: a literal of the same form and
    /// name, or an index of a field with this name. Such a literal stands `at` in the block.
    fn find<T: Copy>(&mut self, rest: &mut &[u8], learnt: &Learnt<'_>, table: &Bounds<'_, T>) -> Option<()> {
        let first = *rest.first()?;
        if first & 0x80 != 0 {
            return self.find_entry(rest, learnt, table);
        }
        if form(first) != self.form {
            return None;
        }
        self.lender = None;
        if first == self.form {
            *rest = self.strip_name(rest.get(1..)?, learnt)?;
        } else {
            let index = integer::decode(rest, prefix_bits(first))?;
            let name = match static_table::get(index) {
                Some((name, _)) => name,
                None => {
                    let number = table.number_of(index)?;
                    self.lender = Some(number);
                    table.ring.entry(number)?.name()
                }
            };
            (name == learnt.names.get(self.name.clone())?).then_some(())?;
        }
        let before = *rest;
        let start = learnt.block_len - before.len();
        let spot = Spot::take(rest, learnt.block_len)?;
        self.seen = start..learnt.block_len - rest.len();
        let is_same = !self.is_fresh && learnt.wire.get(self.value.clone()) == before.get(..self.seen.len());
        self.found = match (is_same, self.is_inserted()) {
            (true, false) => Found::Same,
            (true, true) => Found::Again(spot),
            (false, _) if self.kind.is_pseudo() => return None,
            (false, _) => Found::Value(spot),
        };
        Some(())
    }

    /// What follows the name, which is spelled.
    fn strip_name<'i>(&self, rest: &'i [u8], learnt: &Learnt<'_>) -> Option<&'i [u8]> {
        if !self.spelled.is_empty() {
            return rest.strip_prefix(learnt.wire.get(self.spelled.clone())?);
        }
        let (&len, rest) = rest.split_first()?;
        let name = learnt.names.get(self.name.clone())?;
        // One octet is the length of a name without Huffman's code.
        (usize::from(len) == name.len() && len < 0x7f).then_some(())?;
        rest.strip_prefix(name)
    }

    fn find_entry<T: Copy>(&mut self, rest: &mut &[u8], learnt: &Learnt<'_>, table: &Bounds<'_, T>) -> Option<()> {
        let number = table.number_of(take_index(rest)?)?;
        self.lender = None;
        if self.number == Some(number) && !self.is_fresh {
            self.found = Found::Same;
            return Some(());
        }
        let entry = table.ring.entry(number)?;
        if self.kind.is_pseudo() || entry.name() != learnt.names.get(self.name.clone())? {
            return None;
        }
        self.found = Found::Entry(number);
        Some(())
    }
}

/// What literals are compared with.
struct Learnt<'a> {
    wire: &'a [u8],
    names: &'a [u8],
    block_len: usize,
}

/// Which entries the indices of a block mean, while it is read.
struct Bounds<'a, T> {
    ring: &'a Ring<T>,
    /// The dynamic index that the entry number 0 would have.
    base: u64,
}

impl<T: Copy> Bounds<'_, T> {
    /// The entry that this index means, if it was there before the block.
    fn number_of(&self, index: usize) -> Option<u64> {
        let number = self.base.checked_sub(index as u64)?;
        (index > STATIC_TABLE.len() && self.ring.numbers().contains(&number)).then_some(number)
    }
}

fn form(first: u8) -> u8 {
    match first {
        0x40.. => FORM_INSERTED,
        _ => first & 0xf0,
    }
}

/// The bits of a literal's first octet that are its name's index (RFC 7541 §6.2).
pub(super) fn prefix_bits(first: u8) -> u32 {
    if first >= FORM_INSERTED { 6 } else { 4 }
}

/// An index of RFC 7541 §6.1.
#[inline]
fn take_index(rest: &mut &[u8]) -> Option<usize> {
    match *rest {
        [first @ 0x80..=0xfe, after @ ..] => {
            *rest = after;
            Some(usize::from(first & 0x7f))
        }
        [0xff, ..] => integer::decode(rest, 7),
        _ => None,
    }
}

/// The literals of a section, and what they are made of.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) literals: Vec<Literal>,
    /// Those whose values are not what they were at first.
    pub(super) fresh: Vec<usize>,
    /// The strings as they came at first, and the names.
    wire: Vec<u8>,
    names: Vec<u8>,
}

impl Book {
    /// The literals that may have another value, and their names.
    pub(super) fn parts(&mut self) -> (&mut [Literal], &[usize], &[u8]) {
        (&mut self.literals, &self.fresh, &self.names)
    }

    fn is_too_long(&self) -> bool {
        self.wire.len() + self.names.len() > WIRE_LEN_MAX
    }
}

/// How the section in a block was written.
#[derive(Debug)]
pub(super) struct Pattern {
    steps: Vec<Step>,
    book: Option<Box<Book>>,
    /// The last section that left the table as it was, and the version that it needs.
    last: Vec<u8>,
    last_version: u64,
    /// The section at hand is the last one, but for the values of fresh fields.
    pub(super) is_aligned: bool,
    /// Some value is another one than it was at first.
    pub(super) has_fresh: bool,
    /// Which one it is, of all that the decoder learnt.
    pub(super) number: u64,
    /// The oldest entry that it needs.
    oldest: u64,
    use_count: u16,
    pub(super) octets_len: usize,
    pub(super) tally: Tally,
}

impl Pattern {
    pub(super) const fn new() -> Self {
        Pattern {
            steps: Vec::new(),
            book: None,
            last: Vec::new(),
            last_version: NO_VERSION,
            is_aligned: false,
            has_fresh: false,
            number: 0,
            oldest: u64::MAX,
            use_count: 0,
            octets_len: 0,
            tally: Tally::NONE,
        }
    }

    pub(super) fn clear(&mut self) {
        self.steps.clear();
        self.last.clear();
        if let Some(book) = &mut self.book {
            book.literals.clear();
            book.fresh.clear();
            book.wire.clear();
            book.names.clear();
        }
        self.has_fresh = false;
        self.last_version = NO_VERSION;
        self.number = 0;
        self.oldest = u64::MAX;
        self.use_count = 0;
    }

    pub(super) fn shrink(&mut self) {
        *self = Pattern::new();
    }

    /// Whether `block` is what came last, and means the same.
    #[inline]
    pub(super) fn is_last(&self, block: &[u8], table_version: u64) -> bool {
        self.last_version == table_version && !self.has_fresh && self.last == block
    }

    /// Whether another section may be like it.
    pub(super) fn is_of_use<T: Copy>(&self, table: &Ring<T>) -> bool {
        self.number > 0 && self.use_count < USE_COUNT_MAX && self.oldest >= table.numbers().start
    }

    /// The fields whose values may be others than they were at first.
    pub(super) fn fresh(&self) -> impl Iterator<Item = usize> {
        let book = self.book.iter().filter(|_| self.has_fresh);
        book.flat_map(|book| book.fresh.iter().filter_map(|&at| Some(book.literals.get(at)?.field)))
    }

    /// A field came by an index into the static table.
    #[inline]
    pub(super) fn learn_static(&mut self, index: usize) {
        self.learn_step(Step::Static(index));
    }

    /// A field came by an index into the dynamic table, `at` of its entries behind the newest.
    #[inline]
    pub(super) fn learn_dynamic<T: Copy>(&mut self, at: usize, table: &Ring<T>) {
        let number = table.numbers().end.saturating_sub(1 + at as u64);
        self.oldest = self.oldest.min(number);
        self.learn_step(Step::Dynamic(number));
    }

    #[inline]
    fn learn_step(&mut self, step: Step) {
        if self.steps.len() <= STEP_COUNT_MAX {
            self.steps.push(step);
        }
    }

    /// A field came by a literal, whose first octet and strings these are.
    pub(super) fn learn_literal(&mut self, first: u8, strings: &Strings<'_>, kind: FieldKind, place: Range<usize>) {
        let book = self.book.get_or_insert_default();
        if book.is_too_long() || self.steps.len() > STEP_COUNT_MAX {
            return;
        }
        let (name, spelled) = (book.names.len(), book.wire.len());
        book.names.extend_from_slice(strings.name);
        book.wire.extend_from_slice(strings.name_wire);
        let value = book.wire.len();
        book.wire.extend_from_slice(strings.value_wire);
        book.literals.push(Literal {
            field: self.steps.len(),
            form: form(first),
            name: name..book.names.len(),
            spelled: spelled..value,
            lender: None,
            value: value..book.wire.len(),
            number: None,
            is_fresh: false,
            kind,
            len: strings.name.len() + strings.value.len(),
            place,
            found: Found::Same,
            seen: strings.value_at..strings.value_at + strings.value_wire.len(),
            kept: 0..0,
        });
        self.steps.push(Step::Literal);
    }

    /// The literal that came last.
    pub(super) fn last_literal(&mut self) -> Option<&mut Literal> {
        self.book.as_mut()?.literals.last_mut()
    }

    /// The section is whole: it is the decoder's pattern of this number, if it is not too long.
    pub(super) fn finish(&mut self, number: u64, section: &[u8], octets_len: usize, tally: Tally, version: u64) {
        let has_too_much = self.book.as_ref().is_some_and(|book| book.is_too_long());
        if has_too_much || self.steps.len() > STEP_COUNT_MAX {
            return self.shrink();
        }
        (self.number, self.octets_len, self.tally) = (number, octets_len, tally);
        if !self.literals().iter().any(Literal::is_inserted) {
            self.keep_last(section, version);
        }
    }

    fn literals(&self) -> &[Literal] {
        self.book.as_ref().map_or(&[], |book| &book.literals)
    }

    fn keep_last(&mut self, section: &[u8], version: u64) {
        self.last.clear();
        self.last.extend_from_slice(section);
        self.last_version = version;
        let literals = self.book.iter_mut().flat_map(|book| &mut book.literals);
        literals.for_each(|literal| literal.kept = literal.seen.clone());
    }

    /// Whether `block` is written like this, and is within the limits whatever its fresh values
    /// are. The literals know then what they found.
    pub(super) fn fits<T: Copy>(&mut self, block: &[u8], table: &Ring<T>, limits: &BlockLimits) -> bool {
        if !self.is_of_use(table) || self.steps.len() > limits.field_count_max {
            return false;
        }
        self.is_aligned = self.last_version == table.version() && self.has_fresh;
        if self.is_aligned && self.align(block, limits).is_some() {
            return true;
        }
        self.is_aligned = false;
        self.find(block, table, limits).is_some()
    }

    /// Compares what stands between the fresh values with the last section.
    fn align(&mut self, block: &[u8], limits: &BlockLimits) -> Option<()> {
        let Book { literals, fresh, .. } = self.book.as_deref_mut()?;
        let mut len_max = self.tally.list_len;
        let (mut behind, mut rest) = (0, block);
        for &at in &*fresh {
            let literal = literals.get_mut(at)?;
            rest = rest.strip_prefix(self.last.get(behind..literal.kept.start)?)?;
            behind = literal.kept.end;
            let spot = Spot::take(&mut rest, block.len())?;
            literal.found = Found::Value(spot);
            len_max += spot.len_max();
        }
        self.use_count += 1;
        (rest == self.last.get(behind..)? && len_max <= limits.list_len_max).then_some(())
    }

    /// Compares field by field. Indices may have moved, and literals become indices.
    #[inline(never)]
    fn find<T: Copy>(&mut self, block: &[u8], table: &Ring<T>, limits: &BlockLimits) -> Option<()> {
        let mut bounds = Bounds { ring: table, base: (STATIC_TABLE.len() as u64) + table.numbers().end };
        let mut literals: &mut [Literal] = &mut [];
        let mut learnt = Learnt { wire: &[], names: &[], block_len: block.len() };
        if let Some(book) = self.book.as_deref_mut() {
            literals = &mut book.literals;
            (learnt.wire, learnt.names) = (&book.wire, &book.names);
        }
        let mut literals = literals.iter_mut();
        let mut len_max = self.tally.list_len;
        let mut rest = block;
        for step in &self.steps {
            let index = match *step {
                Step::Static(index) => index as u64,
                Step::Dynamic(number) => bounds.base - number,
                Step::Literal => {
                    let literal = literals.next()?;
                    literal.find(&mut rest, &learnt, &bounds)?;
                    let len = match literal.found {
                        Found::Same => continue,
                        Found::Again(spot) | Found::Value(spot) => {
                            bounds.base += u64::from(literal.is_inserted());
                            spot.len_max()
                        }
                        Found::Entry(number) => table.entry(number)?.len(),
                    };
                    len_max += len;
                    if literal.is_inserted() && literal.name.len() + len + ENTRY_OVERHEAD_LEN > table.size_max() {
                        return None;
                    }
                    continue;
                }
            };
            if index < 0x7f {
                let (&first, behind) = rest.split_first()?;
                (first == 0x80 | index as u8).then_some(())?;
                rest = behind;
            } else {
                (take_index(&mut rest)? as u64 == index).then_some(())?;
            }
        }
        (rest.is_empty() && len_max <= limits.list_len_max).then_some(())
    }

    /// The literals, until they are given back.
    pub(super) fn take_book(&mut self) -> Option<Box<Book>> {
        self.book.take()
    }

    pub(super) fn give_book(&mut self, book: Box<Book>) {
        self.book = Some(book);
    }

    /// Whether everything behind this field is still in the table.
    pub(super) fn is_whole_behind<T: Copy>(&self, field: usize, table: &Ring<T>) -> bool {
        let oldest = table.numbers().start;
        let is_there = |step: &Step| !matches!(*step, Step::Dynamic(number) if number < oldest);
        self.steps.get(field + 1..).is_none_or(|steps| steps.iter().all(is_there))
    }

    /// A section that fits was taken.
    pub(super) fn finish_use(&mut self, block: &[u8], version: u64) {
        let Some(book) = &mut self.book else { return self.keep_last(block, version) };
        book.fresh.clear();
        book.fresh.extend(book.literals.iter().enumerate().filter(|(_, literal)| literal.is_fresh).map(|(at, _)| at));
        self.has_fresh = !book.fresh.is_empty();
        self.use_count += u16::from(self.has_fresh);
        let leaves_table = book.literals.iter().all(|literal| match literal.found {
            Found::Same => true,
            Found::Value(_) => !literal.is_inserted(),
            Found::Again(_) | Found::Entry(_) => false,
        });
        self.last_version = NO_VERSION;
        if leaves_table {
            self.keep_last(block, version);
        }
    }
}
