//! The outbox of a streaming call: messages encoded and not yet given to the engine.

use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tramline_call::{Metadata, Status};
use tramline_h2::Attempt;

use super::exchange::HttpHead;
use super::message_memory;
use super::transfer::{Splices, cut};

/// Unsent octets of one call before its producer waits.
pub(crate) const OUTBOUND_LEN_MAX: usize = 64 * 1024;
/// The engine's queue of a stream tells of its room only once it was full, so it must be
/// full before a producer waits for it.
pub(crate) fn fit_queue(limits: &mut tramline_h2::Limits) {
    limits.send_queue_len_max = limits.send_queue_len_max.clamp(1, OUTBOUND_LEN_MAX);
}

/// Memory that an idle outbox keeps.
const TAIL_KEPT_LEN_MAX: usize = 4 * 1024;

/// From this length on a tail grows by so many times what is in it.
const BURST_LEN_MIN: usize = 4 * 1024;
const BURST_GROWTH: usize = 3;
/// So much is made ready for the next burst at most: a tail is full before.
const BURST_LEN_MAX: usize = OUTBOUND_LEN_MAX + OUTBOUND_LEN_MAX / 8;

/// A tail of this length goes out as it is: the engine would not copy it either.
const TAIL_PIECE_LEN_MIN: usize = 16 * 1024;

/// Who waits for room: several tasks may write one stream.
#[derive(Debug, Default)]
pub(super) struct Writers {
    first: Option<Waker>,
    #[allow(clippy::box_collection, reason = "few streams have several writers, and each has this field")]
    others: Option<Box<Vec<Waker>>>,
}

impl Writers {
    fn add(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => {
                let others = self.others.get_or_insert_default();
                if !others.iter().any(|other| other.will_wake(waker)) {
                    others.push(waker.clone());
                }
            }
        }
    }

    pub(super) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
        }
        self.others.into_iter().flat_map(|others| *others).for_each(Waker::wake);
    }
}

/// What only streams of much data have, or of plain HTTP.
#[derive(Debug, Default)]
struct Bulk {
    /// The head of a response that is plain HTTP, until it is sent.
    http_head: Option<Box<HttpHead>>,
    /// Complete pieces, in front of the tail.
    pieces: Vec<Bytes>,
    pieces_len: usize,
}

/// Envelopes one after another, in memory that grows as bursts of messages want it.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    octets: Vec<u8>,
    /// The length of the last long one: the next is likely to be as long.
    burst_len: u32,
}

