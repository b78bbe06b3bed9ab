//! The desk at which a handler has its turn on its connection's own task: messages lie there
//! for it, and it leaves its own there, without a lock. What is for others to see goes into
//! the call's boxes ([`Exchange`]), before the turn or after it.
//!
//! A thread has one desk. The owner of a connection lays messages on it for the stream whose
//! handler it runs next, gives the handler its turn, and clears the desk afterwards.

use std::cell::RefCell;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tramline_call::Status;
use tramline_call::codec::Frame;

use super::exchange::Exchange;
use super::inbound;
use super::outbound::{OUTBOUND_LEN_MAX, Tail};
use super::transfer::Splices;

thread_local! {
    static DESK: RefCell<Desk> = const { RefCell::new(Desk::new()) };
}

struct Desk {
    /// Whose turn it is: where the exchange lies, or 0.
    guest: usize,
    /// What the waker of the handler's task points to. A future within the handler that has
    /// a waker of its own must be woken by that.
    waker: (usize, usize),
    /// Messages for the guest, each behind its flag and length.
    inbox: Vec<u8>,
    /// What they cost in flow control.
    owed: usize,
    /// The same of messages that the guest took.
    consumed: usize,
    /// The guest waits for messages, and has read all that came.
    is_reader_waiting: bool,
    outbox: Tail,
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
            inbox: Vec::new(),
            owed: 0,
            consumed: 0,
            is_reader_waiting: false,
            outbox: Tail::new(),
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
        Some((std::mem::take(&mut self.inbox), std::mem::take(&mut self.owed)))
    }

    fn has(&self, exchange: &Exchange) -> bool {
        self.guest == address(exchange)
    }

    fn has_room(&self, exchange: &Exchange) -> bool {
        self.is_outbox_open && self.has(exchange) && self.outbox.len() < OUTBOUND_LEN_MAX
    }
}

/// None while an encoder writes on the desk: what it does besides goes through the boxes.
#[inline]
fn with<R>(look: impl FnOnce(&mut Desk) -> R) -> Option<R> {
    DESK.with(|desk| desk.try_borrow_mut().ok().map(|mut desk| look(&mut desk)))
}

/// None within a turn: a handler that has it may run another connection.
#[inline]
fn with_vacant<R>(look: impl FnOnce(&mut Desk) -> R) -> Option<R> {
    with(|desk| (desk.guest == 0).then(|| look(desk)))?
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
pub(crate) fn put(is_first: bool, compressed: bool, frame: &Frame<'_>, owed: usize) -> bool {
    with_vacant(|desk| {
        if is_first {
            desk.clear_inbox();
        }
        let fits = inbound::fits_pack(&desk.inbox, frame.len());
        if fits {
            inbound::pack(&mut desk.inbox, compressed, frame);
            desk.owed += owed;
        }
        fits
    })
    .unwrap_or(false)
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
    /// It waits for room, which what it wrote here may take.
    pub(crate) is_crowded: bool,
}

impl Turn {
    /// The handler behind `exchange`, which `waker` wakes, has its turn. What lies here is for it
    /// if it `is_next`; `may_write`: nothing that it wrote before waits to be sent. None within
    /// another one's turn.
    pub(crate) fn begin(exchange: &Exchange, waker: &Waker, is_next: bool, may_write: bool) -> Option<Turn> {
        with_vacant(|desk| {
            if !is_next {
                desk.clear_inbox();
            }
            desk.guest = address(exchange);
            desk.waker = identity(waker);
            desk.is_outbox_open = may_write;
            Turn(())
        })
    }

    /// The turn of the handler behind `exchange` is over. `write` takes what it wrote, if
    /// that is anything; what it did not read goes into its inbox.
    pub(crate) fn end(self, exchange: &Exchange, write: impl FnOnce(&mut Tail)) -> Left {
        let (left, unread) = DESK.with_borrow_mut(|desk| {
            if !desk.outbox.octets().is_empty() {
                write(&mut desk.outbox);
            }
            (desk.end_turn(), desk.take_unread())
        });
        std::mem::forget(self);
        if let Some((pack, owed)) = unread {
            exchange.put_back(pack, owed);
        }
        left
    }
}

impl Drop for Turn {
    /// A panic ended the turn, and the connection with it: nobody gets what lies here.
    fn drop(&mut self) {
        with(|desk| {
            desk.end_turn();
            desk.clear_inbox();
            desk.outbox.clear();
        });
    }
}

/// What lies here is for nobody.
pub(crate) fn clear() {
    with_vacant(Desk::clear_inbox);
}

/// Messages that lie here for a handler that gets no turn now, and what they cost.
pub(crate) fn take_unread() -> Option<(Vec<u8>, usize)> {
    with_vacant(Desk::take_unread)?
}

// The guest's side. Whoever asks may have no turn, and uses the boxes then.

/// The messages that lie here go to `packed`, which is empty; or the guest waits for the next
/// ones. None if it has to look into its inbox.
#[inline]
pub(super) fn poll_take(exchange: &Exchange, cx: &Context<'_>, packed: &mut Vec<u8>) -> Option<Poll<()>> {
    with(|desk| {
        if !desk.has(exchange) {
            return None;
        }
        if !desk.inbox.is_empty() {
            desk.consumed += std::mem::take(&mut desk.owed);
            std::mem::swap(&mut desk.inbox, packed);
            return Some(Poll::Ready(()));
        }
        if exchange.has_arrived() || desk.waker != identity(cx.waker()) {
            return None;
        }
        if packed.capacity() > desk.inbox.capacity() {
            std::mem::swap(&mut desk.inbox, packed);
        }
        desk.is_reader_waiting = true;
        Some(Poll::Pending)
    })?
}

/// Adds the message that `encode` appends, if the guest may write here and there is room; gives
/// `encode` back otherwise. A message that has long pieces is given back in pieces, for the box.
#[inline]
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
    with(|desk| desk.is_crowded |= desk.has(exchange));
}

/// Whether `exchange` has the turn: the owner looks into its outbox afterwards.
pub(super) fn note_boxed(exchange: &Exchange) -> bool {
    with(|desk| {
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
        let left = begin(&other).unwrap().end(&other, |written| panic!("{written:?} was left"));
        assert!(!left.has_boxed && !other.has_arrived());
    }

    #[test]
    fn a_connection_within_a_turn_leaves_what_lies_there() {
        let [one, other] = [(); 2].map(|()| Exchange::new(Arc::new(Nobody), None, Encoding::Identity, 65_535));
        assert!(put(b"in"));
        let turn = begin(&one).unwrap();
        assert!(!put(b"more") && begin(&other).is_none());
        clear();
        assert_eq!(take_unread(), None);
        turn.end(&one, |written| panic!("{written:?} was not written"));
        assert!(one.has_arrived());
    }
}
