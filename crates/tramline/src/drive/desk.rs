//! The desk at which a handler has its turn on its connection's own task: messages lie there
//! for it, and it leaves its own there, without a lock. What is for others to see goes into
//! the call's boxes ([`Exchange`]), before the turn or after it.
//!
//! A thread has one desk. The owner of a connection lays messages on it for the stream whose
//! handler it runs next, gives the handler its turn, and clears the desk afterwards.

use std::cell::{RefCell, RefMut};
use std::mem::ManuallyDrop;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tramline_call::Status;
use tramline_call::codec::Frame;

use super::exchange::Exchange;
use super::inbound;
use super::outbound::{OUTBOUND_LEN_MAX, Tail};
use super::transfer::Splices;

thread_local! {
    // It has no destructor, so that nobody who comes to it must ask whether that has run.
    static DESK: RefCell<Desk> = const { RefCell::new(Desk::new()) };
    static SWEEPER: Sweeper = const { Sweeper };
}

/// Frees a desk's memory when its thread ends.
struct Sweeper;

impl Drop for Sweeper {
    fn drop(&mut self) {
        let memory = with(|mut desk| (std::mem::take(&mut *desk.inbox), std::mem::take(&mut *desk.outbox)));
        drop(memory);
    }
}

struct Desk {
    /// Whose turn it is: where the exchange lies, or 0.
    guest: usize,
    /// What the waker of the handler's task points to. A future within the handler that has
    /// a waker of its own must be woken by that.
    waker: (usize, usize),
    /// Messages for the guest, each behind its flag and length.
    inbox: ManuallyDrop<Vec<u8>>,
    /// What they cost in flow control.
    owed: usize,
    /// The same of messages that the guest took.
    consumed: usize,
    /// The guest waits for messages, and has read all that came.
    is_reader_waiting: bool,
    outbox: ManuallyDrop<Tail>,
    /// The thread's sweeper knows of the desk.
    is_swept: bool,
    /// The guest may write here.
    is_outbox_open: bool,
    /// The guest left something in its boxes.
    has_boxed: bool,
    /// The guest waits for room, which what lies here may take.
    is_crowded: bool,
}

impl Desk {
    const fn new() -> Desk {
        Desk {
            guest: 0,
            waker: (0, 0),
            inbox: ManuallyDrop::new(Vec::new()),
            owed: 0,
            consumed: 0,
            is_reader_waiting: false,
            outbox: ManuallyDrop::new(Tail::new()),
            is_swept: false,
            is_outbox_open: false,
            has_boxed: false,
            is_crowded: false,
        }
    }

    fn end_turn(&mut self) -> Left {
        self.guest = 0;
        Left {
            consumed: std::mem::take(&mut self.consumed),
            is_reader_waiting: std::mem::take(&mut self.is_reader_waiting),
            has_boxed: std::mem::take(&mut self.has_boxed),
            has_unread: !self.inbox.is_empty(),
            is_crowded: std::mem::take(&mut self.is_crowded),
        }
    }

    /// What lies here is nobody's: its owner ended before the turn came.
    fn clear_inbox(&mut self) {
        self.inbox.clear();
        self.owed = 0;
    }

    fn take_unread(&mut self) -> Option<(Vec<u8>, usize)> {
        if self.inbox.is_empty() {
            return None;
        }
        Some((std::mem::take(&mut *self.inbox), std::mem::take(&mut self.owed)))
    }

    #[inline]
    fn sweep_later(&mut self) {
        if !self.is_swept {
            self.is_swept = true;
            // A thread that is ending has dropped it already.
            let _ = SWEEPER.try_with(|_| {});
        }
    }

    fn has(&self, exchange: &Exchange) -> bool {
        self.guest == address(exchange)
    }

    fn has_room(&self, exchange: &Exchange) -> bool {
        self.is_outbox_open && self.has(exchange) && self.outbox.len() < OUTBOUND_LEN_MAX
    }
}

// Each of these is a short way to the thread's desk, and a function of its own for what is done
// there: behind a closure that does much, the way would be a call through a pointer.

type Shared = RefCell<Desk>;

/// None while an encoder writes on the desk: what it does besides goes through the boxes.
#[inline(always)]
fn with<R>(look: impl FnOnce(RefMut<'_, Desk>) -> R) -> Option<R> {
    DESK.with(|desk| desk.try_borrow_mut().ok().map(look))
}

/// None within a turn: a handler that has it may run another connection.
#[inline(always)]
fn vacant(desk: &Shared) -> Option<RefMut<'_, Desk>> {
    desk.try_borrow_mut().ok().filter(|desk| desk.guest == 0)
}

