//! Calls that stream: between their boxes and the engine.

use tramline_call::Metadata;
use tramline_call::codec::Frame;
use tramline_call::server_call::{check_section_len, write_head};
use tramline_h2::StreamKey;

use super::reply::write_http_head;
use super::{ServerSide, Stage};
use crate::classify::{Engine, EngineFields};

impl ServerSide {
    pub(super) fn handle_stream_data(&mut self, engine: &mut Engine, key: StreamKey, bytes: &[u8], end_stream: bool) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(exchange) = call.exchange.as_ref().filter(|_| !matches!(call.stage, Stage::Leaving)) else {
            return engine.release_capacity(key, bytes.len());
        };
        let is_here = matches!(call.stage, Stage::Held(_));
        if call.is_http {
            let (consumed, is_awaited) = exchange.hand_message(false, Frame::Slice(bytes), bytes.len(), is_here);
            engine.release_capacity(key, consumed);
            return self.after_data(engine, key, is_awaited, end_stream);
        }
        let (mut input, mut consumed, mut is_awaited) = (bytes, 0, false);
        call.owed_len += bytes.len() as u32;
        let failure = loop {
            match call.assembler.next(&mut input, call.encoding, self.shared.limits.message_len_max) {
                Ok(None) => break None,
                Err(status) => break Some(status),
                Ok(Some(message)) => {
                    if let Err(status) = call.requests.handle_message() {
                        break Some(status);
                    }
                    let owed = call.owed_len as usize - input.len();
                    call.owed_len = input.len() as u32;
                    let (read, waits) = exchange.hand_message(message.compressed, message.frame, owed, is_here);
                    consumed += read;
                    is_awaited |= waits;
                }
            }
        };
        if call.owed_len > 0 {
            self.give_window(engine, key);
        }
        engine.release_capacity(key, consumed);
        if let Some(status) = failure {
            return self.fail_call(engine, key, status);
        }
        self.after_data(engine, key, is_awaited, end_stream);
    }

    /// A handler that waited for data goes on at the end of the batch.
    fn after_data(&mut self, engine: &mut Engine, key: StreamKey, is_awaited: bool, end_stream: bool) {
        if is_awaited && self.touched.last() != Some(&key) {
            self.touched.push(key);
        }
        if end_stream {
            self.handle_request_end(engine, key);
        }
    }

    /// Lets a handler that waited for messages go on: here, if it is here.
    pub(super) fn serve_reader(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        match &call.exchange {
            Some(exchange) if !matches!(call.stage, Stage::Held(_)) => exchange.wake_reader(),
            _ => self.poll_call(engine, key),
        }
    }

    /// The request stream ended in order.
    pub(super) fn end_stream_input(&mut self, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(exchange) = &call.exchange else { return };
        let is_here = matches!(call.stage, Stage::Held(_));
        if exchange.finish_inbound_of(Ok(Metadata::new()), is_here) {
            self.touched.push(key);
        }
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
        let subtype = call.subtype;
        let encoding = self.shared.response_encoding(call.accept);
        let mut outcome = Ok(());
        // A stream that the client reset takes nothing more; its reset is an event of its own.
        exchange.take_outgoing(|outgoing| {
            call.head_sent |= outgoing.head.is_some();
            if let Some(mut metadata) = outgoing.head.filter(|_| !call.is_http) {
                if let Some(head) = call.context.as_ref().and_then(|context| context.take_head()) {
                    metadata.merge(&head);
                }
                outcome = check_section_len(&metadata, engine.peer_header_list_len_max());
                if outcome.is_err() {
                    call.head_sent = false;
                    return ((), engine.queued_len(key));
                }
                let _ = engine.send_headers(key, false, |fields| {
                    write_head(subtype, &metadata, encoding, &mut EngineFields(fields));
                });
            }
            if let Some(head) = outgoing.http_head {
                let _ = engine.send_headers(key, false, |fields| write_http_head(fields, &head));
            }
            for piece in outgoing.pieces {
                let _ = engine.send_data(key, piece, false);
            }
            if !outgoing.tail.is_empty() {
                let _ = engine.send_with(key, false, |out| {
                    out.extend_from_slice(outgoing.tail);
                    Ok::<(), std::convert::Infallible>(())
                });
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
