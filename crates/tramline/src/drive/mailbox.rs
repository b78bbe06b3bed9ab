//! How everybody else talks to a connection's owner: typed letters in one box,
//! which wakes the owner only when it is parked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use super::leaf_lock::LeafLock;

struct Contents<L> {
    letters: Vec<L>,
    owner: Option<Waker>,
    is_closed: bool,
}

/// The box of one connection.
pub(crate) struct Mailbox<L> {
    contents: LeafLock<Contents<L>>,
    /// There may be letters: the owner need not take the lock to find that there are none.
    has_some: AtomicBool,
    /// The owner's waker is in the box.
    has_owner: AtomicBool,
}

impl<L> std::fmt::Debug for Mailbox<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mailbox({})", self.contents.lock().letters.len())
    }
}

impl<L> Default for Mailbox<L> {
    fn default() -> Self {
        let contents = LeafLock::new(Contents { letters: Vec::new(), owner: None, is_closed: false });
        Mailbox { contents, has_some: AtomicBool::new(false), has_owner: AtomicBool::new(false) }
    }
}

impl<L> Mailbox<L> {
    /// Writes a letter that may be lost if the owner is gone.
    pub(crate) fn post(&self, letter: L) {
        let _ = self.offer(letter);
    }

    /// Writes a letter, or gives it back if nobody will read it any more.
    pub(crate) fn offer(&self, letter: L) -> Result<(), L> {
        let owner = {
            let mut contents = self.contents.lock();
            if contents.is_closed {
                return Err(letter);
            }
            contents.letters.push(letter);
            self.has_some.store(true, Ordering::Relaxed);
            self.has_owner.store(false, Ordering::Relaxed);
            contents.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
        Ok(())
    }

    /// The owner reads no more; returns what it did not read.
    pub(crate) fn close(&self) -> Vec<L> {
        let mut contents = self.contents.lock();
        contents.is_closed = true;
        contents.owner = None;
        self.has_owner.store(false, Ordering::Relaxed);
        std::mem::take(&mut contents.letters)
    }

    /// There may be letters. One that is missed here is found before the owner parks, or
    /// wakes it.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Relaxed)
    }

    /// Swaps the waiting letters into `taken`, which is empty.
    pub(crate) fn take(&self, taken: &mut Vec<L>) {
        if self.has_some() {
            let mut contents = self.contents.lock();
            std::mem::swap(&mut contents.letters, taken);
            self.has_some.store(false, Ordering::Relaxed);
        }
    }

    /// Letters wait, but no more than `count_max`.
    pub(crate) fn has_few(&self, count_max: usize) -> bool {
        self.has_some() && (1..=count_max).contains(&self.contents.lock().letters.len())
    }

    /// The owner is about to park, and was woken by `parked` before. False if a letter came
    /// in between.
    ///
    /// A waker that no letter took since is still in the box, and the lock is not needed: a
    /// letter that is not seen here takes it, and wakes the owner.
    #[inline]
    pub(crate) fn park(&self, cx: &Context<'_>, parked: &mut Option<Waker>) -> bool {
        let is_there = self.has_owner.load(Ordering::Relaxed)
            && !self.has_some()
            && parked.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        is_there || self.leave_waker(cx, parked)
    }

    fn leave_waker(&self, cx: &Context<'_>, parked: &mut Option<Waker>) -> bool {
        let mut contents = self.contents.lock();
        let is_empty = contents.letters.is_empty();
        if is_empty {
            contents.owner = Some(cx.waker().clone());
            *parked = contents.owner.clone();
            self.has_owner.store(true, Ordering::Relaxed);
        }
        is_empty
    }
}

/// Letters that a waker can write.
pub(crate) trait WakeLetter: Send + 'static {
    fn wake(place: u32) -> Self;
}

/// What wakes the handler of the call at one place of a connection's table: a wake is one
/// letter, however often it comes. A waker that outlives its call wakes the next one at
/// that place, which does no harm.
#[derive(Debug)]
struct PlaceWaker<L> {
    mailbox: Arc<Mailbox<L>>,
    place: u32,
    is_posted: AtomicBool,
}

impl<L: WakeLetter> Wake for PlaceWaker<L> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_posted.swap(true, Ordering::AcqRel) {
            self.mailbox.post(L::wake(self.place));
        }
    }
}

/// A waker for all polls of all calls at one place.
#[derive(Debug)]
pub(crate) struct CallWaker<L> {
    shared: Arc<PlaceWaker<L>>,
    waker: Waker,
}

impl<L: WakeLetter> CallWaker<L> {
    pub(crate) fn new(mailbox: &Arc<Mailbox<L>>, place: u32) -> Self {
        let shared = Arc::new(PlaceWaker { mailbox: Arc::clone(mailbox), place, is_posted: AtomicBool::new(false) });
        CallWaker { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    #[inline]
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The letter was taken, and the poll that it asked for begins: a wake from now on writes
    /// another one. A poll that begins for another reason leaves the letter where it is.
    pub(crate) fn arm(&self) {
        // Who found it set wrote no letter: the poll sees what was there before that. A store
        // alone might not be seen by others before the poll has looked.
        self.shared.is_posted.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;

    struct Wakes;

    impl WakeLetter for Wakes {
        fn wake(_place: u32) -> Self {
            Wakes
        }
    }

    /// What was there before a wake is seen by the poll that the wake brings, or by one that
    /// begins at the same time.
    #[test]
    fn no_wake_is_lost_while_a_poll_begins() {
        let mailbox = Arc::new(Mailbox::default());
        let waker = CallWaker::<Wakes>::new(&mailbox, 0);
        let (told, seen) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let other = waker.waker.clone();
            let (told, seen) = (&told, &seen);
            let telling = scope.spawn(move || {
                let end = Instant::now() + Duration::from_secs(1);
                for round in (1..=60_000).take_while(|_| Instant::now() < end) {
                    other.wake_by_ref();
                    for _ in 0..round % 64 {
                        std::hint::spin_loop();
                    }
                    told.store(round, Ordering::Release);
                    other.wake_by_ref();
                    let patience = Instant::now() + Duration::from_secs(5);
                    while seen.load(Ordering::Acquire) < round {
                        (0..100).for_each(|_| std::hint::spin_loop());
                        assert!(Instant::now() < patience, "round {round} was never seen");
                        std::thread::yield_now();
                    }
                }
            });
            let mut letters = Vec::new();
            while !telling.is_finished() {
                mailbox.take(&mut letters);
                if letters.drain(..).next().is_some() {
                    waker.arm();
                    seen.store(told.load(Ordering::Acquire), Ordering::Release);
                }
            }
        });
    }
}
