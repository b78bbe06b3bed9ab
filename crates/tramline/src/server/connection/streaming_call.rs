//! Calls that stream: between their boxes and the engine.

use tramline_call::codec::Frame;
use tramline_call::server_call::{check_section_len, write_head};
use tramline_call::{Encoding, Metadata, Status, Subtype};
use tramline_h2::StreamKey;

use super::reply::write_http_head;
use super::{Call, ServerSide, Stage};
use crate::classify::{Engine, EngineFields};
use crate::context::CallContext;
use crate::drive::desk::{self, Turn};
use crate::drive::exchange::Exchange;
use crate::drive::outbound::Tail;
use crate::server::settings::ServerShared;

/// The messages of one DATA frame, on their way to whoever reads them.
struct Delivery<'a> {
    exchange: &'a Exchange,
    /// They go on the desk: the reader has its turn next, and nothing else waits for it.
    is_on_desk: bool,
    /// Nothing lies on the desk yet that counts.
    is_first: bool,
    has_some: bool,
    /// Octets that were read since the last time.
    consumed: usize,
    /// A reader waits elsewhere.
    is_awaited: bool,
}

impl<'a> Delivery<'a> {
    #[inline]
    fn new(exchange: &'a Exchange, is_reader_here: bool, is_first: bool) -> Self {
        let is_on_desk = is_reader_here && !exchange.has_arrived();
        Delivery { exchange, is_on_desk, is_first, has_some: false, consumed: 0, is_awaited: false }
    }

    #[inline(always)]
    fn deliver(&mut self, compressed: bool, frame: Frame<'_>, owed: usize) {
        self.has_some = true;
        if self.is_on_desk && desk::put(std::mem::take(&mut self.is_first), compressed, &frame, owed) {
            return;
        }
        // Behind a message that has to go into the inbox, all have; and what came before, for who
        // looks there may be on another thread.
        if std::mem::take(&mut self.is_on_desk) {
            set_desk_aside(self.exchange);
        }
        let (consumed, is_awaited) = self.exchange.push_message(compressed, frame, owed);
        self.consumed += consumed;
        self.is_awaited |= is_awaited;
    }

    /// What is not gRPC has no envelopes. Returns what is left.
    #[cold]
    fn deliver_body(&mut self, body: &[u8]) -> &'static [u8] {
        self.deliver(false, Frame::Slice(body), body.len());
        &[]
    }
}

/// What is to be done after messages were taken off the wire.
pub(super) struct Taken {
    /// Octets of theirs that are to be given back to the window.
    consumed: usize,
    /// The front of a message came whose rest may need window.
    is_cut: bool,
    failure: Option<Status>,
}

/// Takes the messages of one DATA frame to whoever reads them.
#[inline(always)]
pub(super) fn take_messages(
    call: &mut Call,
    bytes: &[u8],
    shared: &ServerShared,
    next_turn: &mut Option<StreamKey>,
    touched: &mut Vec<StreamKey>,
) -> Taken {
    let is_here = call.is_reader_here();
    let Some(exchange) = call.exchange.as_ref().filter(|_| !matches!(call.stage, Stage::Leaving)) else {
        return Taken { consumed: bytes.len(), is_cut: false, failure: None };
    };
    let mut delivery = Delivery::new(exchange, is_here, next_turn.is_none());
    let mut input = if call.is_http { delivery.deliver_body(bytes) } else { bytes };
    call.owed_len += input.len() as u32;
    let failure = loop {
        match call.assembler.next(&mut input, call.encoding, shared.limits.message_len_max) {
            Ok(None) => break None,
            Err(status) => break Some(status),
            Ok(Some(message)) => {
                if let Err(status) = call.requests.handle_message() {
                    break Some(status);
                }
                let owed = call.owed_len as usize - input.len();
                call.owed_len = input.len() as u32;
                delivery.deliver(message.compressed, message.frame, owed);
            }
        }
    };
    let Delivery { consumed, is_awaited, has_some, .. } = delivery;
    if is_here && has_some {
        *next_turn = Some(call.key);
    }
    // Also beside a turn: the handler may have given its stream away since it asked.
    if is_awaited && touched.last() != Some(&call.key) {
        touched.push(call.key);
    }
    Taken { consumed, is_cut: call.owed_len > 0, failure }
}

impl ServerSide {
    #[inline(always)]
    pub(super) fn finish_taking(&mut self, engine: &mut Engine, key: StreamKey, taken: Taken, end_stream: bool) {
        let Taken { consumed, is_cut, failure } = taken;
        if is_cut {
            self.give_window(engine, key);
        }
        if consumed > 0 {
            engine.release_capacity(key, consumed);
        }
        if let Some(status) = failure {
            return self.fail_call(engine, key, status);
        }
        if end_stream {
            self.handle_request_end(engine, key);
        }
    }

    /// The handler that waits for what came has its turn.
    #[inline(never)]
    pub(super) fn give_turn(&mut self, engine: &mut Engine) {
        if let Some(key) = self.next_turn {
            let had_turn = self.poll_call(engine, key);
            self.next_turn = None;
            if !had_turn {
                // What a call that failed leaves there is nobody's.
                desk::clear();
            }
        }
    }

    /// A handler that should have its turn next gets none now, or not here.
    pub(super) fn put_turn_off(&mut self, key: StreamKey) {
        let is_next = self.next_turn == Some(key);
        if let Some(exchange) = self.calls.get_mut(key).and_then(|call| call.exchange.as_ref()).filter(|_| is_next) {
            set_desk_aside(exchange);
        }
    }

