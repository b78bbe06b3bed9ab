//! The inbox of a streaming call: messages that arrived and were not yet taken.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tramline_call::{Encoding, Frame, Metadata, Status};

/// Packed messages are handed over in blocks of about this length.
const PACK_LEN_MAX: usize = 64 * 1024;
/// Longer messages travel alone, as one shared block.
const PACKED_MESSAGE_LEN_MAX: usize = 16 * 1024;
/// Flag and length in front of a packed message.
pub(crate) const PACKED_HEAD_LEN: usize = 5;

/// What a reader takes in one go.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Messages one after another, each behind its flag and length, in memory of the reader.
    Packed,
    /// One long message.
    Single { compressed: bool, message: Bytes },
}

/// What waits in one piece.
#[derive(Debug)]
enum Batch {
    /// Messages one after another, each behind its flag and length.
    Packed(Vec<u8>),
    /// One long message.
    Single { compressed: bool, message: Bytes },
}

/// How the peer's side of the call ended: in order, with its trailers, or not.
pub(crate) type InboundEnd = Result<Metadata, Status>;

/// Batches that a reader who falls behind, or who gets long messages, has in front of the pack.
#[derive(Debug, Default)]
struct Backlog {
    /// Each with the flow control that the reader gives back when it takes it.
    batches: VecDeque<(Batch, usize)>,
    len: usize,
}

/// What came. A stream on which nothing happens has none of it.
#[derive(Debug, Default)]
struct Arrived {
    backlog: Option<Box<Backlog>>,
    /// The last messages; empty, it is memory for the next.
    pack: Vec<u8>,
    /// What the pack cost in flow control.
    pack_owed: u32,
    /// Initial metadata of a response.
    head: Option<Metadata>,
    end: Option<InboundEnd>,
    /// The reader that waits, if not for its turn at the desk.
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// In a box made when first needed.
    arrived: Option<Box<Arrived>>,
    pub(super) encoding: Encoding,
    /// Octets taken and not yet given back to the window.
    pub(super) consumed_len: u32,
    /// As many are given back at once.
    pub(super) consumed_len_min: u16,
}

impl Arrived {
    fn set_pack_aside(&mut self) {
        if !self.pack.is_empty() {
            let batch = Batch::Packed(std::mem::take(&mut self.pack));
            let owed = std::mem::take(&mut self.pack_owed) as usize;
            self.put_back(batch, owed);
        }
    }

    fn put_back(&mut self, batch: Batch, owed: usize) {
        let backlog = self.backlog.get_or_insert_default();
        backlog.len += batch_len(&batch);
        backlog.batches.push_back((batch, owed));
    }

    fn wait(&mut self, cx: &Context<'_>, replaced: &mut Option<Waker>) {
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            *replaced = self.reader.replace(cx.waker().clone());
        }
    }

    /// The oldest batch of the backlog, if there is one.
    fn take_back(&mut self) -> Option<(Batch, usize)> {
        let backlog = self.backlog.as_mut()?;
        let taken = backlog.batches.pop_front()?;
        backlog.len -= batch_len(&taken.0);
        Some(taken)
    }
}

impl Inbound {
    pub(super) fn new(encoding: Encoding, consumed_len_min: u16) -> Self {
        Inbound { encoding, consumed_len_min, ..Inbound::default() }
    }

    /// Adds a whole message; `owed` is what it cost in flow control.
    pub(super) fn push(&mut self, compressed: bool, frame: Frame<'_>, owed: usize) {
        let arrived = self.arrived.get_or_insert_default();
        if frame.len() > PACKED_MESSAGE_LEN_MAX {
            arrived.set_pack_aside();
            return arrived.put_back(Batch::Single { compressed, message: frame.into_bytes() }, owed);
        }
        if !fits_pack(&arrived.pack, frame.len()) {
            arrived.set_pack_aside();
        }
        arrived.pack_owed += owed as u32;
        pack(&mut arrived.pack, compressed, &frame);
    }

    /// Packed messages in front of all that is to come, and what they cost.
    pub(super) fn put_back(&mut self, pack: Vec<u8>, owed: usize) {
        debug_assert!(!self.has_some(), "what lay on the desk was older");
        let arrived = self.arrived.get_or_insert_default();
        arrived.pack = pack;
        arrived.pack_owed = owed as u32;
    }

    /// Whether a reader would find something: messages, a head, or the end.
    pub(super) fn has_some(&self) -> bool {
        self.arrived.as_ref().is_some_and(|arrived| {
            let has_backlog = arrived.backlog.as_ref().is_some_and(|backlog| !backlog.batches.is_empty());
            !arrived.pack.is_empty() || arrived.end.is_some() || has_backlog
        })
    }