fn address(exchange: &Exchange) -> usize {
    std::ptr::from_ref(exchange).addr()
}

fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

// The owner's side.

/// Lays a message out for the stream that has its turn next, `is_first` or behind others;
/// `owed` is what it cost in flow control. False if it has to go into the stream's inbox.
#[inline(never)]
pub(crate) fn put(is_first: bool, compressed: bool, frame: &Frame<'_>, owed: usize) -> bool {
    DESK.with(|desk| put_on(desk, is_first, compressed, frame, owed))
}

#[inline(never)]
fn put_on(desk: &Shared, is_first: bool, compressed: bool, frame: &Frame<'_>, owed: usize) -> bool {
    let Some(mut desk) = vacant(desk) else { return false };
    if is_first {
        desk.clear_inbox();
    }
    desk.sweep_later();
    let fits = inbound::fits_pack(&desk.inbox, frame.len());
    if fits {
        inbound::pack(&mut desk.inbox, compressed, frame);
        desk.owed += owed;
    }
    fits
}

/// A handler's turn.
#[derive(Debug)]
pub(crate) struct Turn(());

/// What a turn leaves behind, but for octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// Flow control of messages that were read.
    pub(crate) consumed: usize,
    /// The handler waits for messages, and has read all that came.
    pub(crate) is_reader_waiting: bool,
    /// It left something in its outbox.
    pub(crate) has_boxed: bool,
    /// It did not read what still lies here.
    pub(crate) has_unread: bool,
    /// It waits for room, which what it wrote here may take.
    pub(crate) is_crowded: bool,
}

impl Turn {
    /// The handler behind `exchange`, which `waker` wakes, has its turn. What lies here is for it
    /// if it `is_next`; `may_write`: nothing that it wrote before waits to be sent. None within
    /// another one's turn.
    #[inline(never)]
    pub(crate) fn begin(exchange: &Exchange, waker: &Waker, is_next: bool, may_write: bool) -> Option<Turn> {
        DESK.with(|desk| begin_on(desk, address(exchange), identity(waker), is_next, may_write)).then(|| Turn(()))
    }

    /// The turn is over. `write` takes what the handler wrote, if that is anything.
    #[inline(always)]
    pub(crate) fn end(self, write: impl FnOnce(&mut Tail)) -> Left {
        let left = DESK.with(|desk| end_on(desk, write));
        std::mem::forget(self);
        left
    }
}

impl Drop for Turn {
    /// A panic ended the turn, and the connection with it: nobody gets what lies here.
    fn drop(&mut self) {
        with(|mut desk| {
            desk.end_turn();
            desk.clear_inbox();
            desk.outbox.clear();
        });
    }
}

#[inline(always)]
fn begin_on(desk: &Shared, guest: usize, waker: (usize, usize), is_next: bool, may_write: bool) -> bool {
    let Some(mut desk) = vacant(desk) else { return false };
    if !is_next {
        desk.clear_inbox();
    }
    desk.sweep_later();
    desk.guest = guest;
    desk.waker = waker;
    desk.is_outbox_open = may_write;
    true
}

#[inline(never)]
fn end_on(desk: &Shared, write: impl FnOnce(&mut Tail)) -> Left {
    let mut desk = desk.borrow_mut();
    if !desk.outbox.octets().is_empty() {
        write(&mut desk.outbox);
        desk.outbox.clear();
    }
    desk.end_turn()
}

/// What lies here is for nobody.
pub(crate) fn clear() {
    DESK.with(|desk| vacant(desk).map(|mut desk| desk.clear_inbox()));
}

/// Messages that lie here for a handler that gets no turn now, and what they cost.
pub(crate) fn take_unread() -> Option<(Vec<u8>, usize)> {
    DESK.with(|desk| vacant(desk)?.take_unread())
}

// The guest's side. Whoever asks may have no turn, and uses the boxes then.

/// The messages that lie here go to `packed`, which is empty; or the guest waits for the next
/// ones. None if it has to look into its inbox.
#[inline(always)]
pub(super) fn poll_take(exchange: &Exchange, cx: &Context<'_>, packed: &mut Vec<u8>) -> Option<Poll<()>> {
    DESK.with(|desk| poll_take_from(desk, exchange, cx.waker(), packed))
}

