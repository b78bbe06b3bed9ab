//! The table of attempts, by stream index: how they begin and how they end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tramline_call::cardinality::MessageCount;
use tramline_call::envelope::Assembler;
use tramline_call::{Encoding, Metadata, Status, mapping};
use tramline_h2::{OpenError, Reason, StreamKey};

use super::{Attempt, ClientSide, Progress};
use crate::classify::Engine;
use crate::client::call::{Call, Ticket, cancelled};
use crate::drive::message_memory;

/// Attempts whose memory a thread keeps for the next ones, on whatever connection.
const SPARE_ATTEMPT_COUNT_MAX: usize = 256;

thread_local! {
    #[allow(clippy::vec_box, reason = "the boxes move between the table and here")]
    static SPARES: RefCell<Vec<Box<Attempt>>> = const { RefCell::new(Vec::new()) };
}

impl ClientSide {
    /// A call came by letter.
    pub(super) fn start(&mut self, engine: &mut Engine, ticket: Ticket, now: Duration) {
        let Some(call) = ticket.call() else { return };
        if call.is_cancelled() {
            return ticket.fail(cancelled());
        }
        if let Some(deadline) = call.head.deadline {
            if deadline <= now {
                return ticket.fail(mapping::deadline_exceeded());
            }
            self.earliest_deadline = Some(self.earliest_deadline.map_or(deadline, |before| before.min(deadline)));
        }
        if self.is_draining {
            return ticket.resubmit();
        }
        if self.queue.is_empty() { self.open(engine, ticket, now) } else { self.queue.push_back(ticket) }
    }

    /// Opens streams for calls that waited, as far as the server's limit allows.
    pub(super) fn start_waiting(&mut self, engine: &mut Engine, now: Duration) {
        while !self.queue.is_empty() && engine.check_open() != Err(OpenError::AtCapacity) {
            if let Some(ticket) = self.queue.pop_front() {
                self.open(engine, ticket, now);
            }
        }
    }

    /// Begins an attempt, or lets the call wait for a stream.
    fn open(&mut self, engine: &mut Engine, ticket: Ticket, now: Duration) {
        match engine.check_open() {
            Ok(()) => {}
            Err(OpenError::AtCapacity) => return self.queue.push_front(ticket),
            Err(_) => {
                self.retire();
                self.reporter.report_going_away(&self.connection);
                return ticket.resubmit();
            }
        }
        let Some(call) = ticket.call() else { return };
        let key = match self.send_head(engine, call, now) {
            Ok(key) => key,
            Err(status) => return ticket.fail(status),
        };
        self.connection.handle_start();
        let is_wanted = call.set_key(key);
        let (deadline, count) = (call.head.deadline, MessageCount::of_responses(call.head.method.kind()));
        self.insert(key, ticket, deadline, count);
        if !is_wanted {
            return self.give_up(engine, key, Some(Reason::CANCEL), cancelled());
        }
        self.send_body(engine, key);
        if engine.is_nearly_exhausted() {
            self.retire();
            engine.go_away(Reason::NO_ERROR, b"");
            self.reporter.report_going_away(&self.connection);
        }
    }

    fn insert(&mut self, key: StreamKey, ticket: Ticket, deadline: Option<Duration>, count: MessageCount) {
        let attempt = match SPARES.with_borrow_mut(Vec::pop) {
            Some(mut spare) => {
                spare.key = key;
                spare.ticket = ticket;
                spare.deadline = deadline;
                spare.count = count;
                spare
            }
            None => Box::new(Attempt {
                key,
                ticket,
                progress: Progress::Waiting,
                assembler: Assembler::with_memory(&message_memory::SHARED),
                count,
                encoding: Encoding::Identity,
                metadata: Metadata::new(),
                reply: None,
                deadline,
                owed_len: 0,
                has_ended: false,
            }),
        };
        if self.attempts.len() <= key.index() {
            self.attempts.resize_with(key.index() + 1, || None);
        }
        self.attempt_count += 1;
        self.attempts[key.index()] = Some(attempt);
    }

    pub(super) fn attempt_mut(&mut self, key: StreamKey) -> Option<&mut Attempt> {
        self.attempts.get_mut(key.index())?.as_deref_mut().filter(|attempt| attempt.key == key)
    }

    /// Ends an attempt on this connection: its stream leaves the engine, and its ticket
    /// comes out.
    pub(super) fn take(&mut self, engine: &mut Engine, key: StreamKey) -> Option<Box<Attempt>> {
        self.attempt_mut(key)?;
        let attempt = self.attempts.get_mut(key.index())?.take();
        self.attempt_count -= 1;
        self.connection.handle_end(1);
        engine.forget(key);
        attempt
    }

    /// Keeps the memory of an attempt whose ticket has been used.
    pub(super) fn recycle(&mut self, mut attempt: Box<Attempt>) {
        attempt.progress = Progress::Waiting;
        attempt.assembler.reset();
        attempt.encoding = Encoding::Identity;
        attempt.metadata = Metadata::new();
        attempt.reply = None;
        attempt.owed_len = 0;
        attempt.has_ended = false;
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < SPARE_ATTEMPT_COUNT_MAX {
                spares.push(attempt);
            }
        });
    }

    /// Ends a call early. With a reason, its stream is reset.
    pub(super) fn give_up(&mut self, engine: &mut Engine, key: StreamKey, reason: Option<Reason>, status: Status) {
        if let Some(reason) = reason {
            engine.reset(key, reason);
        }
        if let Some(mut attempt) = self.take(engine, key) {
            std::mem::take(&mut attempt.ticket).fail(status);
            self.recycle(attempt);
        }
    }

    /// Nobody wants the call any more.
    pub(super) fn cancel(&mut self, engine: &mut Engine, call: &Arc<Call>) {
        if let Some(key) = call.key() {
            return self.give_up(engine, key, Some(Reason::CANCEL), cancelled());
        }
        let is_call = |ticket: &Ticket| ticket.call().is_some_and(|other| Arc::ptr_eq(other, call));
        if let Some(ticket) = self.queue.iter().position(is_call).and_then(|at| self.queue.remove(at)) {
            ticket.fail(cancelled());
        }
    }

    /// Calls whose deadline has passed, on a stream or waiting for one.
    pub(super) fn expire(&mut self, engine: &mut Engine, now: Duration) {
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| at <= now);
        let due: Vec<StreamKey> = self
            .attempts
            .iter()
            .flatten()
            .filter(|attempt| is_due(attempt.deadline))
            .map(|attempt| attempt.key)
            .collect();
        for key in due {
            self.give_up(engine, key, Some(Reason::CANCEL), mapping::deadline_exceeded());
        }
        let deadline_of = |ticket: &Ticket| ticket.call().and_then(|call| call.head.deadline);
        let queue = std::mem::take(&mut self.queue);
        let (late, queue): (VecDeque<Ticket>, _) = queue.into_iter().partition(|ticket| is_due(deadline_of(ticket)));
        self.queue = queue;
        for ticket in late {
            ticket.fail(Status::deadline_exceeded("the deadline passed while the call waited for a stream"));
        }
        let on_streams = self.attempts.iter().flatten().filter_map(|attempt| attempt.deadline);
        self.earliest_deadline = on_streams.chain(self.queue.iter().filter_map(deadline_of)).min();
    }
}
