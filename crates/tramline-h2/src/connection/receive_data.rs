//! DATA in (RFC 9113 §6.1), and the window that is given back for it (§6.9).

use super::Connection;
use super::lifecycle::Gone;
use super::receive::Partial;
use crate::bdp;
use crate::budget::Cost;
use crate::error::{ConnectionError, Reason};
use crate::event::{Event, StreamKey};
use crate::frame::{FrameHead, HEAD_LEN, flags, write_window_update};
use crate::hpack::Classifier;
use crate::state::{Input, State, Violation};
use crate::stream::ReceivePhase;

impl<C: Classifier> Connection<C> {
    /// A DATA frame, or as much of it as there is: its head and pad length at least.
    #[inline(never)]
    pub(super) fn handle_data<'i>(
        &mut self,
        head: FrameHead,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        let partial = self.start_data(head, input)?;
        Ok(self.continue_data(partial, input))
    }

    /// Most DATA frames: whole and not padded, of a stream that is read, and that can go on when
    /// the peer has ended it. One look at the stream does what `start_data` and `deliver` would.
    /// `None` for any other frame, and nothing was done.
    #[inline(always)]
    pub(super) fn take_plain_data<'i>(&mut self, head: FrameHead, input: &mut &'i [u8]) -> Option<Event<'i>> {
        if head.has(flags::PADDED) {
            return None;
        }
        let end_stream = head.has(flags::END_STREAM);
        let len = head.len as usize;
        let (bytes, rest) = input.get(HEAD_LEN..)?.split_at_checked(len)?;
        let key = self.store.find(head.stream_id)?;
        let stream = self.store.get_mut(key)?;
        let content_length = stream.content_length_after(len as u64, end_stream).ok()?;
        let is_plain = len > 0
            && stream.is_in_body()
            && (!end_stream || stream.state == State::Open)
            && stream.receive_window.window().fits(len)
            && self.receive_window.window().fits(len)
            && self.retained_len + len <= self.config.limits.retained_len_max;
        if !is_plain {
            return None;
        }
        if end_stream {
            stream.state = State::HalfClosedRemote;
        }
        stream.set_content_length_left(content_length);
        stream.receive_window.receive(head.len);
        stream.retained_len += head.len;
        self.receive_window.receive(head.len);
        self.receive_window.consume(head.len);
        self.retained_len += len;
        self.estimator.receive(head.len);
        self.ledger.refund(Cost::EmptyData, 1);
        *input = rest;
        Some(Event::Data { stream: key, bytes, end_stream })
    }

    /// Takes a DATA frame's head, and its pad length.
    #[inline]
    fn start_data(&mut self, head: FrameHead, input: &mut &[u8]) -> Result<Partial, ConnectionError> {
        let is_padded = head.has(flags::PADDED);
        let front_len = HEAD_LEN + usize::from(is_padded && head.len > 0);
        let (front, rest) = input.split_at_checked(front_len).unwrap_or_default();
        let padding_len = match (is_padded, front.get(HEAD_LEN)) {
            (false, _) => 0,
            (true, Some(&len)) => usize::from(len) + 1,
            (true, None) => 1,
        };
        // RFC 9113 §6.1: padding as long as the payload or longer.
        let Some(payload_len) = (head.len as usize).checked_sub(padding_len) else {
            return Err(ConnectionError::protocol("padding is longer than the frame"));
        };
        *input = rest;
        if !self.receive_window.receive(head.len) {
            return Err(ConnectionError::with_reason(Reason::FLOW_CONTROL_ERROR, "the connection window is exceeded"));
        }
        self.estimator.receive(head.len);
        let end_stream = head.has(flags::END_STREAM);
        let key = self.accept_data(head, payload_len, end_stream)?;
        self.credit_padding(key, padding_len);
        let padding_left = padding_len.saturating_sub(1);
        Ok(Partial { key, payload_left: payload_len, padding_left, end_stream })
    }

    /// The stream that takes the payload; `None` if nobody does.
    fn accept_data(
        &mut self,
        head: FrameHead,
        payload_len: usize,
        end_stream: bool,
    ) -> Result<Option<StreamKey>, ConnectionError> {
        let found = self.store.find(head.stream_id);
        if payload_len > 0 {
            self.ledger.refund(Cost::EmptyData, 1);
        } else if !end_stream || (found.is_none() && self.gone(head.stream_id) != Gone::ResetByUs) {
            self.ledger.charge(Cost::EmptyData, self.now)?;
        }
        let Some(key) = found else {
            return self.refuse_data(head.stream_id, end_stream).map(|()| None);
        };
        match self.charge_data(key, head.len, payload_len, end_stream) {
            Ok(()) => Ok(Some(key)),
            Err(Violation::Connection(reason)) => Err(ConnectionError::with_reason(reason, "DATA on a closed stream")),
            Err(Violation::Stream(reason)) => {
                self.stream_error(key, reason)?;
                Ok(None)
            }
            // The slot of a closed stream is still held.
            Err(Violation::Local) => self.refuse_data(head.stream_id, end_stream).map(|()| None),
        }
    }

    fn charge_data(
        &mut self,
        key: StreamKey,
        flow_len: u32,
        payload_len: usize,
        end_stream: bool,
    ) -> Result<(), Violation> {
        let Some(stream) = self.store.get_mut(key).filter(|s| s.state != State::Closed) else {
            return Err(Violation::Local);
        };
        let state = stream.state.next(Input::ReceiveData { end_stream })?;
        if !stream.receive_window.receive(flow_len) {
            return Err(Violation::Stream(Reason::FLOW_CONTROL_ERROR));
        }
        if stream.receive_phase == ReceivePhase::Head {
            return Err(Violation::Stream(Reason::PROTOCOL_ERROR));
        }
        let content_length = stream.content_length_after(payload_len as u64, end_stream).map_err(Violation::Stream)?;
        stream.set_content_length_left(content_length);
        stream.state = state;
        if state == State::Closed {
            self.complete(key);
        }
        Ok(())
    }

    /// DATA for a closed stream, whether its slot is still held or not (RFC 9113 §5.1).
    fn refuse_data(&mut self, stream_id: u32, end_stream: bool) -> Result<(), ConnectionError> {
        if stream_id == 0 {
            return Err(ConnectionError::protocol("DATA on stream 0"));
        }
        match self.gone(stream_id) {
            Gone::Idle | Gone::Skipped => Err(ConnectionError::protocol("DATA on an idle stream")),
            Gone::ResetByUs => {
                self.cross_reset(stream_id, end_stream);
                Ok(())
            }
            Gone::Unserved => Ok(()),
            Gone::Ended => Err(ConnectionError::with_reason(Reason::STREAM_CLOSED, "DATA after END_STREAM")),
            Gone::ResetByPeer => self.answer_closed(stream_id),
            Gone::Forgotten => self.ignore_forgotten(),
        }
    }

    /// A frame on a stream of which nothing is known but that it is closed.
    pub(super) fn answer_closed(&mut self, stream_id: u32) -> Result<(), ConnectionError> {
        crate::frame::write_reset(self.output.tail(), stream_id, Reason::STREAM_CLOSED);
        self.count_reply();
        self.ledger.charge(Cost::Reset, self.now)
    }

    /// The next piece of a DATA frame that has begun; what is still to come is kept.
    #[inline(always)]
    pub(super) fn continue_data<'i>(&mut self, mut partial: Partial, input: &mut &'i [u8]) -> Option<Event<'i>> {
        let (bytes, rest) = input.split_at(partial.payload_left.min(input.len()));
        *input = rest;
        partial.payload_left -= bytes.len();
        let is_last = partial.payload_left == 0;
        let event = match partial.key {
            Some(key) => self.deliver(key, bytes, is_last && partial.end_stream),
            None => {
                self.give_back_window(bytes.len());
                None
            }
        };
        if !is_last || partial.padding_left > 0 {
            self.keep_partial(partial, input);
        }
        event
    }

    /// A frame that goes on behind this input, or has padding.
    fn keep_partial(&mut self, mut partial: Partial, input: &mut &[u8]) {
        if partial.payload_left == 0 {
            // END_STREAM is told once, even while padding is still to come.
            partial.end_stream = false;
            partial.key = None;
            let padding = partial.padding_left.min(input.len());
            *input = &input[padding..];
            partial.padding_left -= padding;
        }
        self.partial = (partial.payload_left > 0 || partial.padding_left > 0).then_some(partial);
    }

    fn deliver<'i>(&mut self, key: StreamKey, bytes: &'i [u8], end_stream: bool) -> Option<Event<'i>> {
        let Some(stream) = self.store.get_mut(key).filter(|s| s.held) else {
            self.give_back_window(bytes.len());
            return None;
        };
        if bytes.is_empty() && !end_stream {
            return None;
        }
        let len = bytes.len() as u32;
        stream.retained_len += len;
        self.retained_len += bytes.len();
        if self.retained_len <= self.config.limits.retained_len_max {
            self.receive_window.consume(len);
        } else {
            self.withheld_len += len;
        }
        Some(Event::Data { stream: key, bytes, end_stream })
    }

    /// The application consumed `len` octets of DATA on this stream.
    #[inline]
    pub fn release_capacity(&mut self, key: StreamKey, len: usize) {
        let Some(stream) = self.store.get_mut(key) else { return };
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(stream.retained_len);
        stream.retained_len -= len;
        stream.receive_window.consume(len);
        // After END_STREAM nothing more comes, so no window is needed.
        let update = if stream.state.can_receive() { stream.receive_window.take_update() } else { None };
        self.give_back(len);
        if let Some(increment) = update {
            self.announce_window(key, increment);
        }
    }

    #[inline(never)]
    fn announce_window(&mut self, key: StreamKey, increment: u32) {
        write_window_update(self.output.tail(), key.id, increment);
        self.probe();
    }

    /// Octets left the byte ledger.
    #[inline]
    pub(super) fn give_back(&mut self, len: u32) {
        self.retained_len = self.retained_len.saturating_sub(len as usize);
        if self.withheld_len > 0 {
            self.give_back_withheld(len);
        }
    }

    fn give_back_withheld(&mut self, len: u32) {
        let owed = self.withheld_len.min(len);
        self.withheld_len -= owed;
        self.receive_window.consume(owed);
    }

    /// Octets that never reached the ledger.
    fn give_back_window(&mut self, len: usize) {
        self.receive_window.consume(len as u32);
    }

    /// Padding is consumed the moment it arrives (RFC 9113 §6.1).
    fn credit_padding(&mut self, key: Option<StreamKey>, len: usize) {
        if len == 0 {
            return;
        }
        self.give_back_window(len);
        let Some(stream) = key.and_then(|key| self.store.get_mut(key)) else { return };
        stream.receive_window.consume(len as u32);
        let (id, can_receive) = (stream.id, stream.state.can_receive());
        if let Some(increment) = can_receive.then(|| stream.receive_window.take_update()).flatten() {
            write_window_update(self.output.tail(), id, increment);
        }
    }

    /// Measures the path, now that data flows.
    pub(super) fn probe(&mut self) {
        if self.config.adaptive_window && self.estimator.start(self.now) {
            self.write_ping(bdp::PAYLOAD);
        }
    }
}