    /// The peer's head, in front of all messages.
    pub(super) fn set_head(&mut self, metadata: Metadata, encoding: Encoding) {
        self.put_head(metadata);
        self.encoding = encoding;
    }

    pub(super) fn put_head(&mut self, metadata: Metadata) {
        self.arrived.get_or_insert_default().head = Some(metadata);
    }

    pub(super) fn take_head(&mut self) -> Option<Metadata> {
        self.arrived.as_mut()?.head.take()
    }

    pub(super) fn has_head(&self) -> bool {
        self.arrived.as_ref().is_some_and(|arrived| arrived.head.is_some())
    }

    /// The head, once it is there. A call that ends in order without one has no metadata.
    /// A waker that is no longer needed goes to `replaced`.
    pub(super) fn poll_head(
        &mut self,
        cx: &Context<'_>,
        replaced: &mut Option<Waker>,
    ) -> Poll<Result<Metadata, Status>> {
        let arrived = self.arrived.get_or_insert_default();
        if let Some(head) = &arrived.head {
            return Poll::Ready(Ok(head.clone()));
        }
        match &arrived.end {
            Some(Ok(_)) => Poll::Ready(Ok(Metadata::new())),
            Some(Err(status)) => Poll::Ready(Err(status.clone())),
            None => {
                arrived.wait(cx, replaced);
                Poll::Pending
            }
        }
    }

    /// Octets that wait.
    pub(super) fn len(&self) -> usize {
        let Some(arrived) = &self.arrived else { return 0 };
        arrived.pack.len() + arrived.backlog.as_ref().map_or(0, |backlog| backlog.len)
    }

    /// The peer's side ended; only the first end counts.
    pub(super) fn finish(&mut self, end: InboundEnd) {
        self.arrived.get_or_insert_default().end.get_or_insert(end);
    }

    /// An early end: what waits is dropped.
    pub(super) fn abort(&mut self, status: Status) {
        let arrived = self.arrived.get_or_insert_default();
        arrived.backlog = None;
        arrived.pack = Vec::new();
        arrived.pack_owed = 0;
        arrived.end = Some(Err(status));
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.arrived.as_ref().is_some_and(|arrived| arrived.reader.is_some())
    }

    /// The reader, if it waits, to be woken.
    pub(super) fn take_reader(&mut self) -> Option<Waker> {
        self.arrived.as_mut()?.reader.take()
    }

    /// The next batch, or the end. Packed messages go to `packed`, which is empty; a waker that is
    /// no longer needed goes to `replaced`.
    pub(super) fn poll_take(
        &mut self,
        cx: &Context<'_>,
        packed: &mut Vec<u8>,
        replaced: &mut Option<Waker>,
    ) -> Poll<Result<Taken, InboundEnd>> {
        let arrived = self.arrived.get_or_insert_default();
        if let Some((batch, owed)) = arrived.take_back() {
            self.consumed_len += owed as u32;
            return Poll::Ready(Ok(match batch {
                Batch::Single { compressed, message } => Taken::Single { compressed, message },
                Batch::Packed(pack) => {
                    *packed = pack;
                    Taken::Packed
                }
            }));
        }
        if !arrived.pack.is_empty() {
            self.consumed_len += std::mem::take(&mut arrived.pack_owed);
            std::mem::swap(&mut arrived.pack, packed);
            return Poll::Ready(Ok(Taken::Packed));
        }
        if packed.capacity() > arrived.pack.capacity() {
            std::mem::swap(&mut arrived.pack, packed);
        }
        if let Some(end) = &arrived.end {
            return Poll::Ready(Err(end.clone()));
        }
        arrived.wait(cx, replaced);
        Poll::Pending
    }
}

/// Whether a message of `len` octets may be added to `pack`.
pub(super) fn fits_pack(pack: &[u8], len: usize) -> bool {
    len <= PACKED_MESSAGE_LEN_MAX && pack.len() + len <= PACK_LEN_MAX
}

/// Adds a message behind its flag and length.
pub(super) fn pack(pack: &mut Vec<u8>, compressed: bool, frame: &Frame<'_>) {
    let message = frame.contiguous();
    let [l0, l1, l2, l3] = (message.len() as u32).to_be_bytes();
    pack.reserve(PACKED_HEAD_LEN + message.len());
    pack.extend_from_slice(&[u8::from(compressed), l0, l1, l2, l3]);
    pack.extend_from_slice(message);
}

fn batch_len(batch: &Batch) -> usize {
    match batch {
        Batch::Packed(pack) => pack.len(),
        Batch::Single { message, .. } => message.len(),
    }
}
