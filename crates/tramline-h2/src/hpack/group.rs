//! Fields that go out together, whose indices are kept: as long as the entries that they mean
//! are in the table, nobody looks at the fields.

use alloc::vec::Vec;
use core::ops::Range;

use super::ring::Ring;
use super::static_table::STATIC_TABLE;

/// Groups that are remembered of each place: methods that are called by turns.
const COUNT_MAX: usize = 16;
/// Places of a section whose groups are remembered.
const PLACE_COUNT_MAX: usize = 4;
/// Groups of more fields, and of longer keys, are not remembered.
const FIELD_COUNT_MAX: usize = 16;
const TEXT_LEN_MAX: usize = 512;

/// The octets of RFC 7541 §6.1 that are a whole index: the dynamic table begins at the second,
/// and the last is the highest that has no octet behind it.
const INDEX_MIN: u8 = 0x80;
const DYNAMIC_MIN: u8 = INDEX_MIN + STATIC_TABLE.len() as u8 + 1;
const INDEX_MAX: u8 = 0xfe;
/// A group of static fields alone.
const NO_ENTRY: u64 = u64::MAX;

/// What a group of fields is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupKey<'a> {
    /// Which of the groups of its section it is, counted from 0.
    pub place: usize,
    /// What is no text.
    pub kind: u64,
    /// The texts.
    pub texts: [&'a [u8]; 2],
}

#[derive(Debug)]
struct Group {
    kind: u64,
    /// The first text's length, and both.
    split: usize,
    texts: Vec<u8>,
    /// The fields' indices, as they were when so many entries had been inserted.
    wire: [u8; FIELD_COUNT_MAX],
    len: usize,
    inserted: u64,
    /// The table's version for which that was looked at last.
    version: u64,
    /// The oldest entry that they mean, by the whole count.
    oldest: u64,
}

impl GroupKey<'_> {
    fn text_len(&self) -> usize {
        self.texts.iter().map(|text| text.len()).sum()
    }
}

impl Group {
    fn new(key: &GroupKey<'_>, wire: &[u8], table: &Ring<()>) -> Self {
        let inserted = table.numbers().end;
        let highest = wire.iter().copied().max().filter(|index| *index >= DYNAMIC_MIN);
        let mut group = Group {
            kind: key.kind,
            split: key.texts[0].len(),
            texts: key.texts.concat(),
            wire: [0; FIELD_COUNT_MAX],
            len: wire.len(),
            inserted,
            version: table.version(),
            oldest: highest.map_or(NO_ENTRY, |highest| inserted - 1 - u64::from(highest - DYNAMIC_MIN)),
        };
        group.wire[..wire.len()].copy_from_slice(wire);
        group
    }

    #[inline(always)]
    fn is(&self, key: &GroupKey<'_>) -> bool {
        let [first, second] = key.texts;
        if self.kind != key.kind || self.split != first.len() {
            return false;
        }
        let (own_first, own_second) = self.texts.split_at(self.split);
        is_same(own_first, first) && is_same(own_second, second)
    }

    /// Whether the indices mean what they meant, once they are moved.
    fn is_whole(&mut self, table: &Ring<()>) -> bool {
        let Range { start, end } = table.numbers();
        if self.oldest < start || !self.shift(end) {
            return false;
        }
        self.version = table.version();
        true
    }

    /// So many entries were inserted: those of the group moved. False, and nothing happens, if
    /// an index is longer than an octet with that.
    fn shift(&mut self, inserted: u64) -> bool {
        if self.oldest != NO_ENTRY && inserted - self.oldest > u64::from(INDEX_MAX - DYNAMIC_MIN) + 1 {
            return false;
        }
        let count = (inserted - self.inserted) as u8;
        let indices = self.wire.iter_mut().take(self.len);
        indices.filter(|index| **index >= DYNAMIC_MIN).for_each(|index| *index += count);
        self.inserted = inserted;
        true
    }
}

/// The groups of one encoder, by their places.
#[derive(Debug, Default)]
pub(super) struct Groups {
    lanes: Vec<Lane>,
}

