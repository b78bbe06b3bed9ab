//! How streams end, and what is remembered of them.

use super::{Connection, Drain, Phase, Role};
use crate::budget::Cost;
use crate::closed::Mark;
use crate::error::{ConnectionError, Initiator, Reason};
use crate::event::{Event, StreamKey};
use crate::frame::{STREAM_ID_MAX, flags, write_goaway, write_ping, write_reset};
use crate::hpack::Classifier;
use crate::state::State;
use crate::stream::Place;
use crate::timer::Timer;

/// The PING between the two GOAWAY frames.
const DRAIN_PAYLOAD: [u8; 8] = *b"tramdrop";
/// What stands before the debug data of a GOAWAY (RFC 9113 §6.8), in octets.
const GOAWAY_FRONT_LEN: usize = 8;
/// How long the second GOAWAY waits for that PING.
const DRAIN_WAIT: core::time::Duration = core::time::Duration::from_secs(5);
/// How long after the last stream memory is kept for the next burst.
const REST_WAIT: core::time::Duration = core::time::Duration::from_secs(10);
/// Identifiers above this make the connection roll over.
pub(super) const STREAM_ID_ROLL_OVER: u32 = STREAM_ID_MAX / 4 * 3;

/// How a stream without a slot came to have none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    /// Never opened: above all identifiers seen.
    Idle,
    /// Skipped: closed without having been opened (RFC 9113 §5.1.1).
    Skipped,
    /// Opened after our last GOAWAY: ignored (RFC 9113 §6.8).
    Unserved,
    /// We reset it: what crosses is ignored.
    ResetByUs,
    /// The peer reset it, so that nothing may follow.
    ResetByPeer,
    /// Both sides ended it.
    Ended,
    /// Closed long ago; how is not known any more.
    Forgotten,
}

impl<C: Classifier> Connection<C> {
    /// What is known of a stream without a slot.
    pub(super) fn gone(&self, id: u32) -> Gone {
        let is_peers = (id % 2 == 1) == (self.role == Role::Server);
        let is_idle = if is_peers { id > self.last_peer_id } else { id >= self.next_id };
        if is_idle {
            let is_unserved = matches!(self.drain, Drain::Final { last_stream_id } if id > last_stream_id);
            return if is_peers && is_unserved && id % 2 == 1 { Gone::Unserved } else { Gone::Idle };
        }
        match self.closed.recall(id) {
            Some(Mark::None) => Gone::Skipped,
            Some(Mark::Ended) => Gone::Ended,
            Some(Mark::ResetByUs) => Gone::ResetByUs,
            Some(Mark::ResetByPeer) => Gone::ResetByPeer,
            None => Gone::Forgotten,
        }
    }

    /// A frame for a stream that closed too long ago to say what it may be. A server
    /// charges it; what crosses a client's own cancels is never charged.
    pub(super) fn ignore_forgotten(&mut self) -> Result<(), ConnectionError> {
        match self.role {
            Role::Client => Ok(()),
            Role::Server => self.ledger.charge(Cost::Ignored, self.now),
        }
    }

    /// A frame crossed our reset (RFC 9113 §5.1). The stream's end costs its sender nothing,
    /// for it comes once; behind it anything is an error.
    pub(super) fn cross_reset(&mut self, stream_id: u32, end_stream: bool) {
        if end_stream {
            self.closed.mark(stream_id, Mark::Ended);
        }
    }

    /// Resets a stream: RST_STREAM goes out, its queue is dropped. The driver still
    /// holds the slot until it calls [`forget`](Self::forget).
    pub fn reset(&mut self, key: StreamKey, reason: Reason) {
        let Some(stream) = self.store.get_mut(key) else { return };
        if stream.state == State::Closed {
            return;
        }
        stream.state = State::Closed;
        if let Some(partial) = self.partial.as_mut().filter(|p| p.key == Some(key)) {
            partial.key = None;
        }
        write_reset(self.output.tail(), key.id, reason);
        self.closed.mark(key.id, Mark::ResetByUs);
        self.close(key);
    }

