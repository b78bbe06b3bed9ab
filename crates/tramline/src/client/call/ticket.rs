//! The right, and the duty, to carry a call to its end.

use std::sync::Arc;

use bytes::Bytes;
use tramline_call::{Encoding, Metadata, Status};

use super::shared::{Call, Place};
use crate::client::balancer::PickCompletion;
use crate::client::connection::Letter;
use crate::client::subchannel::Connection;
use crate::drive::exchange::Exchange;
use crate::drive::transfer::Envelope;

/// A message that arrived, undecoded.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// In the memory of the request.
    Owned(Vec<u8>),
    Shared(Bytes),
}

/// The end of a call with one reply: everything that came with it, undecoded.
#[derive(Debug)]
pub(crate) struct UnaryReply {
    pub(crate) body: ReplyBody,
    pub(crate) compressed: bool,
    pub(crate) encoding: Encoding,
    pub(crate) metadata: Metadata,
    pub(crate) trailers: Metadata,
}

/// Octets to send, again if an attempt comes to nothing.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The envelope of a unary request without long pieces.
    pub(crate) octets: Vec<u8>,
    /// What was sent, or is to be sent first, in pieces.
    pub(crate) pieces: Vec<Bytes>,
    /// END_STREAM follows the pieces.
    pub(crate) is_finished: bool,
    /// More was sent than is kept: the call cannot be tried again.
    is_incomplete: bool,
}

/// Held by whoever carries a call: dropped without an end, the call fails.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    call: Option<Arc<Call>>,
    /// The boxes, unless the call is unary.
    pub(crate) exchange: Option<Arc<Exchange>>,
    pub(crate) outbox: Outbox,
    /// The picker that chose the connection wants to know how the call ends.
    completion: Option<Box<dyn PickCompletion>>,
    /// A server has refused it once already.
    was_refused: bool,
}

impl Outbox {
    /// One message of a unary request.
    pub(crate) fn of_envelope(envelope: Envelope) -> Self {
        let (octets, pieces) = envelope.into_parts();
        Outbox { octets, pieces: pieces.unwrap_or_default(), is_finished: true, is_incomplete: false }
    }
}

impl Ticket {
    pub(crate) fn new(call: Arc<Call>, exchange: Option<Arc<Exchange>>, outbox: Outbox) -> Self {
        Ticket { call: Some(call), exchange, outbox, completion: None, was_refused: false }
    }

    /// The call; `None` once it has ended.
    pub(crate) fn call(&self) -> Option<&Arc<Call>> {
        self.call.as_ref()
    }

    /// Gives the call to a connection, or back if that takes no more.
    pub(crate) fn send_to(self, connection: &Connection) -> Result<(), Ticket> {
        let Some(call) = &self.call else { return Ok(()) };
        if !call.set_place(Place::Connection(Arc::clone(&connection.mailbox))) {
            self.fail(cancelled());
            return Ok(());
        }
        match connection.mailbox.offer(Letter::Start(self)) {
            Err(Letter::Start(ticket)) => Err(ticket),
            _ => Ok(()),
        }
    }

    pub(crate) fn set_completion(&mut self, completion: Option<Box<dyn PickCompletion>>) {
        self.completion = completion;
    }

    /// Whether what is sent now can still be kept for another attempt.
    pub(crate) fn can_replay(&self) -> bool {
        !self.was_refused && !self.outbox.is_incomplete
    }

    /// Keeps what a streaming call sent, unless it becomes too much.
    pub(crate) fn keep(&mut self, pieces: Vec<Bytes>, is_finished: bool, len_max: usize) {
        let outbox = &mut self.outbox;
        outbox.pieces.extend(pieces);
        outbox.is_finished = is_finished;
        if outbox.pieces.iter().map(Bytes::len).sum::<usize>() > len_max {
            outbox.pieces = Vec::new();
            outbox.is_incomplete = true;
        }
    }

    /// The server refused the call before it did anything: gRFC A6 allows one more
    /// attempt that nobody notices. False if that was it.
    pub(crate) fn retry_refused(&mut self) -> bool {
        let is_first = self.can_replay();
        self.was_refused = true;
        is_first
    }

    /// Puts the call back into its channel, for another attempt.
    pub(crate) fn resubmit(mut self) {
        if let Some(completion) = self.completion.take() {
            completion.complete(Err(&Status::unavailable("the connection did not take the call")));
        }
        if let Some(router) = self.call.as_ref().map(|call| Arc::clone(&call.router)) {
            router.submit(self);
        }
    }

    /// The call failed.
    pub(crate) fn fail(mut self, status: Status) {
        self.end(Err(status));
    }

    /// A call with boxes ended in order: with its trailers, or the peer's status.
    pub(crate) fn finish(mut self, end: Result<Metadata, Status>) {
        self.end(end);
    }

    /// A unary call succeeded.
    pub(crate) fn succeed(mut self, reply: UnaryReply) {
        if let Some(completion) = self.completion.take() {
            completion.complete(Ok(&reply.trailers));
        }
        if let Some(call) = self.call.take() {
            call.end(Some(Ok(reply)));
        }
    }

    fn end(&mut self, end: Result<Metadata, Status>) {
        let Some(call) = self.call.take() else { return };
        if let Some(completion) = self.completion.take() {
            completion.complete(end.as_ref());
        }
        let Some(exchange) = self.exchange.take() else {
            return call.end(end.err().map(Err));
        };
        call.end(None);
        let over = match &end {
            Ok(_) => Status::cancelled("the call is over: the server ended it with OK"),
            Err(status) => status.clone(),
        };
        exchange.close_outbound(over);
        exchange.finish_inbound(end);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.call.is_some() {
            self.end(Err(Status::unavailable("the task that carried the call has ended")));
        }
    }
}

/// Nobody will see it.
pub(crate) fn cancelled() -> Status {
    Status::cancelled("the call was cancelled on this side")
}
