//! The two boxes of one streaming call, shared by its connection and its user.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use tramline_call::{Encoding, Frame, Metadata, Status};
use tramline_h2::StreamKey;

use super::desk;
use super::inbound::{Inbound, InboundEnd, Taken};
use super::leaf_lock::LeafLock;
use super::outbound::Outbound;
use super::transfer::Splices;

/// How often an encoder that uses a stream looks whether its outbox becomes free.
const LOCK_TRY_COUNT_MAX: u32 = 100;

thread_local! {
    /// Outboxes that this thread has locked to change them, which may run an encoder.
    static CHANGE_COUNT: Cell<u32> = const { Cell::new(0) };
}

/// What a call's user tells the connection's owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    /// The outbox has something.
    Outbound,
    /// The inbox was read: window may be given back.
    Consumed,
    /// The user dropped the call.
    Dropped,
}

/// Where notices go: the mailbox of a server's connection, or a client's call, which
/// knows its connection once it has one.
pub(crate) trait NoticeBoard: Send + Sync {
    fn notify(&self, call: Option<StreamKey>, notice: Notice);
}

/// Status and fields of a response that is plain HTTP.
#[derive(Debug)]
pub(crate) struct HttpHead {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

/// Window is given back when this much was read, or half of a stream's, not octet by octet.
const CONSUMED_LEN_MIN: u16 = 16 * 1024;
/// With this much unread, a message that is on its way gets no window beyond its own.
const INBOUND_LEN_FULL: usize = 64 * 1024;

/// What the owner takes from an outbox: the head first, then pieces, then `tail`.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) head: Option<Metadata>,
    /// With the head, if the response is plain HTTP.
    pub(crate) http_head: Option<Box<HttpHead>>,
    pub(crate) pieces: Vec<Bytes>,
    /// Envelopes one after another, to be copied.
    pub(crate) tail: &'a [u8],
    pub(crate) is_finished: bool,
}

pub(crate) struct Exchange {
    board: Arc<dyn NoticeBoard>,
    /// The engine's stream, if the call had one from the start.
    call: Option<StreamKey>,
    inbound: LeafLock<Inbound>,
    /// In a box made when first needed: a stream on which nothing happens has none.
    outbound: LeafLock<Option<Box<Outbound>>>,
    /// The owner knows already that the outbox has something.
    is_announced: AtomicBool,
    /// The inbox has something. Changed under its lock.
    has_arrived: AtomicBool,
    /// The outbox has something. Changed under its lock.
    has_outgoing: AtomicBool,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("call", &self.call).finish_non_exhaustive()
    }
}

impl Exchange {
    /// `encoding` is how the peer compresses, as far as that is known; `window_len` is what it
    /// may send on a stream before it is answered.
    pub(crate) fn new(
        board: Arc<dyn NoticeBoard>,
        call: Option<StreamKey>,
        encoding: Encoding,
        window_len: u32,
    ) -> Arc<Exchange> {
        let consumed_len_min =
            u16::try_from(window_len / 2).map_or(CONSUMED_LEN_MIN, |half| half.clamp(1, CONSUMED_LEN_MIN));
        let inbound = LeafLock::new(Inbound::new(encoding, consumed_len_min));
        Arc::new(Exchange {
            board,
            call,
            inbound,
            outbound: LeafLock::default(),
            is_announced: AtomicBool::new(false),
            has_arrived: AtomicBool::new(false),
            has_outgoing: AtomicBool::new(false),
        })
    }

    fn notify(&self, notice: Notice) {
        self.board.notify(self.call, notice);
    }

    // The user's side.

    /// Messages that lie on the desk go to `packed`, which is empty, or come there next. `None` if
    /// the call has no turn there, or something in its inbox.
    #[inline(never)]
    pub(crate) fn poll_desk(&self, cx: &Context<'_>, packed: &mut Vec<u8>) -> Option<Poll<()>> {
        desk::poll_take(self, cx, packed)
    }

