//! One connection of a client: the calls on it, and what the peer does to them.

mod attempts;
mod events;
mod outgoing;
mod plain;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tramline_call::Status;
use tramline_call::cardinality::MessageCount;
use tramline_call::client_call::ForeignResponse;
use tramline_call::envelope::Assembler;
use tramline_call::mapping::ConnectFailure;
use tramline_call::{Encoding, Metadata};
use tramline_h2::{Event, StreamKey};

use super::call::{Call, ReplyBody, Ticket};
use super::control::Reporter;
use super::profile::Profile;
use super::subchannel::Connection;
use crate::classify::Engine;
use crate::drive::driver::{CloseReason, Side, Verdict};
use crate::drive::exchange::Notice;
use crate::io::ConnectionInfo;
use plain::PlainAnswers;

/// What is asked of a client connection's owner.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A call, to be sent.
    Start(Ticket),
    /// Nobody wants this call any more.
    Cancel(Arc<Call>),
    /// A streaming call's boxes changed.
    Notice(StreamKey, Notice),
    /// Take no more calls, finish those in flight.
    Drain,
    /// Stop now.
    Abort,
}

/// How far the response is.
#[derive(Debug)]
enum Progress {
    /// No head yet: until then, the call can be tried elsewhere.
    Waiting,
    Messages,
    /// Something that is not gRPC: its body is read to explain it.
    Foreign(Box<ForeignResponse>),
}

/// One attempt of a call on this connection.
struct Attempt {
    key: StreamKey,
    ticket: Ticket,
    progress: Progress,
    assembler: Assembler,
    count: MessageCount,
    /// How the peer compresses.
    encoding: Encoding,
    /// Initial metadata of a unary response.
    metadata: Metadata,
    /// The one message of a unary response, and whether it is compressed.
    reply: Option<(ReplyBody, bool)>,
    deadline: Option<Duration>,
    /// Octets of the message being assembled that are not released yet.
    owed_len: usize,
    /// END_STREAM was given to the engine.
    has_ended: bool,
}

/// The client's side of a connection.
pub(crate) struct ClientSide {
    profile: Arc<Profile>,
    connection: Arc<Connection>,
    info: ConnectionInfo,
    reporter: Reporter,
    /// By stream index.
    attempts: Vec<Option<Box<Attempt>>>,
    attempt_count: usize,
    /// Calls that wait for a stream (SETTINGS_MAX_CONCURRENT_STREAMS).
    queue: VecDeque<Ticket>,
    /// Streaming calls that got messages in this batch.
    touched: Vec<StreamKey>,
    plain: PlainAnswers,
    /// No call's deadline is earlier.
    earliest_deadline: Option<Duration>,
    /// No more calls are taken.
    is_draining: bool,
}

impl ClientSide {
    pub(crate) fn new(
        profile: Arc<Profile>,
        connection: Arc<Connection>,
        info: ConnectionInfo,
        reporter: Reporter,
    ) -> Self {
        ClientSide {
            profile,
            connection,
            info,
            reporter,
            attempts: Vec::new(),
            attempt_count: 0,
            queue: VecDeque::new(),
            touched: Vec::new(),
            plain: PlainAnswers::default(),
            earliest_deadline: None,
            is_draining: false,
        }
    }

    /// No new calls; those that wait go elsewhere.
    fn retire(&mut self) {
        self.is_draining = true;
        self.connection.retire();
        for ticket in std::mem::take(&mut self.queue) {
            ticket.resubmit();
        }
    }

