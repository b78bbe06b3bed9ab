//! Commands: open a stream, send fields and data.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::transmit::BATCH_LEN;
use super::{Connection, Drain, FieldWriter, Phase, Role};
use crate::event::StreamKey;
use crate::frame::{FrameKind, HEAD_LEN, STREAM_ID_MAX, flags, write_head};
use crate::hpack::Classifier;
use crate::output::{Attempt, SPLICE_LEN_MIN};
use crate::schedule::EXPRESS_LEN_MAX;
use crate::state::{Input, State};
use crate::stream::FieldList;

/// The stream can take nothing more: it was reset, or END_STREAM was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamClosed;

impl fmt::Display for StreamClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream is closed for sending")
    }
}

impl core::error::Error for StreamClosed {}

/// Why [`send_with`](Connection::send_with) sent nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError<E> {
    /// The stream can take nothing more.
    Closed,
    /// The payload's writer failed; nothing of it went out.
    Payload(E),
}

/// Why no stream can be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS is reached.
    AtCapacity,
    /// GOAWAY was sent or received.
    Draining,
    /// Stream identifiers are used up.
    Exhausted,
    /// The connection failed.
    Failed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::AtCapacity => "the peer's limit of concurrent streams is reached",
            OpenError::Draining => "the connection is going away",
            OpenError::Exhausted => "stream identifiers are used up",
            OpenError::Failed => "the connection failed",
        })
    }
}

impl core::error::Error for OpenError {}

impl<C: Classifier> Connection<C> {
    /// Whether [`send_request`](Self::send_request) would open a stream.
    ///
    /// # Errors
    /// What stands against it.
    pub fn check_open(&self) -> Result<(), OpenError> {
        if self.is_failed() || self.role == Role::Server {
            return Err(OpenError::Failed);
        }
        if self.drain != Drain::No || self.goaway_received.is_some() {
            return Err(OpenError::Draining);
        }
        if self.next_id > STREAM_ID_MAX {
            return Err(OpenError::Exhausted);
        }
        if self.local_active >= self.peer.concurrent_streams_max {
            return Err(OpenError::AtCapacity);
        }
        Ok(())
    }

