//! One connection of a server: the calls on it, and what the peer does to them.

mod budget;
mod calls;
mod dispatch;
mod events;
pub(crate) mod reply;
mod streaming_call;

use std::sync::Arc;
use std::time::Duration;

use tramline_call::server_call::RequestHead;
use tramline_h2::hpack::BlockKey;
use tramline_h2::{Event, Reason, StreamKey};

use super::settings::ServerShared;
use crate::classify::Engine;
use crate::clock::Clock;
use crate::context::ConnectionContext;
use crate::drive::desk;
use crate::drive::driver::{CloseReason, Side, Verdict};
use crate::drive::exchange::{Notice, NoticeBoard};
use crate::drive::mailbox::{Mailbox, WakeLetter};
use crate::drive::transfer::Splices;
use crate::io::ConnectionInfo;
use budget::PollBudget;
use calls::{Call, CallTable, Stage};
use dispatch::SlotPool;
use reply::DetachedReply;
use tramline_call::mapping::CancelReason;

/// What is asked of a server connection's owner.
pub(crate) enum Letter {
    /// The handler of the call at this place wants to be polled.
    Wake(u32),
    /// A streaming call's boxes changed.
    Notice(StreamKey, Notice),
    /// A handler on another task is done.
    Finished(StreamKey, Box<DetachedReply>),
    /// A handler on another task was dropped before it was done.
    Dropped(StreamKey),
    /// Stop taking calls, finish those in flight.
    Drain,
    /// Stop now.
    Abort,
}

impl WakeLetter for Letter {
    fn wake(place: u32) -> Self {
        Letter::Wake(place)
    }
}

impl NoticeBoard for Mailbox<Letter> {
    fn notify(&self, call: Option<StreamKey>, notice: Notice) {
        if let Some(call) = call {
            self.post(Letter::Notice(call, notice));
        }
    }
}

/// A head that a client may send again and again. When it does, it is not read again.
struct RepeatedHead {
    key: BlockKey,
    route: u32,
    /// It came twice, and `head` is still what it says.
    is_kept: bool,
}

/// The server's side of a connection.
pub(crate) struct ServerSide {
    shared: Arc<ServerShared>,
    connection: Arc<ConnectionContext>,
    mailbox: Arc<Mailbox<Letter>>,
    clock: Clock,
    /// The head that is being read, or that was read last.
    head: RequestHead,
    repeated: Option<RepeatedHead>,
    calls: CallTable,
    slots: SlotPool,
    budget: PollBudget,
    /// The streaming call whose handler has its turn next: it waits for what lies on the desk, or
    /// came into its inbox.
    next_turn: Option<StreamKey>,
    /// Streaming calls that got messages in this batch, and are read elsewhere.
    touched: Vec<StreamKey>,
    /// Room for the long pieces of one message; empty between messages.
    splices: Splices,
    /// No call's deadline is earlier.
    earliest_deadline: Option<Duration>,
    /// A handler was given a task of its own.
    has_spawned: bool,
}

impl ServerSide {
    pub(crate) fn new(shared: Arc<ServerShared>, info: Arc<ConnectionInfo>, mailbox: Arc<Mailbox<Letter>>) -> Self {
        ServerSide {
            clock: shared.clock.clone(),
            slots: SlotPool::new(shared.routes.len()),
            connection: Arc::new(ConnectionContext { info, clock: shared.clock.clone() }),
            shared,
            mailbox,
            head: RequestHead::default(),
            repeated: None,
            calls: CallTable::default(),
            budget: PollBudget::default(),
            next_turn: None,
            touched: Vec::new(),
            splices: Splices::new(),
            earliest_deadline: None,
            has_spawned: false,
        }
    }

    #[inline(never)]
    fn handle_rare_event(&mut self, engine: &mut Engine, event: Event<'_>) {
        match event {
            Event::Reset { stream, .. } => self.cancel(engine, stream, CancelReason::Client),
            Event::Writable { stream } => self.transfer(engine, stream),
            _ => {}
        }
    }

    /// The server's grace is over: every call is told so.
    fn abort(&mut self, engine: &mut Engine) {
        let keys: Vec<StreamKey> = self.calls.iter().map(|call| call.key).collect();
        for key in keys {
            self.end_with(engine, key, CancelReason::Shutdown, CancelReason::Shutdown.status());
        }
        engine.go_away(Reason::NO_ERROR, b"");
    }
}