    #[inline(never)]
    fn handle_rare_event(&mut self, engine: &mut Engine, event: Event<'_>, now: Duration) {
        match event {
            Event::Reset { stream, reason, unprocessed, .. } => {
                self.handle_reset(engine, stream, reason, unprocessed, now);
            }
            Event::Writable { stream } => self.transfer(engine, stream),
            Event::Settled => {
                tracing::debug!(peer = %self.info, "connected");
                self.reporter.report_ready(&self.connection);
            }
            Event::GoAway { reason, debug, .. } => {
                let words = debug.escape_ascii();
                tracing::debug!(peer = %self.info, ?reason, %words, "the server goes away");
                self.retire();
                self.reporter.report_going_away(&self.connection);
            }
            Event::PingAck { .. } | Event::Ping => {}
            // They have their own way.
            Event::Headers { .. } | Event::Data { .. } | Event::Trailers { .. } => {}
        }
    }
}

impl Side for ClientSide {
    type Letter = Letter;

    #[inline(always)]
    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, now: Duration) {
        match event {
            Event::Headers { stream, end_stream, oversize } => self.handle_head(engine, stream, end_stream, oversize),
            Event::Data { stream, bytes, end_stream } => self.handle_data(engine, stream, bytes, end_stream),
            Event::Trailers { stream, oversize } => self.handle_trailers(engine, stream, oversize),
            event => self.handle_rare_event(engine, event, now),
        }
    }

    fn handle_letter(&mut self, engine: &mut Engine, letter: Letter, now: Duration) -> Verdict {
        match letter {
            Letter::Start(ticket) => self.start(engine, ticket, now),
            Letter::Cancel(call) => {
                self.cancel(engine, &call);
                self.start_waiting(engine, now);
            }
            Letter::Notice(key, Notice::Outbound) => self.transfer(engine, key),
            Letter::Notice(key, Notice::Consumed) => self.give_window(engine, key),
            Letter::Notice(_, Notice::Dropped) => {}
            Letter::Drain => {
                self.retire();
                engine.go_away(tramline_h2::Reason::NO_ERROR, b"");
            }
            Letter::Abort => return Verdict::Abort,
        }
        Verdict::Continue
    }

    fn handle_batch_end(&mut self, engine: &mut Engine, now: Duration) {
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            if let Some(exchange) = self.attempt_mut(key).and_then(|attempt| attempt.ticket.exchange.as_ref()) {
                exchange.wake_reader();
            }
        }
        self.touched = touched;
        self.start_waiting(engine, now);
    }

    fn handle_deadlines(&mut self, engine: &mut Engine, now: Duration) {
        self.expire(engine, now);
        self.start_waiting(engine, now);
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.earliest_deadline
    }

    fn handle_unwritable(&mut self) -> bool {
        self.retire();
        true
    }

    fn is_idle(&self) -> bool {
        self.attempt_count == 0 && self.queue.is_empty()
    }

    fn handle_close(&mut self, reason: &CloseReason) {
        tracing::debug!(peer = %self.info, ?reason, calls = self.attempt_count, "connection closed");
        self.retire();
        for letter in self.connection.mailbox.close() {
            if let Letter::Start(ticket) = letter {
                ticket.resubmit();
            }
        }
        let status = close_status(reason, &self.info);
        for attempt in self.attempts.iter_mut().filter_map(Option::take) {
            attempt.ticket.fail(status.clone());
        }
        self.connection.handle_end(std::mem::take(&mut self.attempt_count));
        self.reporter.report_closed(&self.connection, status);
    }
}

/// What a call that was on the connection is told.
fn close_status(reason: &CloseReason, info: &ConnectionInfo) -> Status {
    let (failure, detail) = match reason {
        CloseReason::Eof => (ConnectFailure::Lost, "the server closed it".to_owned()),
        CloseReason::Io(error) => (ConnectFailure::Lost, error.to_string()),
        CloseReason::Protocol(error) => (ConnectFailure::Lost, error.to_string()),
        CloseReason::Drained => (ConnectFailure::GoingAway, "it had no calls left".to_owned()),
        CloseReason::Aborted => (ConnectFailure::Shutdown, "it was closed on this side".to_owned()),
    };
    failure.status(format_args!("{detail} (server {info})"))
}