#[inline(never)]
fn poll_take_from(desk: &Shared, exchange: &Exchange, waker: &Waker, packed: &mut Vec<u8>) -> Option<Poll<()>> {
    let mut desk = desk.try_borrow_mut().ok().filter(|desk| desk.has(exchange))?;
    if !desk.inbox.is_empty() {
        let owed = std::mem::take(&mut desk.owed);
        desk.consumed += owed;
        std::mem::swap(&mut *desk.inbox, packed);
        return Some(Poll::Ready(()));
    }
    if exchange.has_arrived() || desk.waker != identity(waker) {
        return None;
    }
    // The memory that was used last is the nearest: it serves the next guest. A stream that waits
    // holds none, or the longest that ever lay here would go to one idle stream after another.
    if packed.capacity() > 0 {
        let used = std::mem::take(packed);
        if used.capacity() >= desk.inbox.capacity() {
            *desk.inbox = used;
        }
    }
    desk.is_reader_waiting = true;
    Some(Poll::Pending)
}

/// Adds the message that `encode` appends, if the guest may write here and there is room; gives
/// `encode` back otherwise. A message that has long pieces is given back in pieces, for the box.
#[inline(always)]
pub(super) fn push<E>(exchange: &Exchange, encode: E) -> Result<Result<Option<Vec<Bytes>>, Status>, E>
where
    E: FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
{
    DESK.with(|desk| match desk.try_borrow_mut() {
        Ok(mut desk) if desk.has_room(exchange) => Ok(desk.outbox.push(encode)),
        _ => Err(encode),
    })
}

/// What the guest wrote here so far.
pub(super) fn outbox_len(exchange: &Exchange) -> usize {
    with(|desk| if desk.has(exchange) { desk.outbox.len() } else { 0 }).unwrap_or(0)
}

/// The guest, if `exchange` is its, waits for room.
#[cold]
pub(super) fn note_crowded(exchange: &Exchange) {
    with(|mut desk| desk.is_crowded |= desk.has(exchange));
}

/// Whether `exchange` has the turn: the owner looks into its outbox afterwards.
pub(super) fn note_boxed(exchange: &Exchange) -> bool {
    with(|mut desk| {
        let has_turn = desk.has(exchange);
        desk.has_boxed |= has_turn;
        has_turn
    })
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tramline_call::Encoding;
    use tramline_h2::StreamKey;

    use super::*;
    use crate::drive::exchange::{Notice, NoticeBoard};

    struct Nobody;

    impl NoticeBoard for Nobody {
        fn notify(&self, _call: Option<StreamKey>, _notice: Notice) {}
    }

    fn begin(exchange: &Exchange) -> Option<Turn> {
        Turn::begin(exchange, Waker::noop(), true, true)
    }

    fn put(octets: &[u8]) -> bool {
        super::put(true, false, &Frame::Slice(octets), octets.len())
    }

    #[test]
    fn a_turn_that_a_panic_ended_leaves_nothing_to_the_next() {
        let [one, other] = [(); 2].map(|()| Exchange::new(Arc::new(Nobody), None, Encoding::Identity, 65_535));
        assert!(put(b"in"));
        let turn = begin(&one);
        let pushed = push(&one, |out, _| {
            out.extend_from_slice(b"out");
            Ok(())
        });
        assert!(pushed.is_ok_and(|pushed| pushed.is_ok()));
        drop(turn);
        let left = begin(&other).unwrap().end(|written| panic!("{written:?} was left"));
        assert!(!left.has_boxed && !left.has_unread);
    }

    #[test]
    fn a_connection_within_a_turn_leaves_what_lies_there() {
        let [one, other] = [(); 2].map(|()| Exchange::new(Arc::new(Nobody), None, Encoding::Identity, 65_535));
        assert!(put(b"in"));
        let turn = begin(&one).unwrap();
        assert!(!put(b"more") && begin(&other).is_none());
        clear();
        assert_eq!(take_unread(), None);
        assert!(turn.end(|written| panic!("{written:?} was not written")).has_unread);
        assert!(take_unread().is_some());
    }

    #[test]
    fn a_stream_that_waits_holds_no_memory() {
        let one = Exchange::new(Arc::new(Nobody), None, Encoding::Identity, 65_535);
        let wait = |own_len, on_desk_len: usize| {
            assert!(put(&vec![7; on_desk_len]));
            clear();
            let turn = begin(&one).unwrap();
            let mut packed = Vec::with_capacity(own_len);
            assert_eq!(one.poll_desk(&Context::from_waker(Waker::noop()), &mut packed), Some(Poll::Pending));
            turn.end(|written| panic!("{written:?} was not written"));
            packed.capacity()
        };
        for (own_len, on_desk_len) in [(100, 16_000), (16_000, 100), (0, 16_000), (40_000, 16_000)] {
            assert_eq!(wait(own_len, on_desk_len), 0, "of {own_len} and {on_desk_len}");
        }
        assert!(with(|desk| desk.inbox.capacity() >= 40_000).unwrap(), "the larger one stays");
    }
}
