//! The dynamic table (RFC 7541 §2.3.2): entries of octets, oldest out first.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ENTRY_OVERHEAD_LEN;

/// Octets of evicted entries that may stand in front before they are removed.
const DEAD_LEN_MIN: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Slot<T> {
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

/// One entry.
pub(super) struct Entry<'a, T> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) mark: T,
}

/// A dynamic table whose entries carry a mark. Nothing is allocated for an entry by
/// itself: octets stand in one buffer, slots in another.
#[derive(Debug)]
pub(super) struct Ring<T> {
    octets: Vec<u8>,
    /// Offset of `octets[0]`: what was removed in front.
    base: usize,
    slots: VecDeque<Slot<T>>,
    size: usize,
    size_max: usize,
}

impl<T: Copy> Ring<T> {
    pub(super) fn new(size_max: usize) -> Self {
        Ring { octets: Vec::new(), base: 0, slots: VecDeque::new(), size: 0, size_max }
    }

    pub(super) fn size_max(&self) -> usize {
        self.size_max
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn set_size_max(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(0);
        if self.slots.is_empty() {
            self.octets = Vec::new();
            self.slots = VecDeque::new();
        }
    }

    /// Adds an entry as the newest; one that is too long empties the table (RFC 7541 §4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], mark: T) {
        let size = name.len() + value.len() + ENTRY_OVERHEAD_LEN;
        self.evict(size);
        if size > self.size_max {
            return;
        }
        let start = self.base + self.octets.len();
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.slots.push_back(Slot { start, name_len: name.len() as u32, value_len: value.len() as u32, mark });
        self.size += size;
    }

    /// Makes room for `size`.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.size_max {
            let Some(slot) = self.slots.pop_front() else { break };
            self.size -= slot.len() + ENTRY_OVERHEAD_LEN;
        }
        let live = self.slots.front().map_or(self.base + self.octets.len(), |slot| slot.start);
        let dead = live - self.base;
        if dead >= DEAD_LEN_MIN && dead * 2 >= self.octets.len() {
            self.octets.drain(..dead);
            self.base = live;
        }
    }

    /// The entry at `index`, 0 being the newest.
    pub(super) fn get(&self, index: usize) -> Option<Entry<'_, T>> {
        let at = self.slots.len().checked_sub(index + 1)?;
        let slot = self.slots.get(at)?;
        let octets = self.octets.get(slot.start - self.base..)?.get(..slot.len())?;
        let (name, value) = octets.split_at(slot.name_len as usize);
        Some(Entry { name, value, mark: slot.mark })
    }

    /// The index of the newest entry whose mark and octets fit.
    pub(super) fn find(&self, is_marked: impl Fn(&T) -> bool, fits: impl Fn(&[u8], &[u8]) -> bool) -> Option<usize> {
        let newest_first = self.slots.iter().rev().enumerate();
        newest_first
            .filter(|(_, slot)| is_marked(&slot.mark))
            .map(|(index, _)| index)
            .find(|&index| self.get(index).is_some_and(|entry| fits(entry.name, entry.value)))
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
        let marks: Vec<_> = (0..3).filter_map(|n| ring.get(n).map(|e| (e.name.to_vec(), e.mark))).collect();
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
            assert_eq!(ring.get(0).map(|e| e.mark), Some(n));
        }
        assert!(ring.octets.capacity() < 16 * 1024);
        assert_eq!(ring.find(|_| true, |_, value| value == 99_990u32.to_be_bytes()), Some(9));
    }
}
