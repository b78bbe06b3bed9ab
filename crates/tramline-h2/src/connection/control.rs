//! The frames that carry no message: RST_STREAM, WINDOW_UPDATE, SETTINGS, PING,
//! GOAWAY and PRIORITY (RFC 9113 §6.3–6.9).

use core::time::Duration;

use super::lifecycle::Gone;
use super::{Connection, Phase, Role};
use crate::bdp;
use crate::budget::Cost;
use crate::closed::Mark;
use crate::error::{ConnectionError, Initiator, Reason};
use crate::event::{Event, StreamKey};
use crate::flow::WINDOW_MAX;
use crate::frame::{FrameHead, STREAM_ID_MAX, flags, write_settings, write_settings_ack, write_window_update};
use crate::hpack::Classifier;
use crate::settings;
use crate::state::State;
use crate::timer::Timer;

const FRAME_SIZE: ConnectionError = ConnectionError::with_reason(Reason::FRAME_SIZE_ERROR, "frame of a wrong size");
const NOT_STREAM_0: ConnectionError = ConnectionError::protocol("the frame belongs on stream 0");
const STREAM_0: ConnectionError = ConnectionError::protocol("the frame belongs on a stream");

fn exactly<const N: usize>(payload: &[u8]) -> Result<[u8; N], ConnectionError> {
    payload.try_into().map_err(|_| FRAME_SIZE)
}

/// RFC 9113 §5.3.1 of old: a stream that depends on itself.
pub(super) fn check_dependency(stream_id: u32, priority: &[u8]) -> Result<(), ConnectionError> {
    let dependency = priority.first_chunk::<4>().map(|octets| u32::from_be_bytes(*octets) & STREAM_ID_MAX);
    if dependency == Some(stream_id) {
        return Err(ConnectionError::protocol("a stream depends on itself"));
    }
    Ok(())
}