impl Tail {
    pub(super) const fn new() -> Self {
        Tail { octets: Vec::new(), burst_len: 0 }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// Lets `encode` append one envelope. One that has long pieces is given back in pieces.
    #[inline]
    pub(super) fn push(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    ) -> Result<Option<Vec<Bytes>>, Status> {
        let start = self.octets.len();
        let unused = self.octets.capacity() - start;
        if unused == 0 || start >= BURST_LEN_MIN && unused < start / 8 {
            self.reserve();
        }
        let mut splices = Splices::new();
        let mut attempt = Attempt::begin(&mut self.octets);
        encode(attempt.out(), &mut splices)?;
        attempt.keep();
        Ok(cut(&mut self.octets, start, splices))
    }

    /// A burst is likely to be as long as the last one, and to go on: to grow by small steps
    /// costs a copy for each.
    #[cold]
    fn reserve(&mut self) {
        let start = self.octets.len();
        if start >= BURST_LEN_MIN {
            self.octets.reserve((BURST_GROWTH * start).min(OUTBOUND_LEN_MAX.saturating_sub(start)));
        } else if start == 0 {
            let len = std::mem::take(&mut self.burst_len) as usize;
            self.octets = message_memory::take(len).unwrap_or_else(|| Vec::with_capacity(len));
        }
    }

    /// A long tail as one piece; a short one is copied, which costs less, and keeps its memory.
    #[inline]
    pub(crate) fn take_piece(&mut self) -> Option<Bytes> {
        if self.octets.len() < TAIL_PIECE_LEN_MIN {
            return None;
        }
        self.burst_len = (self.octets.len() + self.octets.len() / 8).min(BURST_LEN_MAX) as u32;
        Some(message_memory::share(std::mem::take(&mut self.octets)))
    }

    /// It was copied; its memory stays for the next messages, unless it is much.
    pub(crate) fn clear(&mut self) {
        self.octets.clear();
        self.octets.shrink_to(TAIL_KEPT_LEN_MAX);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbound {
    bulk: Option<Box<Bulk>>,
    pub(super) tail: Tail,
    /// Octets that the engine still holds for this call.
    pub(super) engine_len: usize,
    /// Initial metadata of a response, until it is sent.
    pub(super) head: Metadata,
    pub(super) head_sent: bool,
    /// The application wants the head on its way before any message.
    pub(super) flush_head: bool,
    /// Trailers that the application gathered.
    pub(super) trailers: Metadata,
    /// The producer is done.
    pub(super) is_finished: bool,
    /// Why nothing can be sent any more.
    closed: Option<Status>,
    writers: Writers,
}

impl Outbound {
    fn len(&self) -> usize {
        self.bulk.as_ref().map_or(0, |bulk| bulk.pieces_len) + self.tail.len() + self.engine_len
    }

    /// Room for one more message, however long it will be, beside `elsewhere_len` octets that are
    /// not here.
    #[inline]
    pub(super) fn poll_ready(&mut self, cx: &Context<'_>, elsewhere_len: usize) -> Poll<Result<(), Status>> {
        if let Some(status) = &self.closed {
            return Poll::Ready(Err(status.clone()));
        }
        if self.len() + elsewhere_len < OUTBOUND_LEN_MAX {
            return Poll::Ready(Ok(()));
        }
        self.writers.add(cx.waker());
        Poll::Pending
    }

    /// Lets `encode` append one envelope; long pieces are spliced at their places.
    pub(super) fn push(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    ) -> Result<(), Status> {
        if let Some(pieces) = self.tail.push(encode)? {
            self.push_pieces(pieces);
        }
        Ok(())
    }

    /// Adds a message that is in pieces already.
    pub(super) fn push_pieces(&mut self, pieces: Vec<Bytes>) {
        let bulk = self.bulk.get_or_insert_default();
        let tail = &mut self.tail.octets;
        let front = (!tail.is_empty()).then(|| message_memory::share(std::mem::take(tail)));
        for piece in front.into_iter().chain(pieces) {
            bulk.pieces_len += piece.len();
            bulk.pieces.push(piece);
        }
    }

    pub(super) fn take_trailers(&mut self) -> Metadata {
        std::mem::take(&mut self.trailers)
    }

    pub(super) fn set_http_head(&mut self, head: HttpHead) {
        self.bulk.get_or_insert_default().http_head = Some(Box::new(head));
    }

    pub(super) fn take_http_head(&mut self) -> Option<Box<HttpHead>> {
        self.bulk.as_mut()?.http_head.take()
    }

    /// Whether pieces or tail wait for the owner.
    pub(super) fn is_empty(&self) -> bool {
        self.tail.octets.is_empty() && self.bulk.as_ref().is_none_or(|bulk| bulk.pieces.is_empty())
    }

    /// Room for one more message, and the message.
    pub(super) fn poll_push(
        &mut self,
        cx: &Context<'_>,
        elsewhere_len: usize,
        encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    ) -> Poll<Result<(), Status>> {
        ready!(self.poll_ready(cx, elsewhere_len))?;
        Poll::Ready(self.push(encode))
    }

    /// The owner takes all pieces. A long tail is one of them.
    pub(super) fn take_pieces(&mut self) -> Vec<Bytes> {
        let last = self.tail.take_piece();
        let Some(bulk) = &mut self.bulk else { return last.into_iter().collect() };
        bulk.pieces_len = 0;
        let mut pieces = std::mem::take(&mut bulk.pieces);
        pieces.extend(last);
        pieces
    }

    /// The engine holds `len` octets now; the producers that have room again
    /// are to be woken.
    pub(super) fn set_engine_len(&mut self, len: usize) -> Writers {
        self.engine_len = len;
        if self.len() < OUTBOUND_LEN_MAX { std::mem::take(&mut self.writers) } else { Writers::default() }
    }

    /// Nothing more can be sent; what waits is given back, to be dropped.
    pub(super) fn close(&mut self, status: Status) -> (Writers, Vec<Bytes>) {
        let unsent = self.bulk.take().map(|bulk| bulk.pieces).unwrap_or_default();
        self.tail = Tail::default();
        self.closed.get_or_insert(status);
        (std::mem::take(&mut self.writers), unsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(tail: &mut Tail, octets: &[u8], piece: Option<Bytes>) -> Option<Vec<Bytes>> {
        let pushed = tail.push(|out, splices| {
            out.extend_from_slice(octets);
            splices.extend(piece.map(|piece| (out.len(), piece)));
            Ok(())
        });
        pushed.unwrap()
    }

    /// What is sent may wait for long: the few octets before a long piece hold no more than themselves.
    #[test]
    fn a_head_of_a_long_message_leaves_the_memory_of_a_burst() {
        let mut tail = Tail::new();
        (0..200).for_each(|_| assert!(push(&mut tail, &[7; 100], None).is_none()));
        assert!(tail.take_piece().is_some());
        let pieces = push(&mut tail, b"head", Some(Bytes::from(vec![8; 20_000]))).unwrap();
        assert_eq!(pieces[0], b"head"[..]);
        assert!(tail.octets.is_empty() && tail.octets.capacity() >= 20_000, "{}", tail.octets.capacity());
        push(&mut tail, b"short", None);
        let pieces = push(&mut tail, b"head", Some(Bytes::from(vec![8; 20_000]))).unwrap();
        assert_eq!((&pieces[0][..], tail.octets()), (&b"head"[..], &b"short"[..]));
    }
}
