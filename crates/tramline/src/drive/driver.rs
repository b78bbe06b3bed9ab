//! The loop of one connection: one read, letters, what the read brought, one write.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tramline_h2::{ConnectionError, Event};

use super::buffers::{Lent, READ_LEN};
use super::mailbox::Mailbox;
use super::message_memory::Keeper;
use crate::classify::Engine;
use crate::clock::{Clock, Timer};
use crate::io::BoxIo;

/// Turns of the loop before other tasks get their chance.
const TURN_COUNT_MAX: usize = 16;
/// With more letters than this, a write is worth its while at once.
const FEW_LETTER_COUNT: usize = 32;
/// Slices given to one vectored write.
const SLICE_COUNT_MAX: usize = 64;
/// Output of this length leaves before the rest of a batch is handled, so that the peer
/// works in parallel.
const EARLY_FLUSH_LEN: usize = 64 * 1024;
/// How long a connection that we ended reads on, so that the peer sees our GOAWAY and
/// an orderly close instead of a reset.
const LINGER: Duration = Duration::from_secs(1);
/// Reads of what the peer left when nothing can be written to it any more: above what a
/// socket's buffer holds.
const LAST_READ_COUNT_MAX: usize = 256;

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum CloseReason {
    /// The peer closed the byte stream.
    Eof,
    /// The byte stream failed.
    Io(io::Error),
    /// A rule or a limit was broken; GOAWAY was sent.
    Protocol(ConnectionError),
    /// A graceful end is complete.
    Drained,
    /// The owner wanted it at once.
    Aborted,
}

/// What the letters ask of the loop itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Continue,
    /// Close now, whatever is in flight.
    Abort,
}

/// The part of a connection that differs between server and client.
pub(crate) trait Side: Send + Unpin + 'static {
    type Letter: Send + Unpin + 'static;

    /// A turn of the loop begins. `is_first` after having been parked: time has passed
    /// that was nobody's work.
    fn handle_turn(&mut self, _now: Duration, _is_first: bool) {}
    /// The loop parks: what the turn before began is done.
    fn handle_park(&mut self) {}
    /// Something came from the peer.
    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, now: Duration);
    /// Somebody wrote a letter.
    fn handle_letter(&mut self, engine: &mut Engine, letter: Self::Letter, now: Duration) -> Verdict;
    /// A batch of input is over: what it made ready is to be done now.
    fn handle_batch_end(&mut self, engine: &mut Engine, now: Duration);
    /// Calls whose deadline has passed.
    fn handle_deadlines(&mut self, engine: &mut Engine, now: Duration);
    /// The earliest deadline of a call, or an earlier time.
    fn next_deadline(&self) -> Option<Duration>;
    /// Nothing reaches the peer any more. True if what it sent before that is of use.
    fn handle_unwritable(&mut self) -> bool {
        false
    }
    /// Whether anything is left that needs the connection.
    fn is_idle(&self) -> bool;
    /// Whether tasks were spawned since this was asked last.
    fn take_spawned(&mut self) -> bool {
        false
    }
    /// The connection is over.
    fn handle_close(&mut self, reason: &CloseReason);
}

#[derive(Debug)]
enum Stage {
    Open,
    /// GOAWAY is being written; then the sending side is shut, and input is thrown away.
    Lingering {
        until: Duration,
        is_shut: bool,
    },
    Closed,
}

pub(crate) struct Driver<S: Side> {
    io: BoxIo,
    engine: Engine,
    side: S,
    mailbox: Arc<Mailbox<S::Letter>>,
    letters: Vec<S::Letter>,
    /// The front of a frame whose rest has not come, or what stayed behind when reading
    /// was paused.
    carry: Vec<u8>,
    /// Reading was paused, and is still: `carry` may hold whole frames.
    is_carry_held: bool,
    clock: Clock,
    timer: Timer,
    stage: Stage,
    is_read_closed: bool,
    /// The owner was woken for a few letters, and let others run first.
    has_waited: bool,
    /// The waker that was left in the mailbox.
    parked: Option<Waker>,
    keeper: Option<Keeper>,
}

impl<S: Side> Driver<S> {
    pub(crate) fn new(io: BoxIo, engine: Engine, side: S, mailbox: Arc<Mailbox<S::Letter>>, clock: Clock) -> Self {
        Driver {
            io,
            engine,
            side,
            mailbox,
            letters: Vec::new(),
            carry: Vec::new(),
            is_carry_held: false,
            timer: clock.timer(),
            clock,
            stage: Stage::Open,
            is_read_closed: false,
            has_waited: false,
            parked: None,
            keeper: None,
        }
    }

