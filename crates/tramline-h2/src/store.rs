//! Streams by slot and by id.

use alloc::vec::Vec;

use crate::event::StreamKey;
use crate::stream::{Begin, Stream};

/// No stream.
pub(crate) const NONE: u32 = u32::MAX;
const BUCKET_COUNT_MIN: usize = 16;
const SLOT_COUNT_MIN: usize = 4;

/// The identifier of a slot without a stream: stream 0 is the connection.
const VACANT: u32 = 0;

/// A slab of streams with an index of ids. Slots are used again in place, with the
/// memory of their queues.
///
/// A peer's ids rise by two, so `id / 2` modulo the number of buckets spreads them
/// perfectly; a chain holds what a hostile choice makes collide, and is no longer
/// than the streams that may be open at once.
#[derive(Debug, Default)]
pub(crate) struct Store {
    slots: Vec<Stream>,
    free: Vec<u32>,
    buckets: Vec<u32>,
    len: usize,
}

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(crate) fn insert(&mut self, id: u32, begin: Begin) -> StreamKey {
        if self.len >= self.buckets.len() {
            self.grow();
        }
        let slot = self.free.pop().unwrap_or_else(|| self.add_slot());
        if let Some(stream) = self.slots.get_mut(slot as usize) {
            stream.begin(id, begin);
        }
        self.link(slot, id);
        self.len += 1;
        StreamKey { slot, id }
    }

    /// One more slot. What grows by a quarter leaves less unused than what is doubled.
    #[cold]
    fn add_slot(&mut self) -> u32 {
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact((self.slots.len() / 4).max(SLOT_COUNT_MIN));
        }
        self.slots.push(Stream::default());
        (self.slots.len() - 1) as u32
    }

    fn bucket(&self, id: u32) -> usize {
        (id >> 1) as usize & self.buckets.len().wrapping_sub(1)
    }

    fn link(&mut self, slot: u32, id: u32) {
        let bucket = self.bucket(id);
        let (Some(first), Some(stream)) = (self.buckets.get_mut(bucket), self.slots.get_mut(slot as usize)) else {
            return;
        };
        stream.next_in_bucket = core::mem::replace(first, slot);
    }

    #[cold]
    fn grow(&mut self) {
        let count = (self.buckets.len() * 2).max(BUCKET_COUNT_MIN);
        self.buckets.clear();
        self.buckets.resize(count, NONE);
        for slot in 0..self.slots.len() {
            let id = self.slots[slot].id;
            if id != VACANT {
                self.link(slot as u32, id);
            }
        }
    }

    /// The stream with this id, if it has a slot.
    #[inline]
    pub(crate) fn find(&self, id: u32) -> Option<StreamKey> {
        let mut slot = *self.buckets.get(self.bucket(id))?;
        while let Some(stream) = self.slots.get(slot as usize) {
            if stream.id == id {
                return Some(StreamKey { slot, id });
            }
            slot = stream.next_in_bucket;
        }
        None
    }

    #[inline]
    pub(crate) fn get(&self, key: StreamKey) -> Option<&Stream> {
        self.slots.get(key.slot as usize).filter(|s| s.id == key.id)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.slots.get_mut(key.slot as usize).filter(|s| s.id == key.id)
    }

    /// Frees the slot. False if the stream has none.
    #[inline]
    pub(crate) fn remove(&mut self, key: StreamKey) -> bool {
        let Some(stream) = self.get_mut(key) else { return false };
        let next = stream.next_in_bucket;
        stream.id = VACANT;
        stream.queue.clear();
        self.unlink(key, next);
        self.free.push(key.slot);
        self.len -= 1;
        true
    }

    fn unlink(&mut self, key: StreamKey, next: u32) {
        let bucket = self.bucket(key.id);
        let Some(first) = self.buckets.get_mut(bucket) else { return };
        if *first == key.slot {
            *first = next;
            return;
        }
        let mut slot = *first;
        while let Some(stream) = self.slots.get_mut(slot as usize) {
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
        let streams = self.slots.iter().enumerate().filter(|(_, stream)| stream.id != VACANT);
        streams.map(|(slot, stream)| StreamKey { slot: slot as u32, id: stream.id })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter(|stream| stream.id != VACANT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Begin = Begin { state: crate::state::State::Open, local: false, send_window: 1, receive_window: 1 };

    #[test]
    fn ids_are_found_through_growth_collision_and_removal() {
        let mut store = Store::default();
        let ids: Vec<u32> = (0..200).map(|n| 1 + n * 64).collect();
        let keys: Vec<_> = ids.iter().map(|&id| store.insert(id, BEGIN)).collect();
        for (key, &id) in keys.iter().zip(&ids) {
            assert_eq!(store.find(id), Some(*key));
        }
        for key in keys.iter().step_by(3) {
            assert!(store.remove(*key));
            assert!(!store.remove(*key));
        }
        for (n, (key, &id)) in keys.iter().zip(&ids).enumerate() {
            assert_eq!(store.find(id), (n % 3 != 0).then_some(*key));
        }
        assert_eq!(store.find(3), None);
    }

    #[test]
    fn a_reused_slot_is_not_the_old_stream() {
        let mut store = Store::default();
        let old = store.insert(1, BEGIN);
        store.remove(old);
        let new = store.insert(3, BEGIN);
        assert_eq!(old.index(), new.index());
        assert!(store.get(old).is_none());
        assert!(store.get(new).is_some());
    }
}