impl<C: Classifier> Connection<C> {
    pub(super) fn handle_priority<'i>(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        if head.stream_id == 0 {
            return Err(STREAM_0);
        }
        let priority = exactly::<5>(payload)?;
        check_dependency(head.stream_id, &priority)?;
        self.ledger.charge(Cost::Ignored, self.now)?;
        Ok(None)
    }

    pub(super) fn handle_rst_stream<'i>(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        if head.stream_id == 0 {
            return Err(STREAM_0);
        }
        let reason = Reason(u32::from_be_bytes(exactly::<4>(payload)?));
        match self.store.find(head.stream_id) {
            Some(key) => self.handle_peer_reset(key, reason),
            None => self.handle_late_reset(head.stream_id).map(|()| None),
        }
    }

    /// RST_STREAM on a closed stream. One may cross the stream's end, and costs nothing.
    fn handle_late_reset(&mut self, stream_id: u32) -> Result<(), ConnectionError> {
        match self.gone(stream_id) {
            Gone::Idle | Gone::Skipped => Err(ConnectionError::protocol("RST_STREAM on an idle stream")),
            Gone::Unserved => Ok(()),
            Gone::ResetByUs | Gone::Ended => {
                self.closed.mark(stream_id, Mark::ResetByPeer);
                Ok(())
            }
            Gone::ResetByPeer => self.ledger.charge(Cost::Ignored, self.now),
            Gone::Forgotten => self.ignore_forgotten(),
        }
    }

    fn handle_peer_reset<'i>(&mut self, key: StreamKey, reason: Reason) -> Result<Option<Event<'i>>, ConnectionError> {
        let Some(stream) = self.store.get_mut(key) else { return Ok(None) };
        if stream.state == State::Closed {
            return self.handle_late_reset(key.id).map(|()| None);
        }
        let is_early = !stream.local && !stream.answered;
        let (held, local) = (stream.held, stream.local);
        stream.state = State::Closed;
        self.closed.mark(key.id, Mark::ResetByPeer);
        self.close(key);
        if is_early {
            self.ledger.charge(Cost::Reset, self.now)?;
        }
        let unprocessed = local && reason == Reason::REFUSED_STREAM;
        let event = Event::Reset { stream: key, reason, initiator: Initiator::Remote, unprocessed };
        Ok(held.then_some(event))
    }

    pub(super) fn handle_window_update<'i>(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        let increment = u32::from_be_bytes(exactly::<4>(payload)?) & STREAM_ID_MAX;
        self.ledger.charge(Cost::WindowUpdate, self.now)?;
        if head.stream_id == 0 {
            return self.grow_connection_window(increment).map(|()| None);
        }
        let Some(key) = self.store.find(head.stream_id) else {
            if self.gone(head.stream_id) == Gone::Idle {
                return Err(ConnectionError::protocol("WINDOW_UPDATE on an idle stream"));
            }
            return Ok(None);
        };
        let Some(stream) = self.store.get_mut(key).filter(|s| s.state != State::Closed) else { return Ok(None) };
        if increment == 0 {
            return self.stream_error(key, Reason::PROTOCOL_ERROR).map(|()| None);
        }
        if stream.send_window.grow(increment).is_err() {
            return self.stream_error(key, Reason::FLOW_CONTROL_ERROR).map(|()| None);
        }
        if stream.queue.is_pending() {
            self.schedule.enqueue(key, &mut self.store);
        }
        Ok(None)
    }

    fn grow_connection_window(&mut self, increment: u32) -> Result<(), ConnectionError> {
        if increment == 0 {
            return Err(ConnectionError::protocol("WINDOW_UPDATE of 0"));
        }
        self.send_window.grow(increment).map_err(|_| {
            ConnectionError::with_reason(Reason::FLOW_CONTROL_ERROR, "the connection window passes 2^31-1")
        })?;
        self.schedule.unblock(&mut self.store);
        Ok(())
    }

    pub(super) fn handle_settings<'i>(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        if head.stream_id != 0 {
            return Err(NOT_STREAM_0);
        }
        if head.has(flags::ACK) {
            return self.handle_settings_ack(payload).map(|()| None);
        }
        if !payload.len().is_multiple_of(6) {
            return Err(FRAME_SIZE);
        }
        self.ledger.charge(Cost::Settings, self.now)?;
        let is_first = self.phase == Phase::FirstSettings;
        if is_first {
            // RFC 9113 §6.5.2: what SETTINGS does not name has no limit.
            self.peer.concurrent_streams_max = u32::MAX;
        }
        for pair in payload.chunks_exact(6) {
            let [i0, i1, v0, v1, v2, v3] = exactly::<6>(pair)?;
            self.apply_setting(u16::from_be_bytes([i0, i1]), u32::from_be_bytes([v0, v1, v2, v3]))?;
        }
        write_settings_ack(self.output.tail());
        self.count_reply();
        if !is_first {
            return Ok(None);
        }
        self.phase = Phase::Open;
        self.timers.stop(Timer::Preface);
        Ok(Some(Event::Settled))
    }

    fn apply_setting(&mut self, id: u16, value: u32) -> Result<(), ConnectionError> {
        let window_len = self.peer.initial_window_len;
        self.peer.apply(id, value, self.role == Role::Client)?;
        match id {
            settings::HEADER_TABLE_SIZE => self.encoder.set_peer_table_size(value),
            settings::INITIAL_WINDOW_SIZE => self.shift_windows(i64::from(value) - i64::from(window_len))?,
            _ => {}
        }
        Ok(())
    }

    /// RFC 9113 §6.9.2: the difference applies to all streams, and may make windows negative.
    fn shift_windows(&mut self, delta: i64) -> Result<(), ConnectionError> {
        for stream in self.store.iter_mut().filter(|s| s.state != State::Closed) {
            stream.send_window.shift(delta).map_err(|_| {
                ConnectionError::with_reason(Reason::FLOW_CONTROL_ERROR, "a stream window passes 2^31-1")
            })?;
        }
        if delta > 0 {
            let keys: alloc::vec::Vec<_> = self.store.keys().collect();
            for key in keys {
                if self.store.get(key).is_some_and(|s| s.queue.is_pending()) {
                    self.schedule.enqueue(key, &mut self.store);
                }
            }
        }
        Ok(())
    }

    fn handle_settings_ack(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        if !payload.is_empty() {
            return Err(FRAME_SIZE);
        }
        if self.offered_window.is_acknowledged() {
            return self.ledger.charge(Cost::Ignored, self.now);
        }
        self.offered_window.acknowledge();
        if self.offered_window.is_acknowledged() {
            self.timers.stop(Timer::SettingsAck);
        }
        // The first acknowledgement is that of our preface, where the table's size is.
        self.decoder.set_table_size_max(self.config.header_table_size as usize);
        self.retarget_windows();
        Ok(())
    }

    pub(super) fn handle_ping<'i>(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        if head.stream_id != 0 {
            return Err(NOT_STREAM_0);
        }
        let payload = exactly::<8>(payload)?;
        if head.has(flags::ACK) {
            return self.handle_ping_ack(payload);
        }
        self.ledger.charge(Cost::Ping, self.now)?;
        self.acknowledge_ping(payload);
        Ok(Some(Event::Ping))
    }

    fn handle_ping_ack<'i>(&mut self, payload: [u8; 8]) -> Result<Option<Event<'i>>, ConnectionError> {
        let Some(left) = self.pings_unacked.checked_sub(1) else {
            self.ledger.charge(Cost::Ignored, self.now)?;
            return Ok(None);
        };
        self.pings_unacked = left;
        if payload == bdp::PAYLOAD {
            if let Some(window_len) = self.estimator.finish(self.now) {
                self.raise_windows(window_len);
            }
            return Ok(None);
        }
        Ok((!self.handle_drain_ping(payload)).then_some(Event::PingAck { payload }))
    }

    /// The path carries more than the windows allow: new windows for all streams, and
    /// four times as much for the connection.
    fn raise_windows(&mut self, window_len: u32) {
        self.set_stream_window_len(self.now, window_len);
        let connection_len = window_len.saturating_mul(4).min(self.config.connection_window_len_max);
        if connection_len > self.receive_window.target() {
            self.receive_window.raise(connection_len);
        }
    }

    /// Tells the peer another SETTINGS_INITIAL_WINDOW_SIZE, for open streams too
    /// (RFC 9113 §6.9.2). A larger one holds at once, a smaller one from the peer's
    /// acknowledgement on.
    pub fn set_stream_window_len(&mut self, now: Duration, len: u32) {
        let len = len.min(WINDOW_MAX as u32);
        self.offered_window.offer(Some(len));
        self.announce(now, settings::INITIAL_WINDOW_SIZE, len);
        self.retarget_windows();
    }

    /// Tells the peer how many streams it may hold at once. Streams above are refused
    /// from now on, whatever it has read.
    pub fn set_concurrent_streams_max(&mut self, now: Duration, count: u32) {
        self.config.limits.concurrent_streams_max = count;
        self.offered_window.offer(None);
        self.announce(now, settings::MAX_CONCURRENT_STREAMS, count);
    }

    fn announce(&mut self, now: Duration, id: u16, value: u32) {
        if !self.is_failed() {
            write_settings(self.output.tail(), &[(id, value)]);
            self.timers.set(Timer::SettingsAck, now + self.config.limits.settings_ack_timeout);
        }
    }

    /// Streams follow the largest window that the peer may be acting on. What a smaller
    /// one makes due is announced at once, for the peer may wait for it.
    fn retarget_windows(&mut self) {
        let len = self.offered_window.largest();
        for stream in self.store.iter_mut().filter(|s| s.receive_window.target() != len) {
            stream.receive_window.retarget(len);
            if let Some(increment) = stream.state.can_receive().then(|| stream.receive_window.take_update()).flatten() {
                write_window_update(self.output.tail(), stream.id, increment);
            }
        }
    }

    pub(super) fn handle_goaway<'i>(
        &mut self,
        head: FrameHead,
        payload: &'i [u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        if head.stream_id != 0 {
            return Err(NOT_STREAM_0);
        }
        let Some((front, debug)) = payload.split_first_chunk::<8>() else { return Err(FRAME_SIZE) };
        let [i0, i1, i2, i3, r0, r1, r2, r3] = *front;
        let last_stream_id = u32::from_be_bytes([i0, i1, i2, i3]) & STREAM_ID_MAX;
        let reason = Reason(u32::from_be_bytes([r0, r1, r2, r3]));
        // RFC 9113 §6.8: the identifier must not rise; if it does, the lower one holds.
        let last_stream_id = self.goaway_received.map_or(last_stream_id, |before| before.min(last_stream_id));
        self.ledger.charge(Cost::Settings, self.now)?;
        self.goaway_received = Some(last_stream_id);
        self.end_unprocessed(last_stream_id);
        Ok(Some(Event::GoAway { last_stream_id, reason, debug }))
    }

    /// Streams of ours above the peer's last were not processed (RFC 9113 §6.8).
    fn end_unprocessed(&mut self, last_stream_id: u32) {
        let keys: alloc::vec::Vec<_> = self.store.keys().filter(|key| key.id > last_stream_id).collect();
        for key in keys {
            let Some(stream) = self.store.get_mut(key).filter(|s| s.local && s.state != State::Closed) else {
                continue;
            };
            let held = stream.held;
            stream.state = State::Closed;
            self.closed.mark(key.id, Mark::ResetByPeer);
            self.close(key);
            if held {
                self.pending.push_back(Event::Reset {
                    stream: key,
                    reason: Reason::REFUSED_STREAM,
                    initiator: Initiator::Remote,
                    unprocessed: true,
                });
            }
        }
    }
}