impl Groups {
    /// Puts the group's fields behind `out`, if they are known, and all in the table still.
    #[inline(always)]
    pub(super) fn write(&mut self, key: &GroupKey<'_>, table: &Ring<()>, out: &mut Vec<u8>) -> bool {
        self.lanes.get_mut(key.place).is_some_and(|lane| lane.write(key, table, out))
    }

    /// Remembers a group that was written as `wire`, if that is short, and indices alone.
    #[inline(never)]
    pub(super) fn keep(&mut self, key: &GroupKey<'_>, wire: &[u8], table: &Ring<()>) {
        let are_indices = wire.iter().all(|octet| (INDEX_MIN..=INDEX_MAX).contains(octet));
        if !are_indices || wire.len() > FIELD_COUNT_MAX || key.text_len() > TEXT_LEN_MAX || key.place >= PLACE_COUNT_MAX
        {
            return;
        }
        if self.lanes.len() <= key.place {
            self.lanes.resize_with(key.place + 1, Lane::default);
        }
        self.lanes[key.place].keep(key, Group::new(key, wire, table));
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.lanes = Vec::new();
    }
}

/// The groups that stand at one place of their sections.
#[derive(Debug, Default)]
struct Lane {
    groups: Vec<Group>,
    /// The group that is looked at first.
    next: usize,
    /// The group that makes room next when there are too many.
    oldest: usize,
}

impl Lane {
    #[inline(always)]
    fn write(&mut self, key: &GroupKey<'_>, table: &Ring<()>, out: &mut Vec<u8>) -> bool {
        let Some(group) = self.groups.get(self.next) else { return false };
        if group.version == table.version() && group.is(key) {
            put(group, out);
            self.expect_behind(self.next);
            return true;
        }
        self.write_unexpected(key, table, out)
    }

    #[inline(never)]
    fn write_unexpected(&mut self, key: &GroupKey<'_>, table: &Ring<()>, out: &mut Vec<u8>) -> bool {
        let Some(at) = self.find(key) else { return false };
        self.expect_behind(at);
        let Some(group) = self.groups.get_mut(at) else { return false };
        let is_whole = group.is_whole(table);
        if is_whole {
            put(group, out);
        }
        is_whole
    }

    fn find(&self, key: &GroupKey<'_>) -> Option<usize> {
        self.groups.iter().position(|group| group.is(key))
    }

    /// Calls repeat themselves: the group behind this one is the likeliest.
    #[inline(always)]
    fn expect_behind(&mut self, at: usize) {
        self.next = if at + 1 < self.groups.len() { at + 1 } else { 0 };
    }

    fn keep(&mut self, key: &GroupKey<'_>, group: Group) {
        let at = self.find(key).unwrap_or_else(|| self.make_room());
        match self.groups.get_mut(at) {
            Some(place) => *place = group,
            None => self.groups.push(group),
        }
        self.expect_behind(at);
    }

    fn make_room(&mut self) -> usize {
        if self.groups.len() < COUNT_MAX {
            return self.groups.len();
        }
        let oldest = self.oldest;
        self.oldest = (oldest + 1) % COUNT_MAX;
        oldest
    }
}

/// To copy as many octets as are known beforehand costs less than as many as are there.
#[inline(always)]
fn put(group: &Group, out: &mut Vec<u8>) {
    let len = out.len() + group.len;
    out.extend_from_slice(&group.wire);
    out.truncate(len);
}

/// Whether two texts are the same: most are as long as one or two chunks, which may overlap.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0 => true,
        8..16 => has_same_ends::<8>(a, b),
        16..=32 => has_same_ends::<16>(a, b),
        _ => is_same_throughout(a, b),
    }
}

#[inline(always)]
fn has_same_ends<const LEN: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<LEN>() == b.first_chunk() && a.last_chunk::<LEN>() == b.last_chunk()
}

#[inline(never)]
fn is_same_throughout(a: &[u8], b: &[u8]) -> bool {
    a == b
}
