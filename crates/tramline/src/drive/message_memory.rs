//! Memory of long messages and of long bursts of short ones, kept for the next as long as they come.
//!
//! An allocator takes the memory of a long message from the kernel and gives it back, which
//! costs a page fault for every page, each time. Here it stays: a bounded amount, and until
//! nobody wanted it for a while, which a connection sees to that had such a message.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tramline_call::envelope::MessageMemory;

use super::leaf_lock::LeafLock;

/// Shorter ones are the allocator's. It keeps their memory itself as a rule; of several longer
/// ones that are freed together, it gives the kernel what lies at the end of its own.
const LEN_MIN: usize = 16 * 1024;
/// Octets that are kept, in the whole process.
const KEPT_LEN_MAX: usize = 16 * 1024 * 1024;
/// Pieces of it: who wants one looks at all.
const KEPT_COUNT_MAX: usize = 256;
/// How long memory is kept that nobody wants.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// The memory that all connections of this process share.
pub(crate) static SHARED: MessageMemory = MessageMemory { take, share };

static SHELF: LeafLock<Shelf> =
    LeafLock::new(Shelf { spares: Vec::new(), kept_len: 0, take_count: 0, look_count: 0, has_keeper: false });
/// There was a long message, and may be no keeper.
static WANTS_KEEPER: AtomicBool = AtomicBool::new(false);

struct Spare {
    octets: Vec<u8>,
    /// When it came: so often its keeper had looked.
    look_count: u64,
}

struct Shelf {
    spares: Vec<Spare>,
    kept_len: usize,
    take_count: u64,
    look_count: u64,
    has_keeper: bool,
}

impl Shelf {
    /// The smallest that is large enough, unless it is far too large.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        self.take_count += 1;
        let fits = |capacity: &usize| (len..=len.saturating_mul(4)).contains(capacity);
        let capacities = self.spares.iter().map(|spare| spare.octets.capacity());
        let candidates = capacities.enumerate().filter(|(_, capacity)| fits(capacity));
        let (index, capacity) = candidates.min_by_key(|(_, capacity)| *capacity)?;
        self.kept_len -= capacity;
        Some(self.spares.swap_remove(index).octets)
    }

    /// Keeps the memory, or gives it back to be freed.
    fn give(&mut self, octets: Vec<u8>) -> Option<Vec<u8>> {
        let is_full = self.spares.len() == KEPT_COUNT_MAX || self.kept_len + octets.capacity() > KEPT_LEN_MAX;
        if !self.has_keeper || is_full {
            return Some(octets);
        }
        self.kept_len += octets.capacity();
        self.spares.push(Spare { octets, look_count: self.look_count });
        None
    }

    /// What lay here since the keeper looked last. While others are wanted, it would have their
    /// place for ever.
    fn take_unwanted(&mut self) -> Vec<Spare> {
        let before = self.look_count;
        self.look_count += 1;
        let unwanted: Vec<Spare> = self.spares.extract_if(.., |spare| spare.look_count < before).collect();
        self.kept_len -= unwanted.iter().map(|spare| spare.octets.capacity()).sum::<usize>();
        unwanted
    }
}

/// An empty vector for `len` octets, if one lies here.
pub(super) fn take(len: usize) -> Option<Vec<u8>> {
    if len < LEN_MIN { None } else { SHELF.lock().take(len) }
}

/// Octets whose memory comes back when the last handle on them is dropped.
pub(super) fn share(message: Vec<u8>) -> Bytes {
    if message.capacity() < LEN_MIN {
        return Bytes::from(message);
    }
    WANTS_KEEPER.store(true, Ordering::Relaxed);
    Bytes::from_owner(Lent(message))
}

/// A message in memory that comes back.
struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spare = std::mem::take(&mut self.0);
        spare.clear();
        let left_over = SHELF.lock().give(spare);
        // Freed while nobody waits for the lock.
        drop(left_over);
    }
}

/// Sees to it that memory does not stay when it is not wanted any more. There is one at a
/// time, and memory is kept only while there is one.
#[derive(Debug)]
pub(crate) struct Keeper {
    due: Duration,
    take_count: u64,
}

impl Keeper {
    /// A keeper, if one is needed.
    #[inline]
    pub(crate) fn appoint(now: Duration) -> Option<Keeper> {
        if WANTS_KEEPER.load(Ordering::Relaxed) { Keeper::appoint_wanted(now) } else { None }
    }

