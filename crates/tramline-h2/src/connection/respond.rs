//! A whole response as one command.

use alloc::vec::Vec;

use super::send::{Payload, patch_head};
use super::{Connection, FieldWriter, SendError, StreamClosed};
use crate::budget::Cost;
use crate::closed::Mark;
use crate::event::StreamKey;
use crate::frame::FrameKind;
use crate::hpack::Classifier;
use crate::state::{Input, State};
use crate::stream::Place;

impl<C: Classifier> Connection<C> {
    /// Sends a response that is there as a whole: a head, one payload, and trailers with
    /// END_STREAM. On the wire it is what [`send_headers`](Self::send_headers),
    /// [`send_with`](Self::send_with) and `send_headers` again make of it, payloads that must
    /// wait for window included. A stream that both sides have ended with it is let go of, as
    /// by [`forget`](Self::forget), which does nothing then.
    ///
    /// # Errors
    /// [`SendError::Closed`] before anything ran: the stream takes nothing more, or has queued
    /// data that a head cannot follow. [`SendError::Payload`] is what `payload` returned: the
    /// head went out, and nothing behind it; the stream is still to be ended.
    #[inline]
    pub fn send_response<E>(
        &mut self,
        key: StreamKey,
        head: impl FnOnce(&mut FieldWriter<'_>),
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        trailers: impl FnOnce(&mut FieldWriter<'_>),
    ) -> Result<(), SendError<E>> {
        let window_len = self.begin_response(key, head).map_err(|StreamClosed| SendError::Closed)?;
        let payload = self.write_payload(window_len, payload).map_err(SendError::Payload)?;
        self.finish_response(key, payload, trailers).map_err(|StreamClosed| SendError::Closed)
    }

    /// Sends the head; returns the stream's window.
    fn begin_response(
        &mut self,
        key: StreamKey,
        head: impl FnOnce(&mut FieldWriter<'_>),
    ) -> Result<usize, StreamClosed> {
        let stream = self.open_for_sending(key)?;
        if stream.queue.is_pending() {
            return Err(StreamClosed);
        }
        stream.answered = true;
        let window_len = stream.send_window.available();
        self.write_section(key, false, head);
        Ok(window_len)
    }

    fn finish_response(
        &mut self,
        key: StreamKey,
        payload: Payload,
        trailers: impl FnOnce(&mut FieldWriter<'_>),
    ) -> Result<(), StreamClosed> {
        let Payload { start, len, fits } = payload;
        if !fits {
            self.queue_payload(key, start, false)?;
            return self.send_headers(key, true, trailers);
        }
        if len == 0 {
            self.output.tail().truncate(start);
        } else {
            patch_head(self.output.tail(), start, len, FrameKind::Data, 0, key.id);
            self.send_window.take(len);
            self.ledger.refund_frame_sent();
        }
        self.write_section(key, true, trailers);
        self.end_response(key, len);
        Ok(())
    }

    /// END_STREAM is out, behind so many octets that no queue held.
    fn end_response(&mut self, key: StreamKey, len: usize) {
        let Some(stream) = self.store.get_mut(key) else { return };
        stream.send_window.take(len);
        if stream.state == State::HalfClosedRemote && !stream.local && stream.place != Place::Blocked {
            let retained_len = stream.retained_len;
            self.closed.mark(key.id, Mark::Ended);
            self.ledger.refund(Cost::Reset, 1);
            if retained_len > 0 {
                self.give_back(retained_len);
            }
            self.remove_stream(key);
        } else if let Ok(state) = stream.state.next(Input::SendHeaders { end_stream: true }) {
            self.enter_sent(key, state);
        }
    }
}
