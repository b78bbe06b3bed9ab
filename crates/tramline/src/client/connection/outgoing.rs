//! What a client writes: request heads, and messages out of the outboxes.

use std::time::Duration;

use bytes::Bytes;
use tramline_call::client_call::{RequestParts, write_request};
use tramline_call::{Status, mapping};
use tramline_h2::{SendError, StreamKey};

use super::{ClientSide, Progress};
use crate::classify::{Engine, EngineFields};
use crate::client::call::Call;

/// Octets of a streaming request that are kept until the server answers, so that the call
/// can be tried elsewhere if the server refuses it.
const REPLAY_LEN_MAX: usize = 256 * 1024;
/// What the fields of a request head take beside path, authority and metadata, with the 32
/// octets of each (RFC 9113 §6.5.2).
const HEAD_LEN_BASE: usize = 512;

impl ClientSide {
    /// Opens a stream with the call's head.
    pub(super) fn send_head(&mut self, engine: &mut Engine, call: &Call, now: Duration) -> Result<StreamKey, Status> {
        let head = &call.head;
        let timeout = head.deadline.map(|deadline| deadline.saturating_sub(now));
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(mapping::deadline_exceeded());
        }
        let profile = &self.profile;
        let metadata_len = head.metadata.section_len();
        let len = HEAD_LEN_BASE + head.method.path().as_str().len() + profile.authority.len() + metadata_len;
        let len_max = engine.peer_header_list_len_max();
        if metadata_len > 0 && len > len_max {
            return Err(Status::resource_exhausted(format!(
                "the request's metadata make a head of about {len} bytes, and the server accepts {len_max}"
            )));
        }
        let parts = RequestParts {
            path: head.method.path(),
            authority: &profile.authority,
            scheme: profile.scheme,
            timeout,
            encoding: head.encoding,
            accept: profile.accept,
            user_agent: &profile.user_agent,
            subtype: head.method.subtype(),
            metadata: &head.metadata,
        };
        engine
            .send_request(now, false, |fields| write_request(&parts, &mut EngineFields(fields)))
            .map_err(|error| Status::unavailable(error.to_string()))
    }

    /// What the call has to send at once.
    pub(super) fn send_body(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(attempt) = self.attempt_mut(key) else { return };
        let outbox = &attempt.ticket.outbox;
        if attempt.ticket.exchange.is_none() {
            attempt.has_ended = true;
            if outbox.pieces.is_empty() {
                let octets = &outbox.octets;
                let sent: Result<usize, SendError<()>> = engine.send_with(key, true, |out| {
                    out.extend_from_slice(octets);
                    Ok(())
                });
                debug_assert!(sent.is_ok());
                return;
            }
            return send_pieces(engine, key, &outbox.pieces, true);
        }
        // Another connection may have had the call before.
        if !outbox.pieces.is_empty() || outbox.is_finished {
            attempt.has_ended = outbox.is_finished;
            send_pieces(engine, key, &outbox.pieces, outbox.is_finished);
        }
        self.transfer(engine, key);
    }

    /// Takes what waits in a call's outbox to the engine.
    pub(super) fn transfer(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(attempt) = self.attempt_mut(key) else { return };
        let Some(exchange) = attempt.ticket.exchange.clone() else { return };
        if attempt.has_ended || engine.poll_backpressure(key) {
            return exchange.set_engine_len(engine.queued_len(key));
        }
        let keeps = matches!(attempt.progress, Progress::Waiting) && attempt.ticket.can_replay();
        let mut kept: Vec<Bytes> = Vec::new();
        let is_finished = exchange.take_outgoing(|outgoing| {
            let is_finished = outgoing.is_finished;
            kept = outgoing.pieces;
            if !outgoing.tail.is_empty() && (keeps || !kept.is_empty()) {
                kept.push(Bytes::copy_from_slice(outgoing.tail));
            }
            if kept.is_empty() && !outgoing.tail.is_empty() {
                let _ = engine.send_copy(key, outgoing.tail, is_finished);
            } else {
                send_pieces(engine, key, &kept, is_finished);
            }
            engine.poll_backpressure(key);
            (is_finished, engine.queued_len(key))
        });
        attempt.has_ended = is_finished;
        if keeps {
            attempt.ticket.keep(kept, is_finished, REPLAY_LEN_MAX);
        }
    }

    /// Gives back the window of what a reader has read, and of a message that is on its
    /// way: a long one could never be complete otherwise.
    pub(super) fn give_window(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(attempt) = self.attempt_mut(key) else { return };
        let Some(exchange) = &attempt.ticket.exchange else { return };
        let mut granted = exchange.take_consumed();
        if attempt.owed_len > 0 && !exchange.is_inbound_full() {
            granted += std::mem::take(&mut attempt.owed_len);
        }
        engine.release_capacity(key, granted);
    }
}

/// Queues pieces, with END_STREAM on the last one.
fn send_pieces(engine: &mut Engine, key: StreamKey, pieces: &[Bytes], end_stream: bool) {
    for (at, piece) in pieces.iter().enumerate() {
        let is_last = at + 1 == pieces.len();
        let _ = engine.send_data(key, piece.clone(), end_stream && is_last);
    }
    if end_stream && pieces.is_empty() {
        let _ = engine.send_data(key, Bytes::new(), true);
    }
}
