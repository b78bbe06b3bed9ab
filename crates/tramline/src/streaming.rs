//! A stream of messages that arrives.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tramline_call::codec::{Frame, Limits};
use tramline_call::{Encoding, Metadata, Status};

use crate::drive::exchange::Exchange;
use crate::drive::inbound::{InboundEnd, PACKED_HEAD_LEN, Taken};
use crate::drive::scope;
use crate::drive::transfer::{self, Decoder};
use crate::interceptor::{Passage, Passed};

/// Messages that the peer sends, one at a time.
///
/// A client dropping it cancels the call; a server dropping it lets the rest of the
/// request go unread.
///
/// ```
/// # async fn f(mut replies: tramline::Streaming<bytes::Bytes>) -> Result<(), tramline::Status> {
/// while let Some(reply) = replies.message().await? {
///     println!("{} bytes", reply.len());
/// }
/// let trailers = replies.trailers();
/// # let _ = trailers; Ok(()) }
/// ```
pub struct Streaming<T> {
    exchange: Arc<Exchange>,
    format: Arc<Format<T>>,
    /// In a box made when first needed: a stream on which nothing happens has none, and a
    /// handler's future holds its arguments several times over, as wide as they are.
    reading: Option<Box<Reading>>,
}

/// How messages are read: one for all calls of a method.
pub(crate) struct Format<T> {
    pub(crate) decoder: Decoder<T>,
    pub(crate) limits: Limits,
}

/// How far a stream of messages was read.
#[derive(Default)]
struct Reading {
    packed: Vec<u8>,
    packed_at: u32,
    /// Of the last message.
    was_compressed: bool,
    /// Dropping this half ends the call.
    cancels: bool,
    /// How the stream ended.
    end: Option<Result<Metadata, Status>>,
    /// Where messages pass interceptors, if there are any.
    passage: Option<Box<Passage>>,
}

impl Reading {
    /// The stream goes on, and its messages pass nobody.
    #[inline]
    fn is_plain(&self) -> bool {
        self.passage.is_none() && self.end.is_none()
    }

    #[inline]
    fn has_next(&self) -> bool {
        self.packed.len() > self.packed_at as usize
    }

    /// All messages at hand were read.
    #[inline]
    fn clear_packed(&mut self) -> &mut Vec<u8> {
        self.packed.clear();
        self.packed_at = 0;
        &mut self.packed
    }

    /// The next message at hand, and whether it is compressed.
    #[inline]
    fn next(&mut self) -> Option<(bool, &[u8])> {
        let (compressed, message) = unpack(&self.packed, &mut self.packed_at)?;
        self.was_compressed = compressed;
        Some((compressed, message))
    }
}

impl<T> Format<T> {
    /// Decodes one message of the call behind `exchange`.
    #[inline]
    fn read(&self, message: &[u8], compressed: bool, exchange: &Exchange) -> Result<T, Status> {
        if compressed {
            return decode_with(Frame::Slice(message), true, exchange, &self.limits, self.decoder.frame);
        }
        (self.decoder.slice)(message, &self.limits)
    }
}

impl<T> std::fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("end", &self.end()).finish_non_exhaustive()
    }
}

impl<T> Streaming<T> {
    pub(crate) fn new(exchange: Arc<Exchange>, format: Arc<Format<T>>) -> Self {
        Streaming { exchange, format, reading: None }
    }

    fn end(&self) -> Option<&Result<Metadata, Status>> {
        self.reading.as_ref()?.end.as_ref()
    }

    fn passage(&self) -> Option<&Passage> {
        self.reading.as_ref()?.passage.as_deref()
    }

    /// Messages, and the end of a response, pass interceptors on their way.
    pub(crate) fn through(mut self, passage: Box<Passage>) -> Self {
        self.reading.get_or_insert_default().passage = Some(passage);
        self
    }

    /// A client's stream: dropping it cancels the call.
    pub(crate) fn cancelling(mut self) -> Self {
        self.reading.get_or_insert_default().cancels = true;
        self
    }

    /// The next message; `None` when the peer ended its side in order.
    ///
    /// # Errors
    /// The call's status, if it is not OK; the same again if asked again.
    // Not an `async fn`: a handler holds this future as long as it waits, and that would be wider.
    pub fn message(&mut self) -> impl Future<Output = Result<Option<T>, Status>> {
        std::future::poll_fn(|cx| {
            ready!(scope::poll_message_budget(cx));
            self.poll_message(cx)
        })
    }