    /// The next messages, or how the peer's side ended. Packed messages go to `packed`, which is
    /// empty.
    #[inline(never)]
    pub(crate) fn poll_take(&self, cx: &Context<'_>, packed: &mut Vec<u8>) -> Poll<Result<Taken, InboundEnd>> {
        if let Some(taken) = self.poll_desk(cx, packed) {
            return taken.map(|()| Ok(Taken::Packed));
        }
        // Dropped when the lock is not held any more: what it does then is anybody's.
        let mut replaced = None;
        let (taken, consumed) = {
            let mut inbound = self.inbound.lock();
            let was_full = inbound.len() >= INBOUND_LEN_FULL;
            let taken = inbound.poll_take(cx, packed, &mut replaced);
            self.has_arrived.store(inbound.has_some(), Ordering::Relaxed);
            let has_room = was_full && inbound.len() < INBOUND_LEN_FULL;
            (taken, has_room || inbound.consumed_len >= u32::from(inbound.consumed_len_min))
        };
        if consumed {
            self.notify(Notice::Consumed);
        }
        taken
    }

    /// The initial metadata that the peer sent, or how the call ended without any.
    pub(crate) fn poll_head(&self, cx: &Context<'_>) -> Poll<Result<Metadata, Status>> {
        let mut replaced = None;
        self.inbound.lock().poll_head(cx, &mut replaced)
    }

    /// Changes the initial metadata that the peer sent, if it is there. No lock is held
    /// meanwhile: `change` is an application's.
    pub(crate) fn change_received_head(&self, change: impl FnOnce(&mut Metadata)) {
        let head = self.inbound.lock().take_head();
        if let Some(mut head) = head {
            change(&mut head);
            self.inbound.lock().put_head(head);
        }
    }

    /// Whether the peer's initial metadata is there.
    pub(crate) fn has_received_head(&self) -> bool {
        self.inbound.lock().has_head()
    }

    /// How the peer compresses, once that is known.
    pub(crate) fn encoding(&self) -> Encoding {
        self.inbound.lock().encoding
    }

    /// Whether the inbox has something. Who reads on the owner's task, or is the owner, need
    /// not take the lock to find that there is nothing.
    pub(crate) fn has_arrived(&self) -> bool {
        self.has_arrived.load(Ordering::Acquire)
    }

