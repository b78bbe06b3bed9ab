//! Where in a table a field may stand, by its hash.

use alloc::vec::Vec;

/// Places that one hash may take.
const WAY_COUNT: usize = 4;
/// Table octets for each place: entries are seldom shorter.
const OCTETS_PER_PLACE: usize = 32;
/// A place that is free; an entry with this number is not found, which costs octets only.
const FREE: u32 = u32::MAX;

/// Numbers of entries in sets of a few places. It may forget an entry, and it may hold
/// one that has left the table: whoever asks compares octets.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: Vec<u32>,
}

impl Index {
    fn set(&self, hash: u32) -> usize {
        hash as usize & (self.places.len().saturating_sub(1) & !(WAY_COUNT - 1))
    }

    /// The first entry of its set that `fits`.
    pub(super) fn find<R>(&self, hash: u32, mut fits: impl FnMut(u32) -> Option<R>) -> Option<R> {
        let set: &[u32; WAY_COUNT] = self.places.get(self.set(hash)..)?.first_chunk()?;
        for number in set {
            if *number != FREE
                && let Some(found) = fits(*number)
            {
                return Some(found);
            }
        }
        None
    }

    /// Adds an entry, in the place of the oldest of its set.
    pub(super) fn insert(&mut self, hash: u32, number: u32, table_size_max: usize) {
        if self.places.is_empty() {
            let count = (table_size_max / OCTETS_PER_PLACE).next_power_of_two().max(WAY_COUNT);
            self.places.resize(count, FREE);
        }
        let at = self.set(hash);
        if let Some(set) = self.places.get_mut(at..at + WAY_COUNT) {
            set.rotate_right(1);
            set[0] = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_set_are_found() {
        let mut index = Index::default();
        assert_eq!(index.find(7, Some), None);
        (0..6).for_each(|number| index.insert(7, number, 4096));
        let all: Vec<u32> = (0..6).filter(|wanted| index.find(7, |n| (n == *wanted).then_some(())).is_some()).collect();
        assert_eq!(all, [2, 3, 4, 5]);
        assert_eq!(index.find(7, Some), Some(5), "the newest first");
        assert_eq!(index.find(0xffff_ff80, Some), None);
        index.insert(u32::MAX, 9, 4096);
        assert_eq!(index.find(u32::MAX, Some), Some(9));
    }
}
