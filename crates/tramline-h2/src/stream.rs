//! One stream.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use bytes::Bytes;

use crate::error::Reason;
use crate::flow::{ReceiveWindow, Window};
use crate::hpack::Indexing;
use crate::state::State;

/// Fields that wait behind queued data: HPACK wants the order of encoding to be
/// the order on the wire, so they are encoded when their turn comes.
#[derive(Debug, Default)]
pub(crate) struct FieldList {
    octets: Vec<u8>,
    entries: Vec<(u32, u32, Indexing)>,
}

impl FieldList {
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8], indexing: Indexing) {
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.entries.push((name.len() as u32, value.len() as u32, indexing));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], Indexing)> {
        let mut rest = &self.octets[..];
        self.entries.iter().map(move |&(name_len, value_len, indexing)| {
            let (name, after) = rest.split_at(name_len as usize);
            let (value, after) = after.split_at(value_len as usize);
            rest = after;
            (name, value, indexing)
        })
    }
}

/// Data that waits for window or for its turn.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    /// In a box: most streams never queue anything.
    waiting: Option<Box<Waiting>>,
    pub(crate) len: usize,
    /// END_STREAM goes out with the last octet.
    pub(crate) end_stream: bool,
    /// Trailers wait, too.
    has_trailers: bool,
    /// The producer saw the queue full and wants to be told.
    pub(crate) notify: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    chunks: VecDeque<Bytes>,
    trailers: Option<Box<FieldList>>,
}

impl SendQueue {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        if !chunk.is_empty() {
            self.waiting.get_or_insert_default().chunks.push_back(chunk);
        }
    }

    /// Takes at most `len_max` octets off the front chunk.
    pub(crate) fn pop(&mut self, len_max: usize) -> Option<Bytes> {
        let chunks = &mut self.waiting.as_mut()?.chunks;
        let front = chunks.front_mut()?;
        let chunk = if front.len() <= len_max { chunks.pop_front()? } else { front.split_to(len_max) };
        self.len -= chunk.len();
        Some(chunk)
    }

    pub(crate) fn has_trailers(&self) -> bool {
        self.has_trailers
    }

    pub(crate) fn set_trailers(&mut self, trailers: Box<FieldList>) {
        self.waiting.get_or_insert_default().trailers = Some(trailers);
        self.has_trailers = true;
    }

    pub(crate) fn take_trailers(&mut self) -> Option<Box<FieldList>> {
        self.has_trailers = false;
        self.waiting.as_mut()?.trailers.take()
    }

    /// Something waits: data, END_STREAM or trailers.
    pub(crate) fn is_pending(&self) -> bool {
        self.len > 0 || self.end_stream || self.has_trailers
    }

    /// Drops what waits.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.notify = false;
        if self.is_pending() {
            self.drop_pending();
        }
    }

    /// Keeps a moderate amount of memory.
    #[inline(never)]
    fn drop_pending(&mut self) {
        const CHUNKS_KEPT_MAX: usize = 8;
        if let Some(waiting) = &mut self.waiting {
            waiting.chunks.clear();
            waiting.chunks.shrink_to(CHUNKS_KEPT_MAX);
            waiting.trailers = None;
        }
        self.len = 0;
        self.end_stream = false;
        self.has_trailers = false;
    }
}

/// How far the peer is on this stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReceivePhase {
    /// No final head yet.
    Head,
    /// DATA or trailers may come.
    Body,
}

/// What stands in the scheduler's queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    None,
    Express,
    Bulk,
    /// Waits for the connection's window alone.
    Blocked,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) state: State,
    pub(crate) receive_phase: ReceivePhase,
    pub(crate) send_window: Window,
    pub(crate) receive_window: ReceiveWindow,
    /// One more than what `content-length` still allows (RFC 9113 §8.1.1).
    content_left: Option<NonZeroU64>,
    /// Octets delivered and not yet released.
    pub(crate) retained_len: u32,
    pub(crate) queue: SendQueue,
    pub(crate) place: Place,
    /// The driver has not let go of it.
    pub(crate) held: bool,
    /// We opened it.
    pub(crate) local: bool,
    /// A response head has been sent or received: a reset is no longer "before any response".
    pub(crate) answered: bool,
    /// Data waited when stalls were last looked for, and nothing of it went out since.
    pub(crate) is_stalling: bool,
    /// Informational heads skipped so far.
    pub(crate) informational_count: u8,
    /// The next stream in the same bucket of the store, or none.
    pub(crate) next_in_bucket: u32,
}

impl Default for Stream {
    /// A slot without a stream.
    fn default() -> Self {
        Stream {
            id: 0,
            state: State::Idle,
            receive_phase: ReceivePhase::Head,
            send_window: Window::new(0),
            receive_window: ReceiveWindow::new(0),
            content_left: None,
            retained_len: 0,
            queue: SendQueue::default(),
            place: Place::None,
            held: false,
            local: false,
            answered: false,
            is_stalling: false,
            informational_count: 0,
            next_in_bucket: crate::store::NONE,
        }
    }
}

/// How a stream begins: with a head, which one side sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin {
    pub(crate) state: State,
    pub(crate) local: bool,
    pub(crate) send_window: u32,
    pub(crate) receive_window: u32,
}

impl Stream {
    /// Takes the slot for a new stream. The queue is empty already.
    #[inline(always)]
    pub(crate) fn begin(&mut self, id: u32, Begin { state, local, send_window, receive_window }: Begin) {
        self.id = id;
        self.state = state;
        self.receive_phase = if local { ReceivePhase::Head } else { ReceivePhase::Body };
        self.send_window = Window::new(send_window);
        self.receive_window = ReceiveWindow::new(receive_window);
        self.content_left = None;
        self.retained_len = 0;
        self.place = Place::None;
        self.held = true;
        self.local = local;
        self.answered = false;
        self.is_stalling = false;
        self.informational_count = 0;
    }

    /// DATA is taken, and somebody reads it.
    #[inline]
    pub(crate) fn is_in_body(&self) -> bool {
        self.state.can_receive() && self.receive_phase == ReceivePhase::Body && self.held
    }

    /// What `content-length` allows behind `len` octets more, if there was one; a payload that it
    /// does not allow is an error (RFC 9113 §8.1.1).
    #[inline]
    pub(crate) fn content_length_after(&self, len: u64, end_stream: bool) -> Result<Option<u64>, Reason> {
        let Some(left) = self.content_length_left() else { return Ok(None) };
        let after = left.checked_sub(len).filter(|after| !end_stream || *after == 0);
        after.map(Some).ok_or(Reason::PROTOCOL_ERROR)
    }

    /// What `content-length` still allows, if there was one.
    pub(crate) fn content_length_left(&self) -> Option<u64> {
        self.content_left.map(|left| left.get() - 1)
    }

    pub(crate) fn set_content_length_left(&mut self, len: Option<u64>) {
        self.content_left = len.and_then(|len| NonZeroU64::new(len.saturating_add(1)));
    }

    /// Octets of the queue that the stream's window lets go.
    pub(crate) fn sendable_len(&self) -> usize {
        self.queue.len.min(self.send_window.available())
    }
}