    fn turns(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<()> {
        let mut now = self.clock.now();
        for turn in 0..TURN_COUNT_MAX {
            if let Stage::Lingering { .. } = self.stage {
                return self.poll_linger(cx, now, buffer);
            }
            let has_letters = self.mailbox.has_some();
            let read = self.poll_read(cx, buffer);
            if turn > 0 {
                // The turn before wrote what it could, and nothing came since.
                if read.is_pending() && !has_letters && self.try_park(cx, now) {
                    self.side.handle_park();
                    return Poll::Pending;
                }
                now = self.clock.now();
            }
            self.side.handle_turn(now, turn == 0);
            let mut has_progress = has_letters && self.take_letters(now);
            has_progress |= self.handle_read(cx, read, buffer, now);
            has_progress |= self.handle_due(now);
            match self.poll_flush(cx, now) {
                Ok(has_room) => has_progress |= has_room,
                Err(error) => self.end_writing(cx, buffer, error, now),
            }
            self.check_drained(now);
            match self.stage {
                Stage::Closed => return Poll::Ready(()),
                Stage::Lingering { .. } => {}
                Stage::Open => {
                    if !has_progress && self.try_park(cx, now) {
                        return Poll::Pending;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The first letter wakes the owner before anybody else has run who writes one, too. It
    /// lets them: all that is ready to run goes out in one write.
    fn waits_for_others(&mut self, cx: &Context<'_>) -> bool {
        self.has_waited = !self.has_waited && self.mailbox.has_few(FEW_LETTER_COUNT);
        if self.has_waited {
            cx.waker().wake_by_ref();
        }
        self.has_waited
    }

    /// Nothing is to be done now: sets the timer, and opens the mailbox for wakes. False
    /// if something came in between.
    fn try_park(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let next = match (self.engine.poll_timeout(), self.side.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let next = self.appoint_keeper(now, next);
        !self.timer.poll_at(cx, now, next) && self.mailbox.park(cx, &mut self.parked)
    }

    /// A connection that had long messages may have to see to their memory; `next` is what
    /// else it has to do.
    #[inline]
    fn appoint_keeper(&mut self, now: Duration, next: Option<Duration>) -> Option<Duration> {
        if self.keeper.is_none() {
            self.keeper = Keeper::appoint(now);
        }
        match &self.keeper {
            Some(keeper) => Some(next.map_or(keeper.due(), |next| next.min(keeper.due()))),
            None => next,
        }
    }

    #[inline(never)]
    fn take_letters(&mut self, now: Duration) -> bool {
        let mut letters = std::mem::take(&mut self.letters);
        self.mailbox.take(&mut letters);
        let has_some = !letters.is_empty();
        for letter in letters.drain(..) {
            if self.side.handle_letter(&mut self.engine, letter, now) == Verdict::Abort {
                self.close(CloseReason::Aborted, now);
            }
        }
        self.letters = letters;
        has_some
    }

    /// One read, behind what was carried over.
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        if self.is_read_closed || self.engine.is_read_paused() {
            return Poll::Pending;
        }
        let carried = self.carry.len();
        if buffer.len() < carried + READ_LEN / 2 {
            buffer.resize(carried + READ_LEN, 0);
        }
        let mut target = ReadBuf::new(&mut buffer[carried..]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut target))?;
        Poll::Ready(Ok(target.filled().len()))
    }

    /// Everything that one read brought. True if there was anything.
    #[inline(always)]
    fn handle_read(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<io::Result<usize>>,
        buffer: &mut [u8],
        now: Duration,
    ) -> bool {
        match read {
            Poll::Pending => return false,
            Poll::Ready(_) if !self.is_open() => return false,
            Poll::Ready(Ok(0)) => {
                self.is_read_closed = true;
                self.close(CloseReason::Eof, now);
            }
            Poll::Ready(Ok(len)) => {
                let carried = self.carry.len();
                buffer[..carried].copy_from_slice(&self.carry);
                self.carry.clear();
                self.handle_input(cx, &buffer[..carried + len], now);
            }
            Poll::Ready(Err(error)) => self.close(CloseReason::Io(error), now),
        }
        true
    }

    /// Input that stayed behind while reading was paused. It is handled as soon as there is
    /// room: what is read next may be the end, or an error.
    fn resume(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        if !self.is_carry_held || !self.is_open() || self.engine.is_read_paused() {
            return false;
        }
        let carry = std::mem::take(&mut self.carry);
        let before = carry.len();
        self.handle_input(cx, &carry, now);
        self.carry.len() < before
    }

    fn handle_input(&mut self, cx: &mut Context<'_>, octets: &[u8], now: Duration) {
        let mut input = octets;
        loop {
            if let Some(event) = self.engine.take_event(now, &mut input) {
                self.side.handle_event(&mut self.engine, event, now);
            } else {
                match self.engine.handle_input(now, &mut input) {
                    Ok(Some(event)) => self.handle_rare_event(event, now),
                    Ok(None) => break,
                    Err(error) => return self.close(CloseReason::Protocol(error), now),
                }
            }
            if self.engine.output().len() >= EARLY_FLUSH_LEN {
                self.write_early(cx, now);
            }
        }
        self.is_carry_held = self.engine.is_read_paused();
        if !input.is_empty() {
            self.carry.extend_from_slice(input);
        }
        self.side.handle_batch_end(&mut self.engine, now);
    }

    /// An event of what few frames are. Apart, so that the loop stays short.
    #[inline(never)]
    fn handle_rare_event(&mut self, event: Event<'_>, now: Duration) {
        self.side.handle_event(&mut self.engine, event, now);
    }

    /// One write in the middle of a batch. What it cannot take, and an error, are met
    /// again by the flush at the batch's end.
    fn write_early(&mut self, cx: &mut Context<'_>, now: Duration) {
        if let Poll::Ready(Ok(count)) = write_output(&mut self.io, cx, self.engine.output()) {
            self.engine.advance_output(now, count);
        }
    }

    /// Timers that are due. True if there were any.
    fn handle_due(&mut self, now: Duration) -> bool {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if !self.is_open() {
            return false;
        }
        let mut has_some = false;
        if is_due(self.side.next_deadline()) {
            self.side.handle_deadlines(&mut self.engine, now);
            has_some = true;
        }
        if is_due(self.keeper.as_ref().map(Keeper::due)) {
            self.keeper.take_if(|keeper| !keeper.is_in_use(now));
            has_some = true;
        }
        if is_due(self.engine.poll_timeout()) {
            if let Err(error) = self.engine.handle_timeout(now) {
                self.close(CloseReason::Protocol(error), now);
            }
            has_some = true;
        }
        has_some
    }

    /// Writes what there is. True if that made room for more: a producer's, or the
    /// reader's.
    fn poll_flush(&mut self, cx: &mut Context<'_>, now: Duration) -> io::Result<bool> {
        let was_paused = self.engine.is_read_paused();
        let mut has_progress = false;
        loop {
            if self.engine.poll_output(now).is_empty() {
                break;
            }
            match write_output(&mut self.io, cx, self.engine.output()) {
                Poll::Pending => break,
                Poll::Ready(written) => self.engine.advance_output(now, written?),
            }
            has_progress |= self.handle_room(cx, now);
        }
        // TLS keeps records of its own.
        if let Poll::Ready(flushed) = Pin::new(&mut self.io).poll_flush(cx) {
            flushed?;
        }
        Ok(has_progress || (was_paused && !self.engine.is_read_paused()))
    }

    /// The peer is gone, or reads no more. What it sent before that may be a whole reply, or
    /// say which calls it has not processed.
    #[cold]
    fn end_writing(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>, error: io::Error, now: Duration) {
        let is_of_use = self.is_open() && self.side.handle_unwritable();
        let mut reads_left = if is_of_use { LAST_READ_COUNT_MAX } else { 0 };
        while reads_left > 0 && self.is_open() {
            // Nothing that waits to be written holds up the reading.
            let len = self.engine.output().len();
            self.engine.advance_output(now, len);
            if self.resume(cx, now) {
                continue;
            }
            let read = self.poll_read(cx, buffer);
            if !matches!(read, Poll::Ready(Ok(1..) | Err(_))) {
                break;
            }
            self.handle_read(cx, read, buffer, now);
            reads_left -= 1;
        }
        self.close(CloseReason::Io(error), now);
    }

    /// Memory for what this poll sends. Output that waits has memory of its own.
    #[inline]
    fn lend_memory(&mut self, lent: &mut Lent) {
        let output = self.engine.output();
        if output.is_empty() {
            output.lend(lent.take_output());
        }
    }

    /// A connection that has nothing to send holds no memory for it.
    #[inline]
    fn return_memory(&mut self, lent: &mut Lent) {
        while let Some(memory) = self.engine.output().take_spare() {
            lent.give_output(memory);
        }
    }

    /// Producers that waited for room, and input that did, now that some was made.
    fn handle_room(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let mut has_some = false;
        while let Some(event) = self.engine.poll_event() {
            self.side.handle_event(&mut self.engine, event, now);
            has_some = true;
        }
        self.resume(cx, now) || has_some
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    fn check_drained(&mut self, now: Duration) {
        if self.is_open() && self.engine.is_drained() && self.side.is_idle() {
            self.close(CloseReason::Drained, now);
        }
    }

    fn close(&mut self, reason: CloseReason, now: Duration) {
        if !self.is_open() {
            return;
        }
        self.side.handle_close(&reason);
        self.stage = match reason {
            CloseReason::Eof | CloseReason::Io(_) | CloseReason::Aborted => Stage::Closed,
            CloseReason::Protocol(_) | CloseReason::Drained => Stage::Lingering { until: now + LINGER, is_shut: false },
        };
    }

    /// The last octets out, then the sending side shut, and all the while input read to its
    /// end: a socket closed with unread input would answer with a reset, and the peer might
    /// never see why. Nor might one that we wait for to read while it waits for us.
    #[cold]
    #[inline(never)]
    fn poll_linger(&mut self, cx: &mut Context<'_>, now: Duration, buffer: &mut [u8]) -> Poll<()> {
        let Stage::Lingering { until, is_shut } = self.stage else { return Poll::Ready(()) };
        if self.timer.poll_at(cx, now, Some(until)) {
            return Poll::Ready(());
        }
        let shut = if is_shut { Poll::Ready(Ok(())) } else { self.poll_shut(cx, now) };
        if let Poll::Ready(Err(_)) = shut {
            return Poll::Ready(());
        }
        self.stage = Stage::Lingering { until, is_shut: shut.is_ready() };
        if !self.is_read_closed {
            ready!(self.poll_discard(cx, buffer));
            self.is_read_closed = true;
        }
        shut.map(|_| ())
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<io::Result<()>> {
        while !self.engine.output().is_empty() {
            let count = ready!(write_output(&mut self.io, cx, self.engine.output()))?;
            self.engine.advance_output(now, count);
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Other tasks, and the end of our patience, have their turn however fast the peer sends.
    fn poll_discard(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<()> {
        for _ in 0..TURN_COUNT_MAX {
            let mut target = ReadBuf::new(buffer);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut target)) {
                Ok(()) if !target.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// As much as the byte stream takes, which is not nothing.
fn write_output(io: &mut BoxIo, cx: &mut Context<'_>, output: &tramline_h2::Output) -> Poll<io::Result<usize>> {
    let written =
        if output.is_contiguous() { Pin::new(io).poll_write(cx, output.first()) } else { write_slices(io, cx, output) };
    match written {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => written,
    }
}

fn write_slices(io: &mut BoxIo, cx: &mut Context<'_>, output: &tramline_h2::Output) -> Poll<io::Result<usize>> {
    let mut slices = [io::IoSlice::new(&[]); SLICE_COUNT_MAX];
    let mut count = 0;
    for (slot, slice) in slices.iter_mut().zip(output.slices()) {
        *slot = io::IoSlice::new(slice);
        count += 1;
    }
    Pin::new(io).poll_write_vectored(cx, &slices[..count])
}

impl<S: Side> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_for_others(cx) {
            return Poll::Pending;
        }
        let mut lent = Lent::take();
        self.lend_memory(&mut lent);
        let polled = self.turns(cx, &mut lent.read);
        self.return_memory(&mut lent);
        lent.give_back();
        if self.side.take_spawned() && polled.is_pending() {
            // A task that was just spawned runs next on this thread, and tokio wakes no other
            // thread for it. If it keeps the thread, the connection must be able to go on
            // elsewhere: one more turn puts it where other threads look.
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl<S: Side> Drop for Driver<S> {
    fn drop(&mut self) {
        if self.is_open() {
            self.side.handle_close(&CloseReason::Aborted);
        }
    }
}