    #[cold]
    fn appoint_wanted(now: Duration) -> Option<Keeper> {
        let mut shelf = SHELF.lock();
        WANTS_KEEPER.store(false, Ordering::Relaxed);
        let had_keeper = std::mem::replace(&mut shelf.has_keeper, true);
        (!had_keeper).then(|| Keeper { due: now + IDLE_TIME, take_count: shelf.take_count })
    }

    /// When it is to look next.
    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    /// Whether memory was wanted since it last looked. Frees what was not, and lay there all that
    /// time.
    pub(crate) fn is_in_use(&mut self, now: Duration) -> bool {
        self.due = now + IDLE_TIME;
        let (take_count, unwanted) = {
            let mut shelf = SHELF.lock();
            (shelf.take_count, shelf.take_unwanted())
        };
        drop(unwanted);
        std::mem::replace(&mut self.take_count, take_count) != take_count
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let spares = {
            let mut shelf = SHELF.lock();
            shelf.has_keeper = false;
            shelf.kept_len = 0;
            std::mem::take(&mut shelf.spares)
        };
        drop(spares);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        Shelf { spares: Vec::new(), kept_len: 0, take_count: 0, look_count: 0, has_keeper: true }
    }

    #[test]
    fn the_smallest_that_fits_is_lent() {
        let mut shelf = shelf();
        for len in [1 << 20, 1 << 18, 1 << 22] {
            assert!(shelf.give(Vec::with_capacity(len)).is_none());
        }
        assert_eq!(shelf.take(200_000).map(|spare| spare.capacity()), Some(1 << 18));
        assert_eq!(shelf.take(200_000), None, "five times as much is not lent");
        assert_eq!(shelf.take(300_000).map(|spare| spare.capacity()), Some(1 << 20));
        assert_eq!(shelf.kept_len, 1 << 22);
    }

    #[test]
    fn a_bounded_amount_is_kept_and_none_without_a_keeper() {
        let mut shelf = shelf();
        let refused = (0..20).filter(|_| shelf.give(Vec::with_capacity(1 << 20)).is_some()).count();
        assert_eq!((refused, shelf.kept_len), (4, KEPT_LEN_MAX));
        shelf.spares.clear();
        shelf.kept_len = 0;
        let refused = (0..300).filter(|_| shelf.give(Vec::with_capacity(1 << 14)).is_some()).count();
        assert_eq!(refused, 300 - KEPT_COUNT_MAX);
        shelf.spares.clear();
        (shelf.kept_len, shelf.has_keeper) = (0, false);
        assert!(shelf.give(Vec::with_capacity(1 << 20)).is_some());
    }

    /// Others may be wanted all the time, which find no room.
    #[test]
    fn what_nobody_wants_goes_although_others_are_wanted() {
        let mut shelf = shelf();
        for _ in 0..KEPT_COUNT_MAX {
            assert!(shelf.give(Vec::with_capacity(1 << 14)).is_none());
        }
        assert!(shelf.take_unwanted().is_empty(), "they came since");
        let taken = shelf.take(1 << 14).unwrap();
        assert!(shelf.give(taken).is_none() && shelf.give(Vec::with_capacity(1 << 20)).is_some());
        assert_eq!(shelf.take_unwanted().len(), KEPT_COUNT_MAX - 1);
        assert_eq!(shelf.kept_len, 1 << 14, "the one that was used");
        assert!(shelf.give(Vec::with_capacity(1 << 20)).is_none());
    }

    /// The shelf is the process's: one test for all that happens to it.
    #[test]
    fn memory_comes_back_while_it_is_wanted_and_goes_when_it_is_not() {
        let second = |n| Duration::from_secs(n);
        drop(share(vec![1; 1 << 20]));
        let mut keeper = Keeper::appoint(second(0)).expect("a long message wants a keeper");
        assert!(Keeper::appoint(second(0)).is_none(), "there is one");
        let message = share(vec![2; 1 << 20]);
        let part = message.slice(10..20);
        drop(message);
        assert!(take(1 << 20).is_none(), "a part of it is alive");
        drop(part);
        let again = take(1 << 20).expect("the memory is back");
        assert!(again.is_empty());
        drop(share(again));
        assert!(keeper.is_in_use(second(1)));
        assert!(!keeper.is_in_use(second(2)));
        drop(keeper);
        assert!(take(1 << 20).is_none());
    }
}