    /// Refuses a request that the driver has no room for. The peer learns that nothing was
    /// done (RFC 9113 §8.7), and is charged as for any reset that it provokes.
    pub fn refuse(&mut self, key: StreamKey) {
        self.reset(key, Reason::REFUSED_STREAM);
        self.forget(key);
        if let Err(error) = self.ledger.charge(Cost::Reset, self.now) {
            self.fail(error);
        }
    }

    /// A stream reached [`State::Closed`]: returns what it holds of the connection. What
    /// was delivered stays in the byte ledger until the driver releases or forgets it.
    #[inline]
    pub(super) fn close(&mut self, key: StreamKey) {
        let Some(stream) = self.store.get_mut(key) else { return };
        self.queued_len -= stream.queue.len;
        stream.queue.clear();
        let (local, held) = (stream.local, stream.held);
        if stream.place == Place::Blocked {
            self.schedule.remove(key, &mut self.store);
        }
        if local {
            self.local_active = self.local_active.saturating_sub(1);
        }
        if !held {
            self.remove_stream(key);
        }
    }

    #[inline]
    pub(super) fn remove_stream(&mut self, key: StreamKey) {
        self.store.remove(key);
        if self.store.len() == 0 && !self.timers.is_set(Timer::Rest) {
            self.timers.set(Timer::Rest, self.now + REST_WAIT);
        }
    }

    /// Both sides sent END_STREAM.
    pub(super) fn complete(&mut self, key: StreamKey) {
        self.closed.mark(key.id, Mark::Ended);
        self.ledger.refund(Cost::Reset, 1);
        self.close(key);
    }

    /// The driver lets go of a stream. What a server still has to send of a complete
    /// answer is sent; any other stream that has not ended is reset: with NO_ERROR by a
    /// server that has answered in full (RFC 9113 §8.1), else with CANCEL.
    pub fn forget(&mut self, key: StreamKey) {
        let Some(stream) = self.store.get_mut(key) else { return };
        stream.held = false;
        stream.queue.notify = false;
        let retained_len = core::mem::take(&mut stream.retained_len);
        let will_end = !stream.local && (stream.queue.end_stream || stream.queue.has_trailers());
        let (state, local) = (stream.state, stream.local);
        if retained_len > 0 {
            self.give_back(retained_len);
        }
        match state {
            State::Closed => self.remove_stream(key),
            State::HalfClosedLocal if !local => self.reset(key, Reason::NO_ERROR),
            State::HalfClosedRemote | State::Open if will_end => {}
            _ => self.reset(key, Reason::CANCEL),
        }
    }

    /// A rule was broken on one stream: RST_STREAM, charged to the peer. The driver hears of it
    /// next.
    #[cold]
    pub(super) fn stream_error(&mut self, key: StreamKey, reason: Reason) -> Result<(), ConnectionError> {
        let is_known = self.store.get(key).is_some_and(|s| s.held);
        self.reset(key, reason);
        self.ledger.charge(Cost::Reset, self.now)?;
        if is_known {
            let initiator = Initiator::Library;
            self.pending.push_back(Event::Reset { stream: key, reason, initiator, unprocessed: false });
        }
        Ok(())
    }

    /// The connection is over: GOAWAY, and nothing after it.
    pub(super) fn fail(&mut self, error: ConnectionError) -> ConnectionError {
        if let Phase::Failed(first) = self.phase {
            return first;
        }
        let last_stream_id = self.last_peer_id;
        write_goaway(self.output.tail(), last_stream_id, error.reason(), error.detail().as_bytes());
        self.phase = Phase::Failed(error);
        self.timers = crate::timer::TimerTable::default();
        self.partial = None;
        self.open_block = None;
        error
    }