impl Side for ServerSide {
    type Letter = Letter;

    fn handle_turn(&mut self, now: Duration, is_first: bool) {
        self.budget.handle_turn(now, is_first);
    }

    #[inline]
    fn handle_park(&mut self) {
        self.budget.handle_park(&self.clock);
    }

    #[inline(always)]
    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, now: Duration) {
        if self.next_turn.is_some() && !matches!(&event, Event::Data { stream, .. } if Some(*stream) == self.next_turn)
        {
            self.give_turn(engine);
        }
        match event {
            Event::Headers { stream, end_stream, oversize } => {
                self.handle_headers(engine, stream, end_stream, oversize, now);
            }
            Event::Data { stream, bytes, end_stream } => self.handle_data(engine, stream, bytes, end_stream),
            Event::Trailers { stream, .. } => self.handle_request_end(engine, stream),
            event => self.handle_rare_event(engine, event),
        }
    }

    fn handle_letter(&mut self, engine: &mut Engine, letter: Letter, now: Duration) -> Verdict {
        match letter {
            Letter::Wake(place) => self.poll_call_at(engine, place),
            Letter::Notice(call, Notice::Outbound) => self.transfer(engine, call),
            Letter::Notice(call, Notice::Consumed) => self.give_window(engine, call),
            Letter::Notice(_, Notice::Dropped) => {}
            Letter::Finished(call, reply) => self.finish_detached(engine, call, *reply),
            Letter::Dropped(call) => self.forget_leaving(engine, call),
            Letter::Drain => engine.drain(now),
            Letter::Abort => {
                self.abort(engine);
                return Verdict::Abort;
            }
        }
        Verdict::Continue
    }

    fn handle_batch_end(&mut self, engine: &mut Engine, _now: Duration) {
        self.give_turn(engine);
        for key in self.touched.drain(..) {
            if let Some(exchange) = self.calls.get_mut(key).and_then(|call| call.exchange.as_ref()) {
                exchange.wake_reader();
            }
        }
    }

    fn handle_deadlines(&mut self, engine: &mut Engine, now: Duration) {
        let is_due = |call: &&Call| call.deadline().is_some_and(|at| at <= now);
        let due: Vec<StreamKey> = self.calls.iter().filter(is_due).map(|call| call.key).collect();
        for call in due {
            self.end_with(engine, call, CancelReason::Deadline, CancelReason::Deadline.status());
        }
        self.earliest_deadline = self.calls.iter().filter_map(Call::deadline).min();
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.earliest_deadline
    }

    fn is_idle(&self) -> bool {
        self.calls.len() == 0
    }

    fn take_spawned(&mut self) -> bool {
        std::mem::take(&mut self.has_spawned)
    }

    fn handle_close(&mut self, reason: &CloseReason) {
        if self.next_turn.take().is_some() {
            desk::clear();
        }
        log_close(&self.connection.info, reason, self.calls.len());
        let cancel_reason = match reason {
            CloseReason::Aborted => CancelReason::Shutdown,
            _ => CancelReason::ConnectionLost,
        };
        let calls: Vec<Box<Call>> = self.calls.drain().collect();
        for call in calls {
            tell_end(&call, cancel_reason);
            self.discard(call);
        }
    }
}

fn log_close(peer: &ConnectionInfo, reason: &CloseReason, calls: usize) {
    match reason {
        CloseReason::Protocol(error) => tracing::info!(%peer, calls, %error, "connection closed"),
        CloseReason::Io(error) => tracing::debug!(%peer, calls, %error, "connection lost"),
        CloseReason::Eof => tracing::debug!(%peer, calls, "connection closed by the client"),
        CloseReason::Drained => tracing::debug!(%peer, calls, "connection drained"),
        CloseReason::Aborted => tracing::debug!(%peer, calls, "connection aborted"),
    }
}

/// Tells everybody who holds a part of the call that it is over early.
fn tell_end(call: &Call, reason: CancelReason) {
    if let Some(context) = &call.context {
        context.cancel(reason);
    }
    if let Some(exchange) = &call.exchange {
        exchange.abort(&reason.status());
    }
}