    /// The request stream ended in order.
    pub(super) fn end_stream_input(&mut self, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(exchange) = &call.exchange else { return };
        if self.next_turn == Some(key) {
            // Who sees the end may be on another thread, and must find the messages before it.
            set_desk_aside(exchange);
        } else if call.is_reader_here() {
            desk::clear();
            self.next_turn = Some(key);
        }
        exchange.finish_inbound(Ok(Metadata::new()));
    }

    /// Takes what waits in a call's outbox to the engine, unless that has enough.
    pub(super) fn transfer(&mut self, engine: &mut Engine, key: StreamKey) {
        if !engine.poll_backpressure(key) {
            self.transfer_all(engine, key);
        }
    }

    /// Takes all that waits in a call's outbox to the engine.
    pub(super) fn transfer_all(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(exchange) = &call.exchange else { return };
        let mut head = StreamHead::new(call.subtype, &mut call.head_sent, call.context.as_ref());
        let is_http = call.is_http;
        let encoding = self.shared.response_encoding(call.accept);
        let mut outcome = Ok(());
        // A stream that the client reset takes nothing more; its reset is an event of its own.
        exchange.take_outgoing(|outgoing| {
            match outgoing.head {
                Some(metadata) if !is_http => outcome = head.send(engine, key, metadata, encoding),
                metadata => *head.is_sent |= metadata.is_some(),
            }
            if outcome.is_err() {
                return ((), engine.queued_len(key));
            }
            if let Some(head) = outgoing.http_head {
                let _ = engine.send_headers(key, false, |fields| write_http_head(fields, &head));
            }
            for piece in outgoing.pieces {
                let _ = engine.send_data(key, piece, false);
            }
            if !outgoing.tail.is_empty() {
                let _ = engine.send_copy(key, outgoing.tail, false);
            }
            engine.poll_backpressure(key);
            ((), engine.queued_len(key))
        });
        if let Err(status) = outcome {
            self.fail_call(engine, key, status);
        }
    }

    /// Gives back the window of what a handler has read, and of a message that is on its
    /// way: a long one, or in a small window its prefix, could never be complete otherwise.
    pub(super) fn give_window(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(exchange) = &call.exchange else { return };
        let mut granted = exchange.take_consumed();
        if call.owed_len > 0 && !exchange.is_inbound_full() {
            granted += std::mem::take(&mut call.owed_len) as usize;
        }
        engine.release_capacity(key, granted);
    }
}

/// What a handler left when its turn ended: messages go to the engine, octets that were read
/// back to the window. True if more lies in its outbox. What lay on the desk was for it if it
/// `was_next`.
#[inline]
pub(super) fn end_turn(
    call: &mut Call,
    engine: &mut Engine,
    turn: Turn,
    shared: &ServerShared,
    was_next: bool,
) -> Result<bool, Status> {
    let mut sent = None;
    let left = turn.end(|written| sent = Some(send_written(call, engine, written, shared)));
    // Who asked before, and did not in this turn, is woken by the next message all the same.
    call.is_reader_waiting = left.is_reader_waiting || call.is_reader_waiting && !was_next;
    let Some(exchange) = &call.exchange else { return Ok(false) };
    if left.has_unread {
        set_desk_aside(exchange);
    }
    if left.consumed > 0 {
        engine.release_capacity(call.key, left.consumed);
    }
    if let Some(sent) = sent {
        let queued_len = sent?;
        if queued_len > 0 || left.is_crowded {
            engine.poll_backpressure(call.key);
            exchange.set_engine_len(queued_len);
        }
    }
    Ok(left.has_boxed)
}

/// What lies on the desk for the handler behind `exchange` goes into its inbox.
fn set_desk_aside(exchange: &Exchange) {
    if let Some((pack, owed)) = desk::take_unread() {
        exchange.put_back(pack, owed);
    }
}

/// The head of a response that goes on as a stream.
struct StreamHead<'a> {
    subtype: Subtype,
    is_sent: &'a mut bool,
    context: Option<&'a CallContext>,
}

impl<'a> StreamHead<'a> {
    fn new(subtype: Subtype, is_sent: &'a mut bool, context: Option<&'a CallContext>) -> Self {
        StreamHead { subtype, is_sent, context }
    }

    fn send(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        mut metadata: Metadata,
        encoding: Option<Encoding>,
    ) -> Result<(), Status> {
        if let Some(head) = self.context.and_then(CallContext::take_head) {
            metadata.merge(&head);
        }
        check_section_len(&metadata, engine.peer_header_list_len_max())?;
        *self.is_sent = true;
        let _ = engine.send_headers(key, false, |fields| {
            write_head(self.subtype, &metadata, encoding, &mut EngineFields(fields));
        });
        Ok(())
    }
}

// A stream that the client reset takes nothing more; its reset is an event of its own.

/// Sends what a handler wrote on the desk: a long tail is handed over, a short one copied.
/// Returns how much of the stream waits.
#[inline(always)]
fn send_written(
    call: &mut Call,
    engine: &mut Engine,
    written: &mut Tail,
    shared: &ServerShared,
) -> Result<usize, Status> {
    if !call.head_sent {
        send_head(call, engine, shared)?;
    }
    Ok(match written.take_piece() {
        Some(piece) => {
            let _ = engine.send_data(call.key, piece, false);
            engine.queued_len(call.key)
        }
        None => engine.send_copy(call.key, written.octets(), false).unwrap_or(0),
    })
}

/// The head in front of the first message.
#[cold]
fn send_head(call: &mut Call, engine: &mut Engine, shared: &ServerShared) -> Result<(), Status> {
    let Some(metadata) = call.exchange.as_ref().and_then(|exchange| exchange.take_head()) else { return Ok(()) };
    let mut head = StreamHead::new(call.subtype, &mut call.head_sent, call.context.as_ref());
    head.send(engine, call.key, metadata, shared.response_encoding(call.accept))
}