    /// Whether an error ended the connection.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed(_))
    }

    /// Starts a graceful end: GOAWAY(2³¹−1) now, and GOAWAY with the real last stream
    /// one round trip later, so that no request in flight is lost (RFC 9113 §6.8).
    pub fn drain(&mut self, now: core::time::Duration) {
        if self.drain != Drain::No || self.is_failed() {
            return;
        }
        write_goaway(self.output.tail(), STREAM_ID_MAX, Reason::NO_ERROR, b"");
        self.write_ping(DRAIN_PAYLOAD);
        self.drain = Drain::Announced;
        self.timers.set(Timer::Drain, now + DRAIN_WAIT);
    }

    /// Refuses new streams at once and says why; streams below stay. Of `debug` as much goes
    /// out as the peer takes in one frame.
    pub fn go_away(&mut self, reason: Reason, debug: &[u8]) {
        if self.is_failed() {
            return;
        }
        let last_stream_id = self.last_peer_id;
        let debug_len = debug.len().min(self.peer.frame_len_max as usize - GOAWAY_FRONT_LEN);
        write_goaway(self.output.tail(), last_stream_id, reason, &debug[..debug_len]);
        self.drain = Drain::Final { last_stream_id };
        self.timers.stop(Timer::Drain);
    }

    pub(super) fn handle_drain_ping(&mut self, payload: [u8; 8]) -> bool {
        let is_ours = payload == DRAIN_PAYLOAD && self.drain == Drain::Announced;
        if is_ours {
            self.go_away(Reason::NO_ERROR, b"");
        }
        is_ours
    }

    /// Whether a graceful end is under way, begun by either side.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain != Drain::No || self.goaway_received.is_some()
    }

    /// Whether a graceful end is complete: no stream is left, and nothing waits to be sent.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let is_final = matches!(self.drain, Drain::Final { .. }) || self.goaway_received.is_some();
        is_final && self.store.len() == 0 && self.output.is_empty()
    }

    /// Whether identifiers run out, so that a new connection should take over.
    #[must_use]
    pub fn is_nearly_exhausted(&self) -> bool {
        self.last_peer_id.max(self.next_id) > STREAM_ID_ROLL_OVER
    }

    /// The next time that [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<core::time::Duration> {
        self.timers.next()
    }

    /// Time has passed.
    ///
    /// # Errors
    /// A time limit of [`Limits`](crate::Limits) ended the connection.
    pub fn handle_timeout(&mut self, now: core::time::Duration) -> Result<(), ConnectionError> {
        self.now = now;
        while let Some(timer) = self.timers.take_due(now) {
            let (reason, detail) = match timer {
                Timer::Drain => {
                    self.go_away(Reason::NO_ERROR, b"");
                    continue;
                }
                Timer::WindowStall => {
                    // The next output looks whether anything waits still.
                    self.end_stalled().map_err(|error| self.fail(error))?;
                    continue;
                }
                Timer::Rest => {
                    self.release_memory();
                    continue;
                }
                Timer::Preface => (Reason::PROTOCOL_ERROR, "no preface in time"),
                Timer::SettingsAck => (Reason::SETTINGS_TIMEOUT, "SETTINGS not acknowledged in time"),
                Timer::HeaderBlock => (Reason::ENHANCE_YOUR_CALM, "field block not finished in time"),
                Timer::WriteStall => (Reason::ENHANCE_YOUR_CALM, "the peer reads too slowly"),
            };
            let error =
                ConnectionError { kind: crate::ErrorKind::Timeout, ..ConnectionError::with_reason(reason, detail) };
            return Err(self.fail(error));
        }
        Ok(())
    }

    /// Sends a PING; [`Event::PingAck`] tells when it came back.
    pub fn ping(&mut self, payload: [u8; 8]) {
        if !self.is_failed() {
            self.write_ping(payload);
        }
    }

    /// Each is answered once (RFC 9113 §6.7); what comes beyond is the peer's own doing.
    pub(super) fn write_ping(&mut self, payload: [u8; 8]) {
        write_ping(self.output.tail(), 0, payload);
        self.pings_unacked = self.pings_unacked.saturating_add(1);
    }

    pub(super) fn acknowledge_ping(&mut self, payload: [u8; 8]) {
        write_ping(self.output.tail(), flags::ACK, payload);
        self.count_reply();
    }

    /// An answer to a frame of the peer's was put at the end of the output.
    pub(super) fn count_reply(&mut self) {
        self.control_unsent += 1;
        self.control_end = self.output.end_offset();
    }

    /// Gives back the memory that only a busy connection needs.
    fn release_memory(&mut self) {
        self.sections.shrink();
        self.encoder.shrink();
        self.store.shrink();
        self.schedule.shrink();
        self.pending.shrink_to_fit();
    }
}
