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
pub(crate) enum Batch {
    /// Messages one after another, each behind its flag and length.
    Packed(Vec<u8>),
    /// One long message.
    Single { compressed: bool, message: Bytes },
}

/// How the peer's side of the call ended: in order, with its trailers, or not.
pub(crate) type InboundEnd = Result<Metadata, Status>;

#[derive(Debug, Default)]
pub(crate) struct Inbound {
    batches: VecDeque<Batch>,
    /// Octets of flow control that the reader gives back when it takes the front.
    owed: VecDeque<usize>,
    len: usize,
    /// Initial metadata of a response.
    pub(super) head: Option<Metadata>,
    pub(super) encoding: Encoding,
    end: Option<InboundEnd>,
    /// The waker of the reader that waits, or that waited last.
    reader: Option<Waker>,
    is_reader_waiting: bool,
    spare: Vec<u8>,
    /// Octets taken and not yet given back to the window.
    pub(super) consumed_len: usize,
}

impl Inbound {
    pub(super) fn new(encoding: Encoding) -> Self {
        Inbound { encoding, ..Inbound::default() }
    }

    /// Adds a whole message; `owed` is what it cost in flow control.
    pub(super) fn push(&mut self, compressed: bool, frame: Frame<'_>, owed: usize) {
        let len = frame.len();
        if len > PACKED_MESSAGE_LEN_MAX {
            self.len += len;
            self.batches.push_back(Batch::Single { compressed, message: frame.into_bytes() });
            self.owed.push_back(owed);
            return;
        }
        let pack = match self.batches.back_mut() {
            Some(Batch::Packed(pack)) if pack.len() + len <= PACK_LEN_MAX => {
                if let Some(before) = self.owed.back_mut() {
                    *before += owed;
                }
                pack
            }
            _ => {
                self.batches.push_back(Batch::Packed(std::mem::take(&mut self.spare)));
                self.owed.push_back(owed);
                match self.batches.back_mut() {
                    Some(Batch::Packed(pack)) => pack,
                    _ => return,
                }
            }
        };
        self.len += PACKED_HEAD_LEN + len;
        pack.push(u8::from(compressed));
        pack.extend_from_slice(&(len as u32).to_be_bytes());
        pack.extend_from_slice(frame.contiguous());
    }

    /// The peer's head, in front of all messages.
    pub(super) fn set_head(&mut self, metadata: Metadata, encoding: Encoding) {
        self.head = Some(metadata);
        self.encoding = encoding;
    }

    /// The head, once it is there. A call that ends in order without one has no metadata.
    pub(super) fn poll_head(&mut self, cx: &Context<'_>) -> Poll<Result<Metadata, Status>> {
        if let Some(head) = &self.head {
            return Poll::Ready(Ok(head.clone()));
        }
        match &self.end {
            Some(Ok(_)) => Poll::Ready(Ok(Metadata::new())),
            Some(Err(status)) => Poll::Ready(Err(status.clone())),
            None => {
                self.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Octets that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The peer's side ended; only the first end counts.
    pub(super) fn finish(&mut self, end: InboundEnd) {
        self.end.get_or_insert(end);
    }

    /// An early end: what waits is dropped.
    pub(super) fn abort(&mut self, status: Status) {
        self.batches.clear();
        self.owed.clear();
        self.len = 0;
        self.end = Some(Err(status));
    }

    fn wait(&mut self, cx: &Context<'_>) {
        self.is_reader_waiting = true;
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.is_reader_waiting
    }

    /// The reader, if it waits, to be woken.
    pub(super) fn take_reader(&mut self) -> Option<Waker> {
        if self.excuse_reader() { self.reader.take() } else { None }
    }

    /// Whether the reader waits; the caller runs it itself. Its waker stays for the next time.
    pub(super) fn excuse_reader(&mut self) -> bool {
        std::mem::take(&mut self.is_reader_waiting)
    }

    /// The next batch, or the end. `spare` is the memory of a batch that was read.
    pub(super) fn poll_take(&mut self, cx: &Context<'_>, spare: Vec<u8>) -> Poll<Result<Batch, InboundEnd>> {
        if spare.capacity() > self.spare.capacity() {
            self.spare = spare;
            self.spare.clear();
        }
        if let Some(batch) = self.batches.pop_front() {
            self.consumed_len += self.owed.pop_front().unwrap_or(0);
            self.len -= batch_len(&batch);
            return Poll::Ready(Ok(batch));
        }
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.clone()));
        }
        self.wait(cx);
        Poll::Pending
    }
}

fn batch_len(batch: &Batch) -> usize {
    match batch {
        Batch::Packed(pack) => pack.len(),
        Batch::Single { message, .. } => message.len(),
    }
}
