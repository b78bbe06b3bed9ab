//! Where a client writes a stream of requests.

use std::fmt;
use std::sync::Arc;
use std::task::ready;

use futures_core::Stream;
use tramline_call::Status;

use super::intercepted::pass_request;
use crate::drive::exchange::Exchange;
use crate::drive::scope;
use crate::drive::transfer::{self, EncodeFn, Packing};
use crate::interceptor::{LateHooks, encode_whole};

/// The sending half of a streaming call, with back-pressure: [`send`](Self::send) waits
/// while the server does not read.
///
/// Dropped, or [finished](Self::finish), it ends the request stream in order; the call
/// goes on until the server ends it, or its other half is dropped.
///
/// ```no_run
/// # use tramline::{Channel, Method, Status, codec::Raw};
/// # use bytes::Bytes;
/// # async fn f(channel: Channel, method: Method<Bytes, Bytes, Raw>) -> Result<(), Status> {
/// let (requests, reply) = channel.client_streaming(&method).start();
/// for n in 0..3u8 {
///     requests.send(vec![n].into()).await?;
/// }
/// requests.finish();
/// println!("{:?}", reply.await?.into_inner());
/// # Ok(()) }
/// ```
pub struct Requests<T> {
    exchange: Arc<Exchange>,
    encode: EncodeFn<T>,
    packing: Packing,
    /// Whom messages pass on their way, if there are interceptors.
    hooks: Option<LateHooks>,
}

impl<T> fmt::Debug for Requests<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

impl<T> Requests<T> {
    pub(super) fn new(exchange: Arc<Exchange>, encode: EncodeFn<T>, packing: Packing) -> Self {
        Requests { exchange, encode, packing, hooks: None }
    }

    /// Messages pass interceptors on their way.
    pub(super) fn through(mut self, hooks: LateHooks) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// Sends one message. The future is ready once the message is encoded and there is
    /// room for it; it is cancel-safe: dropped early, nothing was sent.
    ///
    /// # Errors
    /// The call is over: its status, or CANCELLED if the server ended it with OK. Or the
    /// message cannot be encoded, or is over the limit.
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
        if let Some(hooks) = &self.hooks {
            let octets = encode_whole(|sink| (self.encode)(message, sink))?;
            let octets = pass_request(hooks, &self.exchange, octets).await?;
            self.until_ready().await?;
            return self.exchange.push(|out, splices| transfer::wrap_into(out, splices, packing, octets));
        }
        std::future::poll_fn(|cx| {
            ready!(scope::poll_message_budget(cx));
            self.exchange.poll_push(cx, |out, splices| {
                transfer::encode_into(out, splices, packing, |sink| (self.encode)(message, sink))
            })
        })
        .await
    }

    async fn until_ready(&self) -> Result<(), Status> {
        std::future::poll_fn(|cx| {
            ready!(scope::poll_message_budget(cx));
            self.exchange.poll_ready(cx)
        })
        .await
    }

    /// Sends what `messages` yields, until it ends.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_all<S: Stream<Item = T>>(&self, messages: S) -> Result<(), Status> {
        let mut messages = std::pin::pin!(messages);
        while let Some(message) = std::future::poll_fn(|cx| messages.as_mut().poll_next(cx)).await {
            self.send(message).await?;
        }
        Ok(())
    }

    /// Ends the request stream: nothing more comes.
    pub fn finish(self) {}
}

impl<T> Drop for Requests<T> {
    fn drop(&mut self) {
        self.exchange.finish();
    }
}
