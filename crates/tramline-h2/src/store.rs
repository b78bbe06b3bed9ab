//! Streams by slot and by id.

use alloc::vec::Vec;

use crate::event::StreamKey;
use crate::stream::Stream;

/// No stream.
pub(crate) const NONE: u32 = u32::MAX;
const BUCKET_COUNT_MIN: usize = 16;

/// A slab of streams with an index of ids.
///
/// A peer's ids rise by two, so `id / 2` modulo the number of buckets spreads them
/// perfectly; a chain holds what a hostile choice makes collide, and is no longer
/// than the streams that may be open at once.
#[derive(Debug, Default)]
pub(crate) struct Store {
    slots: Vec<Option<Stream>>,
    free: Vec<u32>,
    buckets: Vec<u32>,
    len: usize,
}

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, stream: Stream) -> StreamKey {
        if self.len >= self.buckets.len() {
            self.grow();
        }
        let id = stream.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(stream);
                slot
            }
            None => {
                self.slots.push(Some(stream));
                (self.slots.len() - 1) as u32
            }
        };
        self.link(slot, id);
        self.len += 1;
        StreamKey { slot, id }
    }

    fn bucket(&self, id: u32) -> usize {
        (id >> 1) as usize & (self.buckets.len() - 1)
    }

    fn link(&mut self, slot: u32, id: u32) {
        let bucket = self.bucket(id);
        let next = core::mem::replace(&mut self.buckets[bucket], slot);
        if let Some(Some(stream)) = self.slots.get_mut(slot as usize) {
            stream.next_in_bucket = next;
        }
    }

    fn grow(&mut self) {
        let count = (self.buckets.len() * 2).max(BUCKET_COUNT_MIN);
        self.buckets.clear();
        self.buckets.resize(count, NONE);
        for slot in 0..self.slots.len() {
            if let Some(id) = self.slots[slot].as_ref().map(|s| s.id) {
                self.link(slot as u32, id);
            }
        }
    }

    /// The stream with this id, if it has a slot.
    pub(crate) fn find(&self, id: u32) -> Option<StreamKey> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut slot = self.buckets[self.bucket(id)];
        while let Some(Some(stream)) = self.slots.get(slot as usize) {
            if stream.id == id {
                return Some(StreamKey { slot, id });
            }
            slot = stream.next_in_bucket;
        }
        None
    }

    pub(crate) fn get(&self, key: StreamKey) -> Option<&Stream> {
        self.slots.get(key.slot as usize)?.as_ref().filter(|s| s.id == key.id)
    }

    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.slots.get_mut(key.slot as usize)?.as_mut().filter(|s| s.id == key.id)
    }

    pub(crate) fn remove(&mut self, key: StreamKey) -> Option<Stream> {
        self.get(key)?;
        self.unlink(key);
        let stream = self.slots[key.slot as usize].take();
        self.free.push(key.slot);
        self.len -= 1;
        stream
    }

    fn unlink(&mut self, key: StreamKey) {
        let next = self.get(key).map_or(NONE, |s| s.next_in_bucket);
        let bucket = self.bucket(key.id);
        let mut slot = self.buckets[bucket];
        if slot == key.slot {
            self.buckets[bucket] = next;
            return;
        }
        while let Some(Some(stream)) = self.slots.get_mut(slot as usize) {
            if stream.next_in_bucket == key.slot {
                stream.next_in_bucket = next;
                return;
            }
            slot = stream.next_in_bucket;
        }
    }

    /// A burst's memory is not kept for the life of the connection.
    pub(crate) fn shrink(&mut self) {
        if self.len == 0 {
            *self = Store::default();
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = StreamKey> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(slot, stream)| stream.as_ref().map(|s| StreamKey { slot: slot as u32, id: s.id }))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_through_growth_collision_and_removal() {
        let mut store = Store::default();
        let ids: Vec<u32> = (0..200).map(|n| 1 + n * 64).collect();
        let keys: Vec<_> = ids.iter().map(|&id| store.insert(Stream::new(id, false, 1, 1))).collect();
        for (key, &id) in keys.iter().zip(&ids) {
            assert_eq!(store.find(id), Some(*key));
        }
        for key in keys.iter().step_by(3) {
            assert!(store.remove(*key).is_some());
            assert!(store.remove(*key).is_none());
        }
        for (n, (key, &id)) in keys.iter().zip(&ids).enumerate() {
            assert_eq!(store.find(id), (n % 3 != 0).then_some(*key));
        }
        assert_eq!(store.find(3), None);
    }

    #[test]
    fn a_reused_slot_is_not_the_old_stream() {
        let mut store = Store::default();
        let old = store.insert(Stream::new(1, false, 1, 1));
        store.remove(old);
        let new = store.insert(Stream::new(3, false, 1, 1));
        assert_eq!(old.index(), new.index());
        assert!(store.get(old).is_none());
        assert!(store.get(new).is_some());
    }
}
