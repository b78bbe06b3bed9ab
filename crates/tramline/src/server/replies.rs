//! Where a handler writes a stream of replies.

use std::sync::Arc;
use std::task::ready;

use bytes::Bytes;
use futures_core::Stream;
use tramline_call::{Metadata, Status};

use crate::drive::exchange::Exchange;
use crate::drive::scope;
use crate::drive::transfer::{self, EncodeFn, Packing};
use crate::interceptor::{CallHooks, encode_whole};

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
    encode: EncodeFn<T>,
    packing: Packing,
    /// The interceptors that the response passes, if there are any.
    hooks: Option<Arc<CallHooks>>,
}

impl<T> Clone for Replies<T> {
    fn clone(&self) -> Self {
        Replies { exchange: self.exchange.clone(), hooks: self.hooks.clone(), ..*self }
    }
}

impl<T> std::fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").finish_non_exhaustive()
    }
}

impl<T> Replies<T> {
    pub(crate) fn new(exchange: Arc<Exchange>, encode: EncodeFn<T>, packing: Packing) -> Self {
        Replies { exchange, encode, packing, hooks: None }
    }

    /// Messages pass interceptors on their way.
    pub(super) fn through(mut self, hooks: Arc<CallHooks>) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// Sends one message. The future is ready once the message is encoded and there is
    /// room for it; it is cancel-safe: dropped early, nothing was sent.
    ///
    /// # Errors
    /// The call is over: cancelled, past its deadline, or its handler has returned. Or
    /// the message cannot be encoded, or is over the limit.
    pub async fn send(&self, message: T) -> Result<(), Status> {
        self.send_packed(&message, self.packing).await
    }

    /// Sends one message without compressing it, whatever the call does otherwise.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_uncompressed(&self, message: T) -> Result<(), Status> {
        self.send_packed(&message, Packing { is_compressed: false, ..self.packing }).await
    }

    async fn send_packed(&self, message: &T, packing: Packing) -> Result<(), Status> {
        if let Some(hooks) = self.hooks.as_ref().filter(|hooks| hooks.sees_next_response()) {
            let octets = encode_whole(|sink| (self.encode)(message, sink))?;
            return send_through(hooks, &self.exchange, octets, packing).await;
        }
        std::future::poll_fn(|cx| {
            ready!(scope::poll_message_budget(cx));
            self.exchange.poll_push(cx, |out, splices| {
                transfer::encode_into(out, splices, packing, |sink| (self.encode)(message, sink))
            })
        })
        .await
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
        if let Some(hooks) = &self.hooks {
            pass_head(hooks, &self.exchange);
        }
        self.exchange.flush_head();
    }

    /// Changes the trailers, which go out when the handler returns.
    pub fn with_trailers<R>(&self, change: impl FnOnce(&mut Metadata) -> R) -> R {
        self.exchange.with_trailers(change)
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
