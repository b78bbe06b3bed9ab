//! Where a handler writes a stream of replies.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tramline_call::{Metadata, Status};

use crate::drive::exchange::Exchange;
use crate::drive::scope;
use crate::drive::transfer::{self, EncodeFn, Packing};
use crate::interceptor::{BoxFuture, CallHooks, encode_whole};

/// The sink of a streaming response, with back-pressure: [`send`](Self::send) waits
/// while the peer does not read.
///
/// Initial metadata can be set until the first message; trailers until the handler
/// returns. The call ends when the handler returns: a clone that lives on gets an
/// error from `send`.
///
/// ```
/// # use tramline::{Replies, Status};
/// async fn count(replies: Replies<bytes::Bytes>) -> Result<(), Status> {
///     for n in 0..3u8 {
///         replies.send(vec![n].into()).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct Replies<T> {
    exchange: Arc<Exchange>,
    format: Arc<ReplyFormat<T>>,
}

/// How replies are written: one for most calls of a method, as a handler's future holds its
/// arguments several times over.
pub(super) struct ReplyFormat<T> {
    pub(super) encode: EncodeFn<T>,
    pub(super) packing: Packing,
    /// The interceptors that the response passes, if there are any: these are one call's.
    pub(super) hooks: Option<Arc<CallHooks>>,
}

impl<T> Clone for Replies<T> {
    fn clone(&self) -> Self {
        Replies { exchange: self.exchange.clone(), format: self.format.clone() }
    }
}

impl<T> std::fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").finish_non_exhaustive()
    }
}

impl<T> Replies<T> {
    pub(super) fn new(exchange: Arc<Exchange>, format: Arc<ReplyFormat<T>>) -> Self {
        Replies { exchange, format }
    }

    /// Sends one message. The future is ready once the message is encoded and there is
    /// room for it; it is cancel-safe: dropped early, nothing was sent.
    ///
    /// # Errors
    /// The call is over: cancelled, past its deadline, or its handler has returned. Or
    /// the message cannot be encoded, or is over the limit.
    pub fn send(&self, message: T) -> impl Future<Output = Result<(), Status>> {
        Sending { replies: self, stage: SendStage::Message(message), is_compressed: self.format.packing.is_compressed }
    }

    /// Sends one message without compressing it, whatever the call does otherwise.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_uncompressed(&self, message: T) -> impl Future<Output = Result<(), Status>> {
        Sending { replies: self, stage: SendStage::Message(message), is_compressed: false }
    }

    /// Sends what `messages` yields, until it ends or fails.
    ///
    /// # Errors
    /// The stream's first error, or as [`send`](Self::send).
    pub async fn send_all<S>(&self, messages: S) -> Result<(), Status>
    where
        S: Stream<Item = Result<T, Status>>,
    {
        let mut messages = std::pin::pin!(messages);
        while let Some(message) = std::future::poll_fn(|cx| messages.as_mut().poll_next(cx)).await {
            self.send(message?).await?;
        }
        Ok(())
    }

    /// Sets the initial metadata.
    ///
    /// # Errors
    /// Gives it back if the response head is already on its way.
    pub fn set_metadata(&self, metadata: Metadata) -> Result<(), Metadata> {
        self.exchange.set_head(metadata)
    }

    /// Sends the initial metadata now, without waiting for a message.
    pub fn send_metadata(&self) {
        if let Some(hooks) = &self.format.hooks {
            pass_head(hooks, &self.exchange);
        }
        self.exchange.flush_head();
    }

    /// Changes the trailers, which go out when the handler returns.
    pub fn with_trailers<R>(&self, change: impl FnOnce(&mut Metadata) -> R) -> R {
        self.exchange.with_trailers(change)
    }
}

/// A message on its way. Handlers hold one of these as long as they wait, whether they send
/// or not, so it is written by hand: the compiler would keep the message twice.
struct Sending<'a, T> {
    replies: &'a Replies<T>,
    stage: SendStage<'a, T>,
    is_compressed: bool,
}

enum SendStage<'a, T> {
    Message(T),
    /// It passes interceptors.
    Passing(BoxFuture<'a, Result<(), Status>>),
}

// Neither the message nor the box is pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let this = &mut *self;
        let (replies, is_compressed) = (this.replies, this.is_compressed);
        let format = &*replies.format;
        let packing = Packing { is_compressed, ..format.packing };
        let hooks = format.hooks.as_ref().filter(|hooks| hooks.sees_next_response());
        if let (SendStage::Message(message), Some(hooks)) = (&this.stage, hooks) {
            let octets = encode_whole(|sink| (format.encode)(message, sink))?;
            this.stage = SendStage::Passing(Box::pin(send_through(hooks, &replies.exchange, octets, packing)));
        }
        match &mut this.stage {
            SendStage::Passing(passing) => passing.as_mut().poll(cx),
            SendStage::Message(message) => {
                ready!(scope::poll_message_budget(cx));
                replies.exchange.poll_push(cx, |out, splices| {
                    transfer::encode_into(out, splices, packing, |sink| (format.encode)(message, sink))
                })
            }
        }
    }
}

/// Takes the response's initial metadata past the interceptors, unless that was done.
pub(super) fn pass_head(hooks: &CallHooks, exchange: &Exchange) {
    hooks.response_metadata_once(|pass| exchange.change_head(pass));
}

/// Sends one encoded message of a response past the interceptors.
pub(super) async fn send_through(
    hooks: &CallHooks,
    exchange: &Exchange,
    octets: Bytes,
    packing: Packing,
) -> Result<(), Status> {
    let octets = hooks.response_message(octets).await?;
    pass_head(hooks, exchange);
    std::future::poll_fn(|cx| {
        ready!(scope::poll_message_budget(cx));
        exchange.poll_ready(cx)
    })
    .await?;
    exchange.push(|out, splices| {
        transfer::encode_into(out, splices, packing, |sink| {
            sink.splice(octets);
            Ok(())
        })
    })
}