    /// The initial metadata, as soon as it arrives: also before the first message.
    ///
    /// # Errors
    /// The call's status, if it failed before any came.
    pub async fn metadata(&mut self) -> Result<Metadata, Status> {
        std::future::poll_fn(|cx| self.poll_metadata(cx)).await
    }

    pub(crate) fn poll_metadata(&mut self, cx: &mut Context<'_>) -> Poll<Result<Metadata, Status>> {
        while self.passage().is_some_and(|passage| passage.is_of_response()) && !self.exchange.has_received_head() {
            match self.end() {
                Some(Ok(_)) => return Poll::Ready(Ok(Metadata::new())),
                Some(Err(status)) => return Poll::Ready(Err(status.clone())),
                None => {}
            }
            // Only an end can be under way before the head is there.
            let _ = ready!(self.poll_passage(cx));
            if self.end().is_none() {
                match ready!(self.exchange.poll_head(cx)) {
                    Ok(_) if self.exchange.has_received_head() => {}
                    Ok(nothing) => return Poll::Ready(Ok(nothing)),
                    Err(status) => self.start_end(Err(status)),
                }
            }
        }
        self.pass_head();
        self.exchange.poll_head(cx)
    }

    /// Takes the response's initial metadata past the interceptors, once.
    fn pass_head(&self) {
        if let Some(hooks) = self.passage().and_then(|passage| passage.response_hooks())
            && self.exchange.has_received_head()
        {
            hooks.response_metadata_once(|pass| self.exchange.change_received_head(pass));
        }
    }

    fn start_end(&mut self, end: Result<Metadata, Status>) {
        self.pass_head();
        let reading = self.reading.get_or_insert_default();
        match &mut reading.passage {
            Some(passage) => passage.start_end(end),
            None => reading.end = Some(end),
        }
    }

    /// The trailers, once [`message`](Self::message) has answered `None`.
    #[must_use]
    pub fn trailers(&self) -> Option<&Metadata> {
        self.end()?.as_ref().ok()
    }

