//! The dynamic table (RFC 7541 §2.3.2): entries of octets, oldest out first.

use alloc::vec::Vec;
use core::ops::Range;

use super::ENTRY_OVERHEAD_LEN;

/// Octets of evicted entries that may stand in front before they are removed.
const DEAD_LEN_MIN: usize = 1024;
/// Slots of evicted entries that may stand in front before they are removed.
const DEAD_COUNT_MIN: usize = 32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<T> {
    start: usize,
    name_len: u32,
    value_len: u32,
    mark: T,
}

impl<T> Slot<T> {
    fn len(&self) -> usize {
        (self.name_len + self.value_len) as usize
    }
}

/// One entry: its name and value side by side, sliced when asked for.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a, T> {
    table: &'a [u8],
    start: usize,
    slot: &'a Slot<T>,
}

impl<'a, T: Copy> Entry<'a, T> {
    pub(super) fn mark(&self) -> T {
        self.slot.mark
    }

    /// Octets of name and value.
    pub(super) fn len(&self) -> usize {
        self.slot.len()
    }

    pub(super) fn name_len(&self) -> usize {
        self.slot.name_len as usize
    }

    /// Name and value without a boundary.
    pub(super) fn octets(&self) -> &'a [u8] {
        self.table.get(self.start..).and_then(|octets| octets.get(..self.slot.len())).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &'a [u8] {
        self.octets().get(..self.name_len()).unwrap_or_default()
    }

    pub(super) fn value(&self) -> &'a [u8] {
        self.octets().get(self.name_len()..).unwrap_or_default()
    }
}

/// A dynamic table whose entries carry a mark. Nothing is allocated for an entry by
/// itself: octets stand in one buffer, slots in another.
#[derive(Debug)]
pub(super) struct Ring<T> {
    octets: Vec<u8>,
    /// Offset of `octets[0]`: what was removed in front.
    base: usize,
    /// Oldest first; those before `first` have left the table.
    slots: Vec<Slot<T>>,
    first: usize,
    size: usize,
    size_max: usize,
    /// Entries that were ever inserted; each is named by its number in this count.
    inserted: u64,
    /// Counts changes: while it stands still, every index means what it meant.
    version: u64,
}

impl<T: Copy> Ring<T> {
    pub(super) fn new(size_max: usize) -> Self {
        Ring { octets: Vec::new(), base: 0, slots: Vec::new(), first: 0, size: 0, size_max, inserted: 0, version: 0 }
    }

    pub(super) fn size_max(&self) -> usize {
        self.size_max
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn set_size_max(&mut self, size_max: usize) {
        self.version += 1;
        self.size_max = size_max;
        self.evict(0);
        if self.size == 0 {
            self.base += self.octets.len();
            self.octets = Vec::new();
            self.slots = Vec::new();
            self.first = 0;
        }
    }

    /// Adds an entry as the newest, and names it; one that is too long empties the table
    /// (RFC 7541 §4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], mark: T) -> Option<u32> {
        self.version += 1;
        let size = name.len() + value.len() + ENTRY_OVERHEAD_LEN;
        self.evict(size);
        if size > self.size_max {
            return None;
        }
        let start = self.base + self.octets.len();
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.slots.push(Slot { start, name_len: name.len() as u32, value_len: value.len() as u32, mark });
        self.size += size;
        let number = self.inserted;
        self.inserted += 1;
        Some(number as u32)
    }

    /// Makes room for `size`.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.size_max {
            let Some(slot) = self.slots.get(self.first) else { break };
            self.size -= slot.len() + ENTRY_OVERHEAD_LEN;
            self.first += 1;
        }
        let live = self.slots.get(self.first).map_or(self.base + self.octets.len(), |slot| slot.start);
        let dead_len = live - self.base;
        if dead_len >= DEAD_LEN_MIN && dead_len * 2 >= self.octets.len() {
            self.octets.drain(..dead_len);
            self.base = live;
        }
        if self.first >= DEAD_COUNT_MIN && self.first * 2 >= self.slots.len() {
            self.slots.drain(..self.first);
            self.first = 0;
        }
    }

    /// The entry at `index`, 0 being the newest.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Entry<'_, T>> {
        if index >= self.slots.len() - self.first {
            return None;
        }
        let slot = self.slots.get(self.slots.len() - 1 - index)?;
        Some(Entry { table: &self.octets, start: slot.start - self.base, slot })
    }

    /// The numbers of the entries that are here, by the whole count.
    #[inline]
    pub(super) fn numbers(&self) -> Range<u64> {
        self.inserted - (self.slots.len() - self.first) as u64..self.inserted
    }

    /// The entry that has this number by the whole count, if it is still here.
    pub(super) fn entry(&self, number: u64) -> Option<Entry<'_, T>> {
        self.get(usize::try_from(self.inserted.checked_sub(number)?.checked_sub(1)?).ok()?)
    }

    /// The index of the entry with this number, if it is still here.
    #[inline]
    pub(super) fn index_of(&self, number: u32) -> Option<usize> {
        let index = (self.inserted as u32).wrapping_sub(number).wrapping_sub(1) as usize;
        (index < self.slots.len() - self.first).then_some(index)
    }

    /// The entry with this number, and the index at which it stands, if it is still here.
    #[inline]
    pub(super) fn numbered(&self, number: u32) -> Option<(usize, Entry<'_, T>)> {
        let index = self.index_of(number)?;
        Some((index, self.get(index)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_first_and_the_oldest_leaves() {
        let mut ring = Ring::new(2 * 34);
        ring.insert(b"a", b"1", 1);
        ring.insert(b"b", b"2", 2);
        ring.insert(b"c", b"3", 3);
        let marks: Vec<_> = (0..3).filter_map(|n| ring.get(n).map(|e| (e.name().to_vec(), e.mark()))).collect();
        assert_eq!(marks, [(b"c".to_vec(), 3), (b"b".to_vec(), 2)]);
        assert_eq!(ring.size(), 68);
    }

    #[test]
    fn an_entry_that_is_too_long_empties_the_table() {
        let mut ring = Ring::new(40);
        ring.insert(b"a", b"1", ());
        ring.insert(b"name", b"a value that is long", ());
        assert_eq!(ring.size(), 0);
        assert!(ring.get(0).is_none());
    }

    #[test]
    fn memory_stays_bounded_through_many_insertions() {
        let mut ring = Ring::new(4096);
        for n in 0..100_000u32 {
            ring.insert(b"name", &n.to_be_bytes(), n);
            assert_eq!(ring.get(0).map(|e| e.mark()), Some(n));
        }
        assert!(ring.octets.capacity() < 16 * 1024 && ring.slots.capacity() < 1024);
        let (index, entry) = ring.numbered(99_990).unwrap();
        assert_eq!((index, entry.value()), (9, &99_990u32.to_be_bytes()[..]));
        assert!(ring.numbered(99_000).is_none() && ring.numbered(100_000).is_none());
    }
}