    /// Ready when one more message may be sent.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<Result<(), Status>> {
        self.poll_room(|on_desk_len| {
            let mut outbound = self.try_lock_outbox()?;
            outbound.as_mut().map_or(Poll::Ready(Ok(())), |outbound| outbound.poll_ready(cx, on_desk_len))
        })
    }

    /// Adds the message that `encode` appends, when there is room for it.
    #[inline]
    pub(crate) fn poll_push(
        &self,
        cx: &Context<'_>,
        encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    ) -> Poll<Result<(), Status>> {
        let encode = match self.push_on_desk(encode) {
            Ok(pushed) => return Poll::Ready(pushed),
            Err(encode) => encode,
        };
        self.poll_room(|on_desk_len| {
            self.try_change_outbound(|outbound| outbound.poll_push(cx, on_desk_len, encode))?
        })
    }

    /// `poll` finds room beside what lies on the desk, or waits for it.
    fn poll_room(&self, poll: impl FnOnce(usize) -> Poll<Result<(), Status>>) -> Poll<Result<(), Status>> {
        let polled = poll(desk::outbox_len(self));
        if polled.is_pending() {
            desk::note_crowded(self);
        }
        polled
    }

    /// Adds the message that `encode` appends. The caller has seen [`poll_ready`](Self::poll_ready).
    pub(crate) fn push(
        &self,
        encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    ) -> Result<(), Status> {
        match self.push_on_desk(encode) {
            Ok(pushed) => pushed,
            Err(encode) => self.try_change_outbound(|outbound| outbound.push(encode))?,
        }
    }

    /// The outbox, for those who use the call. An error within an encoder that writes there.
    #[inline]
    fn try_lock_outbox(&self) -> Result<MutexGuard<'_, Option<Box<Outbound>>>, Status> {
        self.outbound.try_lock().map_or_else(|| self.await_outbox(), Ok)
    }

    #[cold]
    fn await_outbox(&self) -> Result<MutexGuard<'_, Option<Box<Outbound>>>, Status> {
        if CHANGE_COUNT.get() == 0 {
            return Ok(self.outbound.lock());
        }
        // It may be the outbox of an encoder that called this. If not, it is free in no time.
        let mut tries = (0..LOCK_TRY_COUNT_MAX).map(|_| {
            std::thread::yield_now();
            self.outbound.try_lock()
        });
        tries.find_map(|locked| locked).ok_or_else(|| {
            Status::internal(
                "the encoder of a message uses the stream that the message goes to: do that before it, or after it",
            )
        })
    }

    /// The same for what cannot fail.
    ///
    /// # Panics
    /// Within an encoder that writes there.
    fn lock_outbox(&self) -> MutexGuard<'_, Option<Box<Outbound>>> {
        self.try_lock_outbox().unwrap_or_else(|status| panic!("{}", status.message()))
    }

    /// Gives `encode` back where the desk is not for this message.
    #[inline]
    fn push_on_desk<E>(&self, encode: E) -> Result<Result<(), Status>, E>
    where
        E: FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    {
        // What lies on the desk goes out before what is in the box: it must not overtake that.
        if self.has_outgoing.load(Ordering::Acquire) {
            return Err(encode);
        }
        Ok(desk::push(self, encode)?.map(|pieces| {
            if let Some(pieces) = pieces {
                self.change_outbound(|outbound| outbound.push_pieces(pieces));
            }
        }))
    }

    /// Initial metadata; refused once it is on its way.
    pub(crate) fn set_head(&self, head: Metadata) -> Result<(), Metadata> {
        let mut outbound = self.lock_outbox();
        let outbound = outbound.get_or_insert_default();
        if outbound.head_sent {
            return Err(head);
        }
        outbound.head = head;
        Ok(())
    }

    /// Changes the initial metadata, unless it is on its way. No lock is held meanwhile:
    /// `change` is an application's.
    pub(crate) fn change_head(&self, change: impl FnOnce(&mut Metadata)) {
        let mut head = {
            let mut outbound = self.lock_outbox();
            let outbound = outbound.get_or_insert_default();
            if outbound.head_sent {
                return;
            }
            std::mem::take(&mut outbound.head)
        };
        change(&mut head);
        self.outbound.lock().get_or_insert_default().head = head;
    }

    /// The head of a response that is plain HTTP. It goes out at once.
    pub(crate) fn send_http_head(&self, head: HttpHead) {
        self.change_outbound(|outbound| {
            outbound.set_http_head(head);
            outbound.flush_head = true;
        });
    }

    /// Sends the initial metadata without waiting for a message.
    pub(crate) fn flush_head(&self) {
        self.change_outbound(|outbound| outbound.flush_head = true);
    }

    /// Changes the trailers. No lock is held meanwhile: `change` is an application's. What
    /// others add in the same time comes behind.
    pub(crate) fn with_trailers<R>(&self, change: impl FnOnce(&mut Metadata) -> R) -> R {
        let mut trailers = self.lock_outbox().as_deref_mut().map(Outbound::take_trailers).unwrap_or_default();
        let result = change(&mut trailers);
        let mut outbound = self.outbound.lock();
        let outbound = outbound.get_or_insert_default();
        if !outbound.trailers.is_empty() {
            trailers.merge(&outbound.trailers);
        }
        outbound.trailers = trailers;
        result
    }

    /// Nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.change_outbound(|outbound| outbound.is_finished = true);
    }

    /// The user wants nothing more of the call.
    pub(crate) fn abandon(&self) {
        self.notify(Notice::Dropped);
    }

    /// # Panics
    /// Within an encoder that writes there.
    fn change_outbound(&self, change: impl FnOnce(&mut Outbound)) {
        self.try_change_outbound(change).unwrap_or_else(|status| panic!("{}", status.message()));
    }

    fn try_change_outbound<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> Result<R, Status> {
        let result = {
            let mut outbound = self.try_lock_outbox()?;
            self.has_outgoing.store(true, Ordering::Relaxed);
            let _change = Change::begin();
            change(outbound.get_or_insert_default())
        };
        if desk::note_boxed(self) {
            return Ok(result);
        }
        // While the owner knows, nothing is written: it unsets the flag before it looks.
        if !self.is_announced.load(Ordering::Acquire) && !self.is_announced.swap(true, Ordering::AcqRel) {
            self.notify(Notice::Outbound);
        }
        Ok(result)
    }

    // The owner's side.

    /// Takes what waits, and empties the box. `take` says what it makes of it, and how much
    /// of the call's output the engine holds then.
    pub(crate) fn take_outgoing<R>(&self, take: impl FnOnce(Outgoing<'_>) -> (R, usize)) -> R {
        self.is_announced.store(false, Ordering::Release);
        let mut locked = self.outbound.lock();
        self.has_outgoing.store(false, Ordering::Relaxed);
        let Some(outbound) = locked.as_mut() else {
            // The engine holds nothing of a call that never wrote.
            let nothing = Outgoing { head: None, http_head: None, pieces: Vec::new(), tail: &[], is_finished: false };
            return take(nothing).0;
        };
        let is_needed = outbound.flush_head || !outbound.is_empty();
        let head = if is_needed && !outbound.head_sent {
            outbound.head_sent = true;
            Some(std::mem::take(&mut outbound.head))
        } else {
            None
        };
        let http_head = outbound.take_http_head();
        let pieces = outbound.take_pieces();
        let is_finished = outbound.is_finished;
        let (taken, engine_len) = take(Outgoing { head, http_head, pieces, tail: outbound.tail.octets(), is_finished });
        outbound.tail.clear();
        let writers = outbound.set_engine_len(engine_len);
        drop(locked);
        writers.wake();
        taken
    }

    /// Whether the response head still waits, and what it holds.
    pub(crate) fn take_head(&self) -> Option<Metadata> {
        let mut outbound = self.outbound.lock();
        let outbound = outbound.get_or_insert_default();
        let was_sent = std::mem::replace(&mut outbound.head_sent, true);
        (!was_sent).then(|| std::mem::take(&mut outbound.head))
    }

    pub(crate) fn take_trailers(&self) -> Metadata {
        self.outbound.lock().as_deref_mut().map(Outbound::take_trailers).unwrap_or_default()
    }

    /// The engine holds this much of the call's output.
    pub(crate) fn set_engine_len(&self, len: usize) {
        let writers = self.outbound.lock().as_mut().map(|outbound| outbound.set_engine_len(len));
        if let Some(writers) = writers {
            writers.wake();
        }
    }

    /// The peer's head arrived.
    pub(crate) fn set_received_head(&self, metadata: Metadata, encoding: Encoding) {
        self.inbound.lock().set_head(metadata, encoding);
    }

    /// A message arrived that cost `owed` octets of window. Returns what was read since the
    /// last time, as [`take_consumed`](Self::take_consumed), and whether a reader waits.
    pub(crate) fn push_message(&self, compressed: bool, frame: Frame<'_>, owed: usize) -> (usize, bool) {
        self.fill_inbound(|inbound| {
            inbound.push(compressed, frame, owed);
            (std::mem::take(&mut inbound.consumed_len) as usize, inbound.is_awaited())
        })
    }

    /// Changes the inbox, in which there is something from now on.
    #[inline]
    fn fill_inbound<R>(&self, fill: impl FnOnce(&mut Inbound) -> R) -> R {
        let mut inbound = self.inbound.lock();
        self.has_arrived.store(true, Ordering::Relaxed);
        fill(&mut inbound)
    }

    /// Packed messages that were to be read elsewhere, and were not. The inbox is empty: nothing
    /// goes there past them.
    pub(crate) fn put_back(&self, pack: Vec<u8>, owed: usize) {
        self.fill_inbound(|inbound| inbound.put_back(pack, owed));
        self.wake_reader();
    }

    /// Wakes the reader after a batch.
    pub(crate) fn wake_reader(&self) {
        // The lock is not held while it is woken: a waker may be anybody's.
        let reader = self.inbound.lock().take_reader();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Whether so much is unread that more should wait.
    pub(crate) fn is_inbound_full(&self) -> bool {
        self.inbound.lock().len() >= INBOUND_LEN_FULL
    }

    /// Octets read since the last time, to be given back to the window.
    pub(crate) fn take_consumed(&self) -> usize {
        std::mem::take(&mut self.inbound.lock().consumed_len) as usize
    }

    /// The peer's side ended.
    pub(crate) fn finish_inbound(&self, end: InboundEnd) {
        self.fill_inbound(|inbound| inbound.finish(end));
        self.wake_reader();
    }

    /// The call ended early: both boxes are emptied, and both users told.
    pub(crate) fn abort(&self, status: &Status) {
        self.fill_inbound(|inbound| inbound.abort(status.clone()));
        self.wake_reader();
        self.close_outbound(status.clone());
    }

    /// Nothing more can be sent, while what arrived can still be read.
    pub(crate) fn close_outbound(&self, status: Status) {
        let (writers, _unsent) = self.outbound.lock().get_or_insert_default().close(status);
        writers.wake();
    }
}

/// A locked outbox is being changed on this thread.
struct Change;

impl Change {
    #[inline]
    fn begin() -> Change {
        CHANGE_COUNT.set(CHANGE_COUNT.get() + 1);
        Change
    }
}

impl Drop for Change {
    #[inline]
    fn drop(&mut self) {
        CHANGE_COUNT.set(CHANGE_COUNT.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Weak;
    use std::sync::atomic::AtomicU32;
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use super::*;

    struct Nobody;

    impl NoticeBoard for Nobody {
        fn notify(&self, _call: Option<StreamKey>, _notice: Notice) {}
    }

    fn exchange() -> Arc<Exchange> {
        Exchange::new(Arc::new(Nobody), None, Encoding::Identity, 65_535)
    }

    /// Something of the application's that uses the call when it is dropped.
    struct Nosy {
        exchange: Weak<Exchange>,
        drop_count: Arc<AtomicU32>,
    }

    impl Drop for Nosy {
        fn drop(&mut self) {
            let Some(exchange) = self.exchange.upgrade() else { return };
            exchange.has_received_head();
            exchange.with_trailers(|_| ());
            self.drop_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Wake for Nosy {
        fn wake(self: Arc<Self>) {}
    }

    impl AsRef<[u8]> for Nosy {
        fn as_ref(&self) -> &[u8] {
            b"octets"
        }
    }

    /// Two messages whose encoder sends another one, by the outbox.
    #[test]
    fn an_encoder_that_sends_on_its_own_stream_gets_an_error() {
        in_time(|| {
            let [exchange, other] = [(); 2].map(|()| exchange());
            let pushed = exchange.push(|out, _| {
                out.extend_from_slice(b"outer");
                for same in [true, false] {
                    let through = other.push(|_, _| {
                        let inner = if same { &exchange } else { &other };
                        assert!(inner.poll_ready(&Context::from_waker(Waker::noop())).is_ready());
                        inner.push(|_, _| panic!("it has the lock"))
                    });
                    assert!(through.unwrap_err().message().contains("do that before it"));
                }
                assert!(catch_unwind(AssertUnwindSafe(|| exchange.finish())).is_err());
                Ok(())
            });
            assert!(pushed.is_ok());
            let sent = |outgoing: Outgoing<'_>| (outgoing.tail.to_vec(), 0);
            assert_eq!((exchange.take_outgoing(sent), other.take_outgoing(sent)), (b"outer".to_vec(), Vec::new()));
            assert!(exchange.push(|_, _| Ok(())).is_ok());
        });
    }

    /// Runs `test` on a thread that may hang.
    fn in_time(test: impl FnOnce() + Send + 'static) {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            test();
            let _ = done.send(());
        });
        is_done.recv_timeout(Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn what_is_dropped_may_use_the_call() {
        in_time(|| {
            let exchange = exchange();
            let drop_count = Arc::new(AtomicU32::new(0));
            let nosy = || Nosy { exchange: Arc::downgrade(&exchange), drop_count: Arc::clone(&drop_count) };
            for count in 0..4 {
                let waker = Waker::from(Arc::new(nosy()));
                let cx = Context::from_waker(&waker);
                assert!(exchange.poll_head(&cx).is_pending());
                assert!(exchange.poll_take(&cx, &mut Vec::new()).is_pending());
                assert_eq!(drop_count.load(Ordering::Relaxed), count, "each takes the place of the one before");
            }
            let pushed = exchange.push(|out, splices| {
                splices.push((out.len(), Bytes::from_owner(nosy())));
                Ok(())
            });
            assert!(pushed.is_ok());
            exchange.abort(&Status::cancelled("over"));
            assert_eq!(drop_count.load(Ordering::Relaxed), 5, "the last reader, and what was not sent");
        });
    }
}