    /// Opens a stream with a request head.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was sent.
    pub fn send_request(
        &mut self,
        now: Duration,
        end_stream: bool,
        write: impl FnOnce(&mut FieldWriter<'_>),
    ) -> Result<StreamKey, OpenError> {
        self.check_open()?;
        self.now = now;
        let id = self.next_id;
        self.next_id += 2;
        self.closed.open(id);
        self.local_active += 1;
        let state = if end_stream { State::HalfClosedLocal } else { State::Open };
        let key = self.insert_stream(id, true, state);
        self.write_section(key, end_stream, write);
        Ok(key)
    }

    /// Sends a response head, or trailers (with `end_stream`). Trailers wait behind
    /// queued data.
    ///
    /// # Errors
    /// [`StreamClosed`]; nothing was sent.
    pub fn send_headers(
        &mut self,
        key: StreamKey,
        end_stream: bool,
        write: impl FnOnce(&mut FieldWriter<'_>),
    ) -> Result<(), StreamClosed> {
        let stream = self.open_for_sending(key)?;
        let state = stream.state.next(Input::SendHeaders { end_stream }).map_err(|_| StreamClosed)?;
        if stream.queue.is_pending() {
            // Only trailers can stand behind data.
            if !end_stream {
                return Err(StreamClosed);
            }
            let mut list = Box::new(FieldList::default());
            write(&mut FieldWriter::list(&mut list));
            stream.queue.set_trailers(list);
            self.schedule.enqueue(key, &mut self.store);
            return Ok(());
        }
        stream.answered = true;
        self.write_section(key, end_stream, write);
        if end_stream {
            self.enter_sent(key, state);
        }
        Ok(())
    }

    pub(super) fn open_for_sending(&mut self, key: StreamKey) -> Result<&mut crate::stream::Stream, StreamClosed> {
        if matches!(self.phase, Phase::Failed(_)) {
            return Err(StreamClosed);
        }
        let stream = self.store.get_mut(key).ok_or(StreamClosed)?;
        let is_open = stream.state.can_send() && !stream.queue.end_stream && !stream.queue.has_trailers();
        if is_open { Ok(stream) } else { Err(StreamClosed) }
    }

    /// A stream on which we sent: a server that answered in full, and whose driver let
    /// go, does not want the rest of the request (RFC 9113 §8.1).
    pub(super) fn enter_sent(&mut self, key: StreamKey, state: State) {
        self.enter(key, state);
        let is_half = state == State::HalfClosedLocal;
        if is_half && self.store.get(key).is_some_and(|s| !s.held && !s.local) {
            self.reset(key, crate::Reason::NO_ERROR);
        }
    }

    /// Encodes a section at the end of the output, in as many frames as it needs.
    pub(super) fn write_section(&mut self, key: StreamKey, end_stream: bool, write: impl FnOnce(&mut FieldWriter<'_>)) {
        let out = self.output.tail();
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_LEN]);
        self.encoder.begin_block(out);
        write(&mut FieldWriter::wire(&mut self.encoder, out));
        let frame_len_max = self.peer.frame_len_max as usize;
        let len = out.len() - start - HEAD_LEN;
        let end_flag = if end_stream { flags::END_STREAM } else { 0 };
        if len <= frame_len_max {
            patch_head(out, start, len, FrameKind::Headers, end_flag | flags::END_HEADERS, key.id);
            return;
        }
        let block = out.split_off(start + HEAD_LEN);
        out.truncate(start);
        let count = block.len().div_ceil(frame_len_max);
        for (n, fragment) in block.chunks(frame_len_max).enumerate() {
            let (kind, first_flag) = if n == 0 { (FrameKind::Headers, end_flag) } else { (FrameKind::Continuation, 0) };
            let last_flag = if n + 1 == count { flags::END_HEADERS } else { 0 };
            write_head(out, fragment.len(), kind, first_flag | last_flag, key.id);
            out.extend_from_slice(fragment);
        }
    }

    /// Queues data. It goes out as windows and the other streams allow.
    ///
    /// # Errors
    /// [`StreamClosed`]; nothing was queued.
    pub fn send_data(&mut self, key: StreamKey, data: Bytes, end_stream: bool) -> Result<(), StreamClosed> {
        let stream = self.open_for_sending(key)?;
        if data.is_empty() && !end_stream {
            return Ok(());
        }
        stream.queue.end_stream = end_stream;
        self.push_chunk(key, data);
        self.schedule.enqueue(key, &mut self.store);
        Ok(())
    }

    /// Lets `write` put one payload straight into the output, as one DATA frame if
    /// both windows and the frame limit allow; otherwise what it wrote is queued. Returns how
    /// many octets of the stream wait, as [`queued_len`](Self::queued_len).
    ///
    /// # Errors
    /// [`SendError::Closed`] before `write` ran, or what `write` returned; either way
    /// nothing went out.
    pub fn send_with<E>(
        &mut self,
        key: StreamKey,
        end_stream: bool,
        write: impl FnOnce(&mut alloc::vec::Vec<u8>) -> Result<(), E>,
    ) -> Result<usize, SendError<E>> {
        let stream = self.open_for_sending(key).map_err(|StreamClosed| SendError::Closed)?;
        let is_first = !stream.queue.is_pending();
        let window_len = stream.send_window.available();
        let Payload { start, len, fits } = self.write_payload(window_len, write).map_err(SendError::Payload)?;
        if is_first && fits && (len > 0 || end_stream) {
            self.finish_direct(key, start, len, end_stream);
            return Ok(0);
        }
        self.finish_late(key, start, len, end_stream).map_err(|StreamClosed| SendError::Closed)
    }

    /// Sends a copy of `payload`, as [`send_with`](Self::send_with) does that is given the writer.
    ///
    /// # Errors
    /// [`StreamClosed`]; nothing was sent.
    pub fn send_copy(&mut self, key: StreamKey, payload: &[u8], end_stream: bool) -> Result<usize, StreamClosed> {
        if !end_stream && self.send_plain_copy(key, payload) {
            return Ok(0);
        }
        let sent = self.send_with(key, end_stream, |out| {
            out.extend_from_slice(payload);
            Ok::<(), Infallible>(())
        });
        sent.map_err(|_| StreamClosed)
    }

    /// Most copies: one frame in the middle of a stream on which nothing waits. One look at the
    /// stream does what `write_payload` and `finish_direct` would. False for any other, and
    /// nothing was done.
    #[inline]
    fn send_plain_copy(&mut self, key: StreamKey, payload: &[u8]) -> bool {
        let is_failed = self.is_failed();
        let Some(stream) = self.store.get_mut(key) else { return false };
        let len = payload.len();
        let is_plain = !is_failed
            && len > 0
            && len <= EXPRESS_LEN_MAX
            && stream.state.can_send()
            && !stream.queue.is_pending()
            && stream.send_window.fits(len)
            && self.send_window.fits(len)
            && self.output.len() < BATCH_LEN;
        if !is_plain {
            return false;
        }
        stream.send_window.take(len);
        self.send_window.take(len);
        self.ledger.refund_frame_sent();
        let out = self.output.tail();
        out.reserve(HEAD_LEN + len);
        write_head(out, len, FrameKind::Data, 0, key.id);
        out.extend_from_slice(payload);
        true
    }

    /// A payload that says nothing, or has to wait.
    #[inline(never)]
    fn finish_late(
        &mut self,
        key: StreamKey,
        start: usize,
        len: usize,
        end_stream: bool,
    ) -> Result<usize, StreamClosed> {
        if len == 0 && !end_stream {
            // Peers count DATA frames that say nothing (CVE-2019-9518).
            self.output.tail().truncate(start);
        } else {
            self.queue_payload(key, start, end_stream)?;
        }
        Ok(self.queued_len(key))
    }

    /// Lets `write` put a payload at the end of the output, behind room for the frame's head.
    #[inline(always)]
    pub(super) fn write_payload<E>(
        &mut self,
        window_len: usize,
        write: impl FnOnce(&mut alloc::vec::Vec<u8>) -> Result<(), E>,
    ) -> Result<Payload, E> {
        let frame_len_max = window_len.min(self.send_window.available()).min(self.peer.frame_len_max as usize);
        let is_idle = self.schedule.is_empty();
        let has_room = self.output.len() < BATCH_LEN;
        let out = self.output.tail();
        let start = out.len();
        let mut attempt = Attempt::begin(out);
        attempt.out().extend_from_slice(&[0; HEAD_LEN]);
        write(attempt.out())?;
        attempt.keep();
        let len = out.len() - start - HEAD_LEN;
        // Small messages pass the bulk that waits; they have a lane of their own there too.
        let fits = has_room && len <= frame_len_max && (is_idle || len <= EXPRESS_LEN_MAX) && len < SPLICE_LEN_MIN;
        Ok(Payload { start, len, fits })
    }

    /// Takes a payload off the output's end again, and queues it.
    #[inline(never)]
    pub(super) fn queue_payload(&mut self, key: StreamKey, start: usize, end_stream: bool) -> Result<(), StreamClosed> {
        let out = self.output.tail();
        let payload = Bytes::from(out.split_off(start + HEAD_LEN));
        out.truncate(start);
        self.send_data(key, payload, end_stream)
    }

    #[inline(always)]
    fn finish_direct(&mut self, key: StreamKey, start: usize, len: usize, end_stream: bool) {
        let end_flag = if end_stream { flags::END_STREAM } else { 0 };
        patch_head(self.output.tail(), start, len, FrameKind::Data, end_flag, key.id);
        self.send_window.take(len);
        self.ledger.refund_frame_sent();
        let Some(stream) = self.store.get_mut(key) else { return };
        stream.send_window.take(len);
        if !end_stream {
            return;
        }
        match stream.state.next(Input::SendData { end_stream }) {
            // What a client does with every call.
            Ok(State::HalfClosedLocal) if stream.local => stream.state = State::HalfClosedLocal,
            Ok(state) => self.enter_sent(key, state),
            Err(_) => {}
        }
    }

    /// Octets queued on a stream and not yet in the output.
    #[must_use]
    pub fn queued_len(&self, key: StreamKey) -> usize {
        self.store.get(key).map_or(0, |s| s.queue.len)
    }

    /// Whether a producer should wait. If so, [`Event::Writable`](crate::Event::Writable)
    /// tells when half of the queue is gone.
    pub fn poll_backpressure(&mut self, key: StreamKey) -> bool {
        let limit = self.config.limits.send_queue_len_max;
        let Some(stream) = self.store.get_mut(key) else { return false };
        let is_full = stream.queue.len >= limit;
        stream.queue.notify |= is_full;
        is_full
    }
}

/// A payload at the end of the output, behind room for its frame's head.
pub(super) struct Payload {
    /// Where the frame begins.
    pub(super) start: usize,
    pub(super) len: usize,
    /// Windows, the frame limit and the other streams let it stay where it is.
    pub(super) fits: bool,
}

pub(super) fn patch_head(out: &mut [u8], start: usize, len: usize, kind: FrameKind, flags: u8, stream_id: u32) {
    let head = crate::frame::FrameHead { len: len as u32, kind, flags, stream_id };
    if let Some(octets) = out.get_mut(start..start + HEAD_LEN) {
        octets.copy_from_slice(&head.to_octets());
    }
}
