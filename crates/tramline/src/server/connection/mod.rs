//! One connection of a server: the calls on it, and what the peer does to them.

mod calls;
mod dispatch;
mod events;
pub(crate) mod reply;
mod streaming_call;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tramline_call::Status;
use tramline_call::envelope::Assembler;
use tramline_call::server_call::RequestHead;
use tramline_h2::{Event, StreamKey};

use super::settings::ServerShared;
use super::slot::BoxSlot;
use crate::classify::Engine;
use crate::clock::Clock;
use crate::context::{CallContext, CancelReason};
use crate::drive::driver::{CloseReason, Side, Verdict};
use crate::drive::exchange::{Exchange, Notice, NoticeBoard};
use crate::drive::mailbox::{CallWaker, Mailbox, WakeLetter};
use crate::io::ConnectionInfo;
use dispatch::SlotPool;
use reply::DetachedReply;

/// What is asked of a server connection's owner.
pub(crate) enum Letter {
    /// A handler wants to be polled.
    Wake(StreamKey),
    /// A streaming call's boxes changed.
    Notice(StreamKey, Notice),
    /// A handler on another task is done.
    Finished(StreamKey, Box<DetachedReply>),
    /// Stop taking calls, finish those in flight.
    Drain,
    /// Stop now.
    Abort,
}

impl WakeLetter for Letter {
    fn wake(call: StreamKey) -> Self {
        Letter::Wake(call)
    }
}

impl NoticeBoard for Mailbox<Letter> {
    fn notify(&self, call: Option<StreamKey>, notice: Notice) {
        if let Some(call) = call {
            self.post(Letter::Notice(call, notice));
        }
    }
}

/// How far a call is.
enum Stage {
    /// The one request message is not complete.
    Collecting,
    /// Its handler waits here for its next poll.
    Held(BoxSlot),
    /// Its handler is being polled, or runs on another task.
    Away(Option<tokio::task::AbortHandle>),
}

/// One call that is alive on this connection.
struct Call {
    key: StreamKey,
    route: u32,
    stage: Stage,
    head: RequestHead,
    context: Option<Arc<CallContext>>,
    exchange: Option<Arc<Exchange>>,
    assembler: Assembler,
    /// A unary request message that came before END_STREAM.
    early_message: Option<(bool, Vec<u8>)>,
    deadline: Option<Duration>,
    /// Octets of the message being assembled that are not released yet.
    owed_len: usize,
    head_sent: bool,
    request_ended: bool,
}

/// A call's waker, used again for the calls after it.
struct WakerCell {
    target: Arc<CallWaker<Letter>>,
    waker: Waker,
}

/// The server's side of a connection.
pub(crate) struct ServerSide {
    shared: Arc<ServerShared>,
    connection: Arc<ConnectionInfo>,
    mailbox: Arc<Mailbox<Letter>>,
    clock: Clock,
    /// By stream index.
    calls: Vec<Option<Box<Call>>>,
    spare_calls: Vec<Box<Call>>,
    call_count: usize,
    wakers: Vec<Option<WakerCell>>,
    slots: SlotPool,
    /// Streaming calls that got messages in this batch.
    touched: Vec<StreamKey>,
    /// Handlers to poll before the batch ends.
    runnable: VecDeque<StreamKey>,
    /// No call's deadline is earlier.
    earliest_deadline: Option<Duration>,
}

impl ServerSide {
    pub(crate) fn new(
        shared: Arc<ServerShared>,
        connection: Arc<ConnectionInfo>,
        mailbox: Arc<Mailbox<Letter>>,
        clock: Clock,
    ) -> Self {
        ServerSide {
            slots: SlotPool::new(shared.routes.len()),
            shared,
            connection,
            mailbox,
            clock,
            calls: Vec::new(),
            spare_calls: Vec::new(),
            call_count: 0,
            wakers: Vec::new(),
            touched: Vec::new(),
            runnable: VecDeque::new(),
            earliest_deadline: None,
        }
    }
}

impl Side for ServerSide {
    type Letter = Letter;

    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, now: Duration) {
        match event {
            Event::Headers { stream, end_stream, oversize } => {
                self.handle_headers(engine, stream, end_stream, oversize, now);
            }
            Event::Data { stream, bytes, end_stream } => self.handle_data(engine, stream, bytes, end_stream, now),
            Event::Trailers { stream, .. } => self.handle_request_end(engine, stream, now),
            Event::Reset { stream, .. } => self.cancel(engine, stream, CancelReason::Client),
            Event::Writable { stream } => self.transfer(engine, stream),
            Event::Settled | Event::GoAway { .. } | Event::PingAck { .. } | Event::Ping => {}
        }
    }

    fn handle_letter(&mut self, engine: &mut Engine, letter: Letter, now: Duration) -> Verdict {
        match letter {
            Letter::Wake(call) => self.poll_call(engine, call),
            Letter::Notice(call, Notice::Outbound) => self.transfer(engine, call),
            Letter::Notice(call, Notice::Consumed) => self.give_window(engine, call),
            Letter::Notice(_, Notice::Dropped) => {}
            Letter::Finished(call, reply) => self.finish_detached(engine, call, *reply),
            Letter::Drain => engine.drain(now),
            Letter::Abort => return Verdict::Abort,
        }
        Verdict::Continue
    }

    fn handle_batch_end(&mut self, engine: &mut Engine, _now: Duration) {
        let mut touched = std::mem::take(&mut self.touched);
        for call in touched.drain(..) {
            self.wake_reader(call);
        }
        self.touched = touched;
        while let Some(call) = self.runnable.pop_front() {
            self.poll_call(engine, call);
        }
    }

    fn handle_deadlines(&mut self, engine: &mut Engine, now: Duration) {
        self.earliest_deadline = None;
        let due: Vec<StreamKey> = self.calls.iter().flatten().filter(|c| c.deadline.is_some_and(|at| at <= now)).map(|c| c.key).collect();
        for call in due {
            self.end_with(engine, call, CancelReason::Deadline, Status::deadline_exceeded("the deadline passed on the server"));
        }
        self.earliest_deadline = self.calls.iter().flatten().filter_map(|c| c.deadline).min();
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.earliest_deadline
    }

    fn is_idle(&self) -> bool {
        self.call_count == 0
    }

    fn handle_close(&mut self, reason: &CloseReason) {
        tracing::debug!(peer = %self.connection, ?reason, calls = self.call_count, "connection closed");
        let reason = match reason {
            CloseReason::Aborted => CancelReason::Shutdown,
            _ => CancelReason::ConnectionLost,
        };
        for call in self.calls.iter_mut().filter_map(Option::take) {
            end_call(*call, reason);
        }
        self.call_count = 0;
    }
}

/// Tells everybody who still holds a part of the call, and drops its handler.
fn end_call(call: Call, reason: CancelReason) {
    if let Some(context) = &call.context {
        context.cancel(reason);
    }
    if let Some(exchange) = &call.exchange {
        exchange.abort(&cancel_status(reason));
    }
    if let Stage::Away(Some(task)) = &call.stage {
        task.abort();
    }
}

fn cancel_status(reason: CancelReason) -> Status {
    match reason {
        CancelReason::Client => Status::cancelled("the client cancelled the call"),
        CancelReason::Deadline => Status::deadline_exceeded("the deadline passed on the server"),
        CancelReason::ConnectionLost => Status::cancelled("the connection to the client was lost"),
        CancelReason::Shutdown => Status::unavailable("the server is shutting down"),
    }
}
