//! The other side of a connection, in memory and by rote.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::template::{Each, Requests, Script};

const FRAME_HEAD_LEN: usize = 9;
const DATA: u8 = 0;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// A frame among others.
struct Frame {
    at: usize,
    len: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// The frames in `octets`, which begin with one and end with one.
fn frames(octets: &[u8]) -> impl Iterator<Item = Frame> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = octets.get(at..at + FRAME_HEAD_LEN)?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize + FRAME_HEAD_LEN;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { at, len, kind: head[3], flags: head[4], stream };
        at += len;
        Some(frame)
    })
}

fn put_stream(octets: &mut [u8], at: usize, stream: u32) {
    octets[at + 5..at + 9].copy_from_slice(&stream.to_be_bytes());
}

/// Lets batches of requests pass, as many as were asked for.
#[derive(Default)]
pub(super) struct Gate {
    left: AtomicUsize,
    waker: std::sync::Mutex<Option<Waker>>,
    passed: Notify,
}

impl Gate {
    /// Lets `count` batches pass, and waits until they were answered.
    pub(super) async fn pass(&self, count: usize) {
        self.left.store(count, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
        self.passed.notified().await;
    }
}

/// Requests that are sent at once.
struct Batch {
    octets: Vec<u8>,
    /// Where frames begin, and which call of the batch they belong to.
    places: Vec<(usize, u32)>,
}

impl Batch {
    fn new(octets: Vec<u8>, each: Each) -> Self {
        let frame_count = match each {
            Each::Call => 2,
            Each::Message => 1,
        };
        let places = frames(&octets).enumerate().map(|(n, frame)| (frame.at, n as u32 / frame_count)).collect();
        Batch { octets, places }
    }
}

/// A client, as a server sees it: a batch of requests, and the next one when that was
/// answered.
pub(super) struct Caller {
    opening: Option<Vec<u8>>,
    first: Vec<u8>,
    batches: Vec<Batch>,
    batch_index: usize,
    depth: u32,
    each: Each,
    next_stream: u32,
    has_begun: bool,
    gate: Arc<Gate>,
    /// Replies that are still to come.
    awaited: u32,
    control: Vec<u8>,
    has_rested: bool,
}

impl Caller {
    pub(super) fn new(requests: Requests, gate: Arc<Gate>) -> Self {
        Caller {
            opening: Some(requests.opening),
            first: requests.first,
            depth: requests.depth,
            batches: requests.batches.into_iter().map(|octets| Batch::new(octets, requests.each)).collect(),
            batch_index: 0,
            each: requests.each,
            next_stream: if requests.each == Each::Call { 3 } else { 1 },
            has_begun: false,
            gate,
            awaited: 0,
            control: Vec::new(),
            has_rested: false,
        }
    }

    /// The next requests, by turns of all that there are.
    fn next_batch(&mut self) -> &[u8] {
        self.batch_index = (self.batch_index + 1) % self.batches.len();
        let batch = &mut self.batches[self.batch_index];
        for (at, call) in &batch.places {
            put_stream(&mut batch.octets, *at, self.next_stream + 2 * call);
        }
        if self.each == Each::Call {
            self.next_stream += 2 * self.depth;
        }
        self.has_begun = true;
        self.awaited = self.depth;
        &batch.octets
    }
}

impl AsyncRead for Caller {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(opening) = self.opening.take() {
            buf.put_slice(&opening);
            buf.put_slice(&self.first);
            self.awaited = if self.each == Each::Call { 1 } else { self.depth };
            return Poll::Ready(Ok(()));
        }
        // As a socket does: nothing more, then it can be read again.
        if !std::mem::replace(&mut self.has_rested, true) && self.awaited == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.awaited > 0 {
            return Poll::Pending;
        }
        if self.gate.left.load(Ordering::Relaxed) == 0 {
            *self.gate.waker.lock().unwrap() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.has_rested = false;
        let control = std::mem::take(&mut self.control);
        buf.put_slice(&control);
        buf.put_slice(self.next_batch());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Caller {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        for frame in frames(octets) {
            let is_answer = match self.each {
                Each::Call => frame.stream != 0 && frame.flags & END_STREAM != 0,
                Each::Message => frame.kind == DATA,
            };
            self.awaited -= u32::from(is_answer);
            answer_ping(octets, &frame, &mut self.control);
        }
        if self.awaited == 0 {
            cx.waker().wake_by_ref();
            if self.has_begun && self.gate.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.gate.passed.notify_one();
            }
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn answer_ping(octets: &[u8], frame: &Frame, control: &mut Vec<u8>) {
    if frame.kind == PING && frame.flags & ACK == 0 {
        let start = control.len();
        control.extend_from_slice(&octets[frame.at..frame.at + frame.len]);
        control[start + 4] = ACK;
    }
}

/// A server, as a client sees it.
pub(super) struct Responder {
    first: Option<Vec<u8>>,
    again: Vec<u8>,
    places: Vec<usize>,
    replies: Vec<u8>,
    reader: Option<Waker>,
    has_rested: bool,
}

impl Responder {
    pub(super) fn new(script: Script) -> Self {
        Responder {
            first: Some(script.first),
            replies: script.opening,
            places: frames(&script.again).map(|frame| frame.at).collect(),
            again: script.again,
            reader: None,
            has_rested: false,
        }
    }

    fn reply(&mut self, stream: u32) {
        if let Some(first) = self.first.take() {
            return self.replies.extend_from_slice(&first);
        }
        for at in &self.places {
            put_stream(&mut self.again, *at, stream);
        }
        self.replies.extend_from_slice(&self.again);
    }
}

impl AsyncRead for Responder {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.replies.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !std::mem::replace(&mut self.has_rested, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_rested = false;
        buf.put_slice(&self.replies);
        self.replies.clear();
        Poll::Ready(Ok(()))
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl AsyncWrite for Responder {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, written: &[u8]) -> Poll<io::Result<usize>> {
        let octets = written.strip_prefix(PREFACE).unwrap_or(written);

        for frame in frames(octets) {
            if frame.kind == DATA && frame.flags & END_STREAM != 0 {
                self.reply(frame.stream);
            }
            answer_ping(octets, &frame, &mut self.replies);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(written.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
