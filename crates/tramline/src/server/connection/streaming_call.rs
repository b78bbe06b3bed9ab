//! Calls that stream: between their boxes and the engine.

use std::time::Duration;

use bytes::Bytes;
use tramline_call::Metadata;
use tramline_h2::StreamKey;

use super::events::too_many_messages;
use super::reply::{write_response_head, write_status};
use super::{ServerSide, Stage};
use crate::classify::Engine;

/// A message longer than this gets its window back as it arrives, or it could never
/// be complete.
const GRANTED_MESSAGE_LEN_MIN: usize = 64 * 1024;

impl ServerSide {
    pub(super) fn handle_stream_data(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        bytes: &[u8],
        end_stream: bool,
        now: Duration,
    ) {
        let limit = self.shared.limits.message_len_max;
        let takes_one_message = self.takes_one_message(key);
        let Some(call) = self.call_mut(key) else { return };
        let Some(exchange) = call.exchange.clone() else { return };
        if takes_one_message && !bytes.is_empty() {
            engine.release_capacity(key, bytes.len());
            return self.fail_call(engine, key, too_many_messages());
        }
        let mut input = bytes;
        call.owed_len += bytes.len();
        let failure = loop {
            let before = input.len();
            match call.assembler.next(&mut input, limit) {
                Ok(Some(message)) => {
                    let owed = call.owed_len - input.len();
                    call.owed_len = input.len();
                    exchange.push_message(message.compressed, message.frame, owed);
                }
                Ok(None) => break None,
                Err(status) => break Some(status),
            }
            debug_assert!(input.len() < before || input.is_empty());
        };
        let is_long = call.assembler.pending_len() > GRANTED_MESSAGE_LEN_MIN;
        if is_long && exchange.inbound_len() < GRANTED_MESSAGE_LEN_MIN {
            let granted = std::mem::take(&mut call.owed_len);
            engine.release_capacity(key, granted);
        }
        if let Some(status) = failure {
            return self.fail_call(engine, key, status);
        }
        if self.touched.last() != Some(&key) {
            self.touched.push(key);
        }
        if end_stream {
            self.handle_request_end(engine, key, now);
        }
    }

    fn takes_one_message(&mut self, key: StreamKey) -> bool {
        let route = self.call_mut(key).map(|call| call.route);
        route.and_then(|route| self.shared.routes.get(route)).is_some_and(|route| route.takes_one_message())
    }

    /// Wakes a handler that waits for messages.
    pub(super) fn wake_reader(&mut self, key: StreamKey) {
        if let Some(exchange) = self.call_mut(key).and_then(|call| call.exchange.as_ref()) {
            exchange.wake_reader();
        }
    }

    /// The request stream ended in order.
    pub(super) fn end_stream_input(&mut self, key: StreamKey) {
        if let Some(exchange) = self.call_mut(key).and_then(|call| call.exchange.as_ref()) {
            exchange.finish_inbound(Ok(Metadata::new()));
        }
    }

    /// Takes what waits in a call's outbox to the engine.
    pub(super) fn transfer(&mut self, engine: &mut Engine, key: StreamKey) {
        let encoding = self.shared.response_encoding();
        let Some(call) = self.call_mut(key) else { return };
        let Some(exchange) = call.exchange.clone() else { return };
        if engine.queued_len(key) == 0 && engine.poll_backpressure(key) {
            return;
        }
        let mut copied = Vec::new();
        let outgoing = exchange.take_outgoing(|octets| copied.extend_from_slice(octets));
        if let Some(metadata) = outgoing.head {
            call.head_sent = true;
            let encoding = encoding.filter(|encoding| call.head.accept().contains(*encoding));
            let _ = engine.send_headers(key, false, |fields| write_response_head(fields, &metadata, encoding));
        }
        if !copied.is_empty() {
            let _ = engine.send_data(key, Bytes::from(copied), false);
        }
        for piece in outgoing.pieces {
            let _ = engine.send_data(key, piece, false);
        }
        engine.poll_backpressure(key);
        exchange.set_engine_len(engine.queued_len(key));
    }

    /// Gives back the window of what a handler has read.
    pub(super) fn give_window(&mut self, engine: &mut Engine, key: StreamKey) {
        if let Some(exchange) = self.call_mut(key).and_then(|call| call.exchange.clone()) {
            engine.release_capacity(key, exchange.take_consumed());
        }
    }

    /// The end of a response: trailers behind what was sent, or a head that is all.
    pub(super) fn send_status(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        status: Option<&tramline_call::Status>,
        trailers: Metadata,
    ) {
        let Some(call) = self.call_mut(key) else { return };
        let head_sent = std::mem::replace(&mut call.head_sent, true);
        let metadata = call.exchange.as_ref().filter(|_| !head_sent).and_then(|exchange| exchange.take_head());
        let is_held = matches!(call.stage, Stage::Held(_) | Stage::Collecting | Stage::Away(_));
        debug_assert!(is_held);
        if !head_sent && status.is_none() {
            // An OK without messages still has a head of its own, so that its metadata stays initial.
            let metadata = metadata.unwrap_or_default();
            let _ = engine.send_headers(key, false, |fields| write_response_head(fields, &metadata, None));
            let _ = engine.send_headers(key, true, |fields| write_status(fields, None, &trailers));
            return;
        }
        let _ = engine.send_headers(key, true, |fields| {
            if !head_sent {
                write_response_head(fields, &metadata.unwrap_or_default(), None);
            }
            write_status(fields, status, &trailers);
        });
    }
}
