//! Input: octets to frames, frames to the room that handles them.

use core::ops::ControlFlow;
use core::time::Duration;

use super::{Connection, Phase};
use crate::budget::Cost;
use crate::error::{ConnectionError, ErrorKind, Reason};
use crate::event::{Event, StreamKey};
use crate::frame::{FrameHead, FrameKind, HEAD_LEN, PREFACE, flags};
use crate::hpack::Classifier;
use crate::timer::Timer;

/// A DATA frame whose payload is still coming.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    /// The stream that takes it, if any still does.
    pub(super) key: Option<StreamKey>,
    pub(super) payload_left: usize,
    pub(super) padding_left: usize,
    pub(super) end_stream: bool,
}

impl<C: Classifier> Connection<C> {
    /// Takes octets from the front of `input` until one event is complete.
    ///
    /// `None` means that `input`'s rest is not a whole frame, and is to be given again
    /// with more octets behind it; or that reading is paused
    /// ([`is_read_paused`](Self::is_read_paused)).
    ///
    /// # Errors
    /// The connection is over; GOAWAY is in the output, and no more input is taken.
    #[inline(never)]
    pub fn handle_input<'i>(
        &mut self,
        now: Duration,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        self.now = now;
        if input.len() < HEAD_LEN && !self.has_backlog() {
            return Ok(None);
        }
        let outcome = self.receive(input);
        if outcome.is_err() {
            return self.end_input(outcome, input);
        }
        outcome
    }

    /// What [`handle_input`](Self::handle_input) would return, for what most frames are: whole,
    /// and HEADERS or DATA. `None` means that `handle_input` has to be asked.
    ///
    /// A driver may ask for this first. It is short enough to stand in the driver's loop, where an
    /// event's parts need not be put together and taken apart again.
    #[inline(always)]
    pub fn take_event<'i>(&mut self, now: Duration, input: &mut &'i [u8]) -> Option<Event<'i>> {
        let head = FrameHead::parse(input)?;
        let is_next = head.len <= self.config.frame_len_max
            && !self.has_backlog()
            && self.open_block.is_none()
            && !self.is_read_paused();
        if !is_next {
            return None;
        }
        self.now = now;
        match head.kind {
            FrameKind::Data => self.take_plain_data(head, input),
            FrameKind::Headers if is_whole(head, input) => self.handle_headers(head, take_frame(head, input)).event(),
            _ => None,
        }
    }

    /// Whether something comes before the next frame.
    #[inline]
    fn has_backlog(&self) -> bool {
        self.phase != Phase::Open || !self.pending.is_empty() || self.partial.is_some()
    }

    #[cold]
    #[inline(never)]
    fn end_input<'i>(
        &mut self,
        outcome: Result<Option<Event<'i>>, ConnectionError>,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        *input = &[];
        outcome.map_err(|error| self.fail(error))
    }

    /// An event that needs no input: window opened, streams refused by GOAWAY.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.pending.pop_front()
    }

    /// Frame by frame until one makes an event. What is rare stands apart, so that what is
    /// not stays short.
    #[inline]
    fn receive<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, ConnectionError> {
        loop {
            if self.has_backlog()
                && let ControlFlow::Break(outcome) = self.resume(input)
            {
                return outcome;
            }
            if let Some(event) = self.take_event(self.now, input) {
                return Ok(Some(event));
            }
            // A head may have failed, its stream or the connection.
            if self.is_failed() || !self.pending.is_empty() {
                continue;
            }
            if self.is_read_paused() {
                return Ok(None);
            }
            let Some(head) = FrameHead::parse(input) else { return Ok(None) };
            self.check_head(head)?;
            if !is_whole(head, input) {
                return Ok(self.await_frame(head));
            }
            let outcome = match head.kind {
                FrameKind::Data => self.handle_data(head, input),
                FrameKind::Headers => Ok(self.handle_headers(head, take_frame(head, input)).event()),
                _ => self.handle_control(head, take_frame(head, input)),
            };
            if !matches!(outcome, Ok(None)) {
                return outcome;
            }
        }
    }

    /// What comes before the next frame: an event that waits, the rest of a DATA frame, the
    /// preface. Breaks if that is all for now.
    #[inline(never)]
    fn resume<'i>(&mut self, input: &mut &'i [u8]) -> ControlFlow<Result<Option<Event<'i>>, ConnectionError>> {
        if let Phase::Failed(error) = self.phase {
            return ControlFlow::Break(Err(ConnectionError { kind: ErrorKind::Closed, ..error }));
        }
        if let Some(event) = self.pending.pop_front() {
            return ControlFlow::Break(Ok(Some(event)));
        }
        if let Some(partial) = self.partial.take() {
            let event = self.continue_data(partial, input);
            if event.is_some() || self.partial.is_some() {
                return ControlFlow::Break(Ok(event));
            }
        }
        match self.take_preface(input) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(Ok(None)),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }

    /// RFC 9113 §3.4. True when the preface is behind us.
    fn take_preface(&mut self, input: &mut &[u8]) -> Result<bool, ConnectionError> {
        if self.phase != Phase::Preface {
            return Ok(true);
        }
        let len = input.len().min(PREFACE.len());
        if input[..len] != PREFACE[..len] {
            return Err(ConnectionError::protocol("invalid connection preface"));
        }
        if len < PREFACE.len() {
            return Ok(false);
        }
        *input = &input[len..];
        self.phase = Phase::FirstSettings;
        Ok(true)
    }

    #[inline]
    fn check_head(&self, head: FrameHead) -> Result<(), ConnectionError> {
        let is_plain = self.phase == Phase::Open && self.open_block.is_none() && head.kind != FrameKind::Continuation;
        if is_plain && head.len <= self.config.frame_len_max { Ok(()) } else { self.check_rare_head(head) }
    }

    #[inline(never)]
    fn check_rare_head(&self, head: FrameHead) -> Result<(), ConnectionError> {
        if self.phase == Phase::FirstSettings && (head.kind != FrameKind::Settings || head.has(flags::ACK)) {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
        }
        if head.len > self.config.frame_len_max {
            return Err(ConnectionError::with_reason(Reason::FRAME_SIZE_ERROR, "frame above SETTINGS_MAX_FRAME_SIZE"));
        }
        // RFC 9113 §6.10: nothing may stand between the frames of a field block.
        let continues = head.kind == FrameKind::Continuation;
        match &self.open_block {
            Some(block) if !continues || block.stream_id != head.stream_id => {
                Err(ConnectionError::protocol("a field block is interrupted"))
            }
            None if continues => Err(ConnectionError::protocol("CONTINUATION without a field block")),
            _ => Ok(()),
        }
    }

    /// The frame is not whole yet: a field block must not take forever.
    #[cold]
    fn await_frame(&mut self, head: FrameHead) -> Option<Event<'static>> {
        if head.kind == FrameKind::Headers {
            self.start_block_timer();
        }
        None
    }

    pub(super) fn start_block_timer(&mut self) {
        if !self.timers.is_set(Timer::HeaderBlock) {
            self.timers.set(Timer::HeaderBlock, self.now + self.config.limits.header_block_timeout);
        }
    }

    /// Frames other than DATA and HEADERS.
    #[inline(never)]
    fn handle_control<'i>(&mut self, head: FrameHead, payload: &'i [u8]) -> Result<Option<Event<'i>>, ConnectionError> {
        match head.kind {
            FrameKind::Continuation => Ok(self.handle_continuation(head, payload)?.event()),
            FrameKind::RstStream => self.handle_rst_stream(head, payload),
            FrameKind::WindowUpdate => self.handle_window_update(head, payload),
            FrameKind::Settings => self.handle_settings(head, payload),
            FrameKind::Ping => self.handle_ping(head, payload),
            FrameKind::GoAway => self.handle_goaway(head, payload),
            FrameKind::Priority => self.handle_priority(head, payload),
            // RFC 9113 §8.4: we never allow push, and a client may not push.
            FrameKind::PushPromise => Err(ConnectionError::protocol("PUSH_PROMISE is not allowed")),
            FrameKind::Data | FrameKind::Headers | FrameKind::Unknown(_) => {
                self.ledger.charge(Cost::Ignored, self.now)?;
                Ok(None)
            }
        }
    }

    /// Whether the engine takes no input until the output is drained: answers that a
    /// peer provokes and does not read must not pile up.
    #[must_use]
    pub fn is_read_paused(&self) -> bool {
        let limits = &self.config.limits;
        self.output.len() >= limits.output_len_max
            || (self.control_unsent >= limits.control_queue_max && !self.output.is_empty())
    }
}

/// Whether there is enough of a frame to go on with. DATA is taken piece by piece.
#[inline]
fn is_whole(head: FrameHead, input: &[u8]) -> bool {
    let wanted = match head.kind {
        FrameKind::Data if head.has(flags::PADDED) => head.len.min(1),
        FrameKind::Data => 0,
        _ => head.len,
    };
    input.len() >= HEAD_LEN + wanted as usize
}

/// The payload of a frame that is whole.
#[inline]
fn take_frame<'i>(head: FrameHead, input: &mut &'i [u8]) -> &'i [u8] {
    let (frame, rest) = input.split_at_checked(HEAD_LEN + head.len as usize).unwrap_or_default();
    *input = rest;
    frame.get(HEAD_LEN..).unwrap_or_default()
}