    /// Whether the last message came compressed.
    #[must_use]
    pub fn was_compressed(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.was_compressed)
    }

    /// [`message`](Self::message) as a poll.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, Status>> {
        // Most messages lie at hand or on the desk, and nobody else sees them.
        if let Some(reading) = &mut self.reading
            && reading.is_plain()
        {
            if !reading.has_next()
                && let Some(taken) = self.exchange.poll_desk(cx, reading.clear_packed())
            {
                ready!(taken);
            }
            match reading.next().map(|(compressed, message)| self.format.read(message, compressed, &self.exchange)) {
                Some(Ok(message)) => return Poll::Ready(Ok(Some(message))),
                Some(Err(status)) => self.give_up(status),
                None => {}
            }
        }
        self.poll_any(cx)
    }

    #[inline(never)]
    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, Status>> {
        loop {
            if self.reading.is_some() {
                match ready!(self.poll_at_hand(cx)) {
                    Some(Ok(message)) => return Poll::Ready(Ok(Some(message))),
                    Some(Err(status)) => {
                        self.give_up(status);
                        continue;
                    }
                    None => {}
                }
                match self.end() {
                    None => {}
                    Some(Ok(_)) => return Poll::Ready(Ok(None)),
                    Some(Err(status)) => return Poll::Ready(Err(status.clone())),
                }
            }
            match ready!(self.poll_take(cx)) {
                Ok(Taken::Packed) => {}
                Ok(Taken::Single { compressed, message }) => match self.deliver(Frame::Shared(message), compressed) {
                    Some(Ok(message)) => return Poll::Ready(Ok(Some(message))),
                    Some(Err(status)) => self.give_up(status),
                    None => {}
                },
                Err(end) => self.start_end(end),
            }
        }
    }

    /// The next message of those that were taken.
    #[inline]
    fn poll_at_hand(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        if reading.passage.is_some() {
            return self.poll_through(cx);
        }
        let Some((compressed, message)) = reading.next() else { return Poll::Ready(None) };
        Poll::Ready(Some(self.format.read(message, compressed, &self.exchange)))
    }

    /// The next messages: packed ones lie in `reading` then.
    fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Result<Taken, InboundEnd>> {
        if let Some(reading) = &mut self.reading {
            return self.exchange.poll_take(cx, reading.clear_packed());
        }
        let mut packed = Vec::new();
        let taken = ready!(self.exchange.poll_take(cx, &mut packed));
        if !packed.is_empty() {
            self.reading.get_or_insert_default().packed = packed;
        }
        Poll::Ready(taken)
    }

    /// What comes out of the passage, or does not go into it.
    fn poll_through(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        loop {
            if let Some(passed) = ready!(self.poll_passage(cx)) {
                return Poll::Ready(Some(passed));
            }
            if let Some(message) = self.unpack() {
                return Poll::Ready(Some(message));
            }
            if !self.passage().is_some_and(|passage| passage.is_busy()) {
                return Poll::Ready(None);
            }
        }
    }

    /// What comes out of the passage, if something was under way.
    fn poll_passage(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let Some(passage) = &mut reading.passage else { return Poll::Ready(None) };
        Poll::Ready(match ready!(passage.poll(cx)) {
            Passed::Nothing => None,
            Passed::Message(octets) => {
                Some(octets.and_then(|octets| (self.format.decoder.frame)(Frame::Shared(octets), &self.format.limits)))
            }
            Passed::End(end) => {
                reading.end = Some(end);
                None
            }
        })
    }

    /// The next message of the batch at hand. `None` too if it went into the passage.
    fn unpack(&mut self) -> Option<Result<T, Status>> {
        let reading = self.reading.as_mut()?;
        let packed = std::mem::take(&mut reading.packed);
        let next = unpack(&packed, &mut reading.packed_at);
        let message = next.and_then(|(compressed, message)| self.deliver(Frame::Slice(message), compressed));
        self.reading.as_mut()?.packed = packed;
        message
    }

    /// Decodes a message, or sends it through the passage first.
    fn deliver(&mut self, frame: Frame<'_>, compressed: bool) -> Option<Result<T, Status>> {
        self.reading.get_or_insert_default().was_compressed = compressed;
        self.pass_head();
        if !self.passage().is_some_and(|passage| passage.sees_messages()) {
            return Some(decode_with(
                frame,
                compressed,
                &self.exchange,
                &self.format.limits,
                self.format.decoder.frame,
            ));
        }
        let octets = decode_with(frame, compressed, &self.exchange, &self.format.limits, raw);
        let passage = self.reading.as_mut().and_then(|reading| reading.passage.as_mut());
        match (octets, passage) {
            (Ok(octets), Some(passage)) => {
                passage.start_message(octets);
                None
            }
            (Ok(octets), None) => Some((self.format.decoder.frame)(Frame::Shared(octets), &self.format.limits)),
            (Err(status), _) => Some(Err(status)),
        }
    }

    /// A message that cannot be read, or does not pass, ends the stream.
    #[cold]
    fn give_up(&mut self, status: Status) {
        if let Some(reading) = &mut self.reading {
            reading.packed = Vec::new();
            reading.packed_at = 0;
        }
        self.exchange.abandon();
        self.start_end(Err(status));
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let had_failed = matches!(this.end(), Some(Err(_)));
        match this.poll_message(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) if had_failed => Poll::Ready(None),
            Poll::Ready(message) => Poll::Ready(message.transpose()),
        }
    }
}

impl<T> Drop for Streaming<T> {
    fn drop(&mut self) {
        if self.reading.as_ref().is_some_and(|reading| reading.cancels && reading.end.is_none()) {
            self.exchange.close_outbound(Status::cancelled("the half of the call that waits for its end was dropped"));
            self.exchange.abandon();
        }
    }
}

// Decoding goes through a plain function; nothing of `T` is stored.
impl<T> Unpin for Streaming<T> {}

#[inline(never)]
fn decode_with<M>(
    frame: Frame<'_>,
    compressed: bool,
    exchange: &Exchange,
    limits: &Limits,
    decode: fn(Frame<'_>, &Limits) -> Result<M, Status>,
) -> Result<M, Status> {
    let encoding = if compressed { exchange.encoding() } else { Encoding::Identity };
    transfer::decode(frame, compressed, encoding, limits, decode)
}

/// The message at `at`, which moves behind it, and whether it is compressed.
#[inline]
fn unpack<'p>(packed: &'p [u8], at: &mut u32) -> Option<(bool, &'p [u8])> {
    let (&[flag, l0, l1, l2, l3], rest) = packed.get(*at as usize..)?.split_first_chunk::<PACKED_HEAD_LEN>()?;
    let message = rest.get(..u32::from_be_bytes([l0, l1, l2, l3]) as usize)?;
    *at += (PACKED_HEAD_LEN + message.len()) as u32;
    Some((flag != 0, message))
}

/// The octets of each message as they are.
pub(crate) fn raw(frame: Frame<'_>, _limits: &Limits) -> Result<Bytes, Status> {
    Ok(frame.into_bytes())
}
