//! Whose data goes next: deficit round robin, with a lane for small messages.

use alloc::collections::VecDeque;

use crate::event::StreamKey;
use crate::store::Store;
use crate::stream::Place;

/// What one stream may send in one round.
pub(crate) const QUANTUM_LEN: usize = 16 * 1024;
/// A stream with no more than this waiting takes the lane for small messages.
pub(crate) const EXPRESS_LEN_MAX: usize = 2 * 1024;
/// What the lane may send before bulk gets a quantum, so that it cannot starve.
const EXPRESS_BURST_LEN: usize = 32 * 1024;

/// Streams that have something to send and window to send it in.
///
/// A frame can be cut anywhere, so a stream uses its quantum to the octet, and deficit
/// round robin has no deficit to carry: what is not used for want of window lapses.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    express: VecDeque<StreamKey>,
    bulk: VecDeque<StreamKey>,
    express_len: usize,
    /// Streams that wait for the connection's window alone.
    blocked: VecDeque<StreamKey>,
    /// Those of them that have closed since.
    blocked_dead_count: usize,
}

impl Schedule {
    /// Sets a stream aside until the connection's window opens.
    pub(crate) fn block(&mut self, key: StreamKey, store: &mut Store) {
        let Some(stream) = store.get_mut(key) else { return };
        if stream.place == Place::None {
            stream.place = Place::Blocked;
            self.blocked.push_back(key);
        }
    }

    /// The connection's window opened.
    pub(crate) fn unblock(&mut self, store: &mut Store) {
        self.blocked_dead_count = 0;
        while let Some(key) = self.blocked.pop_front() {
            if let Some(stream) = store.get_mut(key).filter(|s| s.place == Place::Blocked) {
                stream.place = Place::None;
                self.enqueue(key, store);
            }
        }
    }

    /// A blocked stream closed: it does not stay in the lane that only the peer empties. Places
    /// are swept when half are dead, so that many ends at once cost no more than each.
    pub(crate) fn remove(&mut self, key: StreamKey, store: &mut Store) {
        let Some(stream) = store.get_mut(key) else { return };
        stream.place = Place::None;
        self.blocked_dead_count += 1;
        if self.blocked_dead_count * 2 > self.blocked.len() {
            self.blocked_dead_count = 0;
            self.blocked.retain(|&blocked| store.get(blocked).is_some_and(|s| s.place == Place::Blocked));
        }
    }

    /// Gives back memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.express.shrink_to_fit();
        self.bulk.shrink_to_fit();
        self.blocked.shrink_to_fit();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.express.is_empty() && self.bulk.is_empty()
    }

    /// Puts a stream in a lane, if it is in none.
    pub(crate) fn enqueue(&mut self, key: StreamKey, store: &mut Store) {
        let Some(stream) = store.get_mut(key) else { return };
        if stream.place != Place::None {
            return;
        }
        if stream.queue.len <= EXPRESS_LEN_MAX {
            stream.place = Place::Express;
            self.express.push_back(key);
        } else {
            stream.place = Place::Bulk;
            self.bulk.push_back(key);
        }
    }

    /// Takes the stream whose turn it is; the caller enqueues it again if it has more.
    pub(crate) fn dequeue(&mut self, store: &mut Store) -> Option<StreamKey> {
        loop {
            let from_express =
                !self.express.is_empty() && (self.express_len < EXPRESS_BURST_LEN || self.bulk.is_empty());
            let key = if from_express { self.express.pop_front() } else { self.bulk.pop_front() }?;
            let Some(stream) = store.get_mut(key) else { continue };
            stream.place = Place::None;
            if from_express {
                self.express_len += stream.queue.len;
            } else {
                self.express_len = 0;
            }
            return Some(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;
    use crate::stream::Begin;
    use alloc::vec::Vec;
    use bytes::Bytes;

    fn stream(store: &mut Store, id: u32, len: usize) -> StreamKey {
        let begin = Begin { state: State::Open, local: false, send_window: 1 << 20, receive_window: 1 };
        let key = store.insert(id, begin);
        store.get_mut(key).unwrap().queue.push(Bytes::from(alloc::vec![0; len]));
        key
    }

    #[test]
    fn small_messages_pass_bulk_but_do_not_starve_it() {
        let mut store = Store::default();
        let mut schedule = Schedule::default();
        let bulk = stream(&mut store, 1, 1 << 20);
        schedule.enqueue(bulk, &mut store);
        let small: Vec<_> = (0..100).map(|n| stream(&mut store, 3 + 2 * n, 1024)).collect();
        small.iter().for_each(|&key| schedule.enqueue(key, &mut store));
        let order: Vec<_> = core::iter::from_fn(|| schedule.dequeue(&mut store)).collect();
        let at = order.iter().position(|&key| key == bulk).unwrap();
        assert_eq!(at, EXPRESS_BURST_LEN / 1024);
        assert_eq!(order.len(), 101);
    }

    #[test]
    fn a_stream_stands_in_one_lane_once() {
        let mut store = Store::default();
        let mut schedule = Schedule::default();
        let key = stream(&mut store, 1, 10);
        schedule.enqueue(key, &mut store);
        schedule.enqueue(key, &mut store);
        assert_eq!(schedule.dequeue(&mut store), Some(key));
        assert_eq!(schedule.dequeue(&mut store), None);
        assert!(schedule.is_empty());
    }
}
