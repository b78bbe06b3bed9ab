//! "What do I send next?" as an ordered list of small writers. Control replies,
//! resets and heads are in the output already, in the order in which they arose;
//! here come window updates, then data.

use core::time::Duration;

use super::{Connection, FieldWriter, Role};
use crate::error::{ConnectionError, Reason};
use crate::event::{Event, StreamKey};
use crate::frame::{FrameKind, flags, write_head, write_window_update};
use crate::hpack::Classifier;
use crate::output::Output;
use crate::schedule::QUANTUM_LEN;
use crate::state::Input;
use crate::timer::Timer;

/// Data is copied to the output up to this length, so that the peer works in parallel
/// and a small message never waits behind more than this.
pub(super) const BATCH_LEN: usize = 64 * 1024;
/// Spliced data, which takes no memory here, is added up to this length as long as the driver
/// could write everything: what it can write, no small message waits for, and each write has
/// a price of its own, for the kernel and for the peer that is woken.
const BULK_BATCH_LEN: usize = 128 * 1024;

impl<C: Classifier> Connection<C> {
    /// Everything that may go out now. The driver writes it, and tells how much by
    /// [`advance_output`](Self::advance_output).
    #[inline]
    pub fn poll_output(&mut self, now: Duration) -> &mut Output {
        self.now = now;
        if self.receive_window.is_update_due() || !self.schedule.is_empty() {
            self.write_more();
        }
        if !self.output.is_empty() && !self.timers.is_set(Timer::WriteStall) {
            self.timers.set(Timer::WriteStall, now + self.config.limits.write_stall_timeout);
        }
        if self.queued_len > 0 {
            self.watch_windows();
        }
        &mut self.output
    }

    /// Window updates and data, which are not in the output until there is time for them.
    #[inline(never)]
    fn write_more(&mut self) {
        if !self.is_failed() {
            self.write_connection_window();
            self.write_data();
        }
    }

    /// A server does not wait for ever for the window of what it has to send.
    fn watch_windows(&mut self) {
        if self.role == Role::Server && !self.timers.is_set(Timer::WindowStall) {
            self.timers.set(Timer::WindowStall, self.now + self.config.limits.window_stall_timeout);
        }
    }

    /// The output as it is, for a driver that manages its memory.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// `count` octets of the output were written.
    #[inline]
    pub fn advance_output(&mut self, now: Duration, count: usize) {
        self.now = now;
        self.output.advance(count);
        self.is_congested = !self.output.is_empty();
        if self.output.written_offset() >= self.control_end {
            self.control_unsent = 0;
        }
        if self.output.is_empty() {
            self.timers.stop(Timer::WriteStall);
        } else if count > 0 {
            self.timers.set(Timer::WriteStall, now + self.config.limits.write_stall_timeout);
        }
    }

    /// Whether [`poll_output`](Self::poll_output) would add anything to an empty output.
    #[must_use]
    pub fn has_data_ready(&self) -> bool {
        !self.schedule.is_empty()
    }

    fn write_connection_window(&mut self) {
        if let Some(increment) = self.receive_window.take_update() {
            write_window_update(self.output.tail(), 0, increment);
            if self.retained_len > 0 {
                self.probe();
            }
        }
    }

    fn write_data(&mut self) {
        let batch_len = if self.is_congested { BATCH_LEN } else { BULK_BATCH_LEN };
        while self.output.tail_len() < BATCH_LEN && self.output.len() < batch_len {
            let Some(key) = self.schedule.dequeue(&mut self.store) else { return };
            self.write_quantum(key);
        }
    }

    /// One stream's turn.
    fn write_quantum(&mut self, key: StreamKey) {
        let Some(stream) = self.store.get_mut(key) else { return };
        if !stream.state.can_send() || !stream.queue.is_pending() {
            return;
        }
        if stream.sendable_len() > 0 && self.send_window.available() == 0 {
            self.schedule.block(key, &mut self.store);
            return;
        }
        let mut grant_len = QUANTUM_LEN;
        while self.write_frame(key, &mut grant_len) {}
        self.finish_quantum(key);
    }

    /// One DATA frame, if the quantum and the windows allow; true if another may follow.
    fn write_frame(&mut self, key: StreamKey, grant_len: &mut usize) -> bool {
        let connection_len = self.send_window.available();
        let frame_len_max = self.peer.frame_len_max as usize;
        let Some(stream) = self.store.get_mut(key) else { return false };
        let queue = &mut stream.queue;
        let len = queue.len.min(stream.send_window.available()).min(connection_len).min(frame_len_max).min(*grant_len);
        let ends_here = queue.end_stream && !queue.has_trailers() && len == queue.len;
        if len == 0 && !ends_here {
            return false;
        }
        *grant_len -= len;
        self.queued_len -= len;
        stream.is_stalling &= len == 0;
        stream.send_window.take(len);
        self.send_window.take(len);
        let end_flag = if ends_here { flags::END_STREAM } else { 0 };
        write_head(self.output.tail(), len, FrameKind::Data, end_flag, key.id);
        let mut left = len;
        while let Some(chunk) = (left > 0).then(|| queue.pop(left)).flatten() {
            left -= chunk.len();
            self.output.splice(chunk);
        }
        self.ledger.refund_frame_sent();
        if !ends_here {
            return true;
        }
        queue.end_stream = false;
        if let Ok(state) = stream.state.next(Input::SendData { end_stream: true }) {
            self.enter_sent(key, state);
        }
        false
    }

    /// After its frames: trailers, a word to the producer, and a place in the next round.
    fn finish_quantum(&mut self, key: StreamKey) {
        let queue_low = self.config.limits.send_queue_len_max / 2;
        let Some(stream) = self.store.get_mut(key) else { return };
        if stream.queue.notify && stream.queue.len <= queue_low {
            stream.queue.notify = false;
            self.pending.push_back(Event::Writable { stream: key });
        }
        if stream.queue.len == 0 {
            self.write_trailers(key);
        } else if stream.sendable_len() > 0 {
            self.schedule.enqueue(key, &mut self.store);
        }
    }

    /// Ends streams whose data waited since the last look without any of it going out, for
    /// want of window. Other streams, and those that have nothing to send, are left alone.
    pub(super) fn end_stalled(&mut self) -> Result<(), ConnectionError> {
        let mut stalled = alloc::vec::Vec::new();
        for key in self.store.keys().collect::<alloc::vec::Vec<_>>() {
            let Some(stream) = self.store.get_mut(key) else { continue };
            let is_waiting = stream.queue.len > 0;
            if core::mem::replace(&mut stream.is_stalling, is_waiting) && is_waiting {
                stalled.push(key);
            }
        }
        for key in stalled {
            self.stream_error(key, Reason::ENHANCE_YOUR_CALM)?;
        }
        Ok(())
    }

    fn write_trailers(&mut self, key: StreamKey) {
        let Some(stream) = self.store.get_mut(key) else { return };
        let Some(list) = stream.queue.take_trailers() else { return };
        let Ok(state) = stream.state.next(Input::SendHeaders { end_stream: true }) else { return };
        self.write_section(key, true, |fields: &mut FieldWriter<'_>| {
            list.iter().for_each(|(name, value, indexing)| fields.field(name, value, indexing));
        });
        self.enter_sent(key, state);
    }
}
