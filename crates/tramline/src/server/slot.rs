//! Where a handler's future lives: a pinned slot that is used again and again.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tramline_call::codec::{Encode, Frame, Limits};
use tramline_call::{Encoding, Metadata, Status};

use super::connection::reply::ReplyWriter;
use crate::context::CallContext;
use crate::drive::exchange::Exchange;
use crate::drive::transfer::Packing;
use crate::http_door::HttpOpening;
use crate::interceptor::CallHooks;
use crate::request::{Extensions, Request};
use crate::response::Response;

/// What a call opens with.
pub(crate) enum Opening<'a> {
    /// The one message of a unary or server-streaming request, and whether it is compressed.
    Message(Frame<'a>, bool),
    /// A stream of messages, which are in the call's boxes.
    Messages,
    /// A request that is not gRPC.
    Http(Box<HttpOpening>),
}

/// What a handler starts with.
pub(crate) struct Start<'a> {
    pub(crate) metadata: Metadata,
    pub(crate) context: Arc<CallContext>,
    pub(crate) body: StartBody<'a>,
}

impl<'a> Start<'a> {
    /// Takes the parts of a call that its handler starts with. Made where it is used: it is
    /// wide, and would be copied on each way that it goes by value.
    #[inline(always)]
    pub(crate) fn new(
        opening: &mut Opening<'a>,
        exchange: Option<&Arc<Exchange>>,
        encoding: Encoding,
        metadata: &mut Metadata,
        context: &Arc<CallContext>,
        packing: Packing,
        limits: Limits,
    ) -> Start<'a> {
        let was_compressed = matches!(opening, Opening::Message(_, true));
        let opening = std::mem::replace(opening, Opening::Messages);
        let exchange = exchange.cloned();
        let body = StartBody { opening, exchange, left: None, encoding, was_compressed, packing, limits };
        Start { metadata: metadata.hand_on(), context: Arc::clone(context), body }
    }

    /// The request, around its message or its messages.
    pub(crate) fn request<T>(self, message: T) -> Request<T> {
        let Start { metadata, context, body } = self;
        let extensions = body.left.map(|left| left.extensions).unwrap_or_default();
        Request::received(message, metadata, extensions, context).compressed(body.was_compressed)
    }
}

/// The request's messages, and where replies go.
pub(crate) struct StartBody<'a> {
    pub(crate) opening: Opening<'a>,
    /// The boxes of a call that streams in either direction.
    pub(crate) exchange: Option<Arc<Exchange>>,
    pub(crate) left: Option<Box<LeftBehind>>,
    /// How the peer compresses.
    pub(crate) encoding: Encoding,
    /// The one message of the request came compressed.
    pub(crate) was_compressed: bool,
    pub(crate) packing: Packing,
    pub(crate) limits: Limits,
}

/// What interceptors leave, where they leave anything.
pub(crate) struct LeftBehind {
    pub(crate) extensions: Extensions,
    /// The interceptors themselves, for the messages of a call's boxes.
    pub(crate) hooks: Option<Arc<CallHooks>>,
}

impl StartBody<'_> {
    /// The interceptors that messages in the call's boxes pass.
    pub(crate) fn hooks(&self) -> Option<&Arc<CallHooks>> {
        self.left.as_ref()?.hooks.as_ref()
    }

    /// The same in memory of its own.
    pub(crate) fn into_owned(self) -> StartBody<'static> {
        let StartBody { opening, exchange, left, encoding, was_compressed, packing, limits } = self;
        let opening = match opening {
            Opening::Message(frame, is_compressed) => {
                Opening::Message(Frame::Shared(frame.into_bytes()), is_compressed)
            }
            Opening::Messages => Opening::Messages,
            Opening::Http(opening) => Opening::Http(opening),
        };
        StartBody { opening, exchange, left, encoding, was_compressed, packing, limits }
    }
}

/// A handler's future, whatever its type.
pub(crate) trait CallSlot: Send {
    /// Decodes the request and makes the future.
    fn start(self: Pin<&mut Self>, start: Start<'_>) -> Result<(), Status>;
    /// Both, where the request's message still lies in the input.
    #[inline]
    fn start_and_poll(
        mut self: Pin<&mut Self>,
        start: Start<'_>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        self.as_mut().start(start)?;
        self.poll(cx, reply)
    }
    /// Polls the future; when it is ready, a unary reply has been written.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Poll<Result<(), Status>>;
    /// Drops the future.
    fn clear(self: Pin<&mut Self>);
}

pub(crate) type BoxSlot = Pin<Box<dyn CallSlot>>;

pin_project! {
    /// The future of a handler that returns one reply, which codec `C` writes.
    pub(crate) struct UnarySlot<B, F, T, C> {
        begin: Arc<B>,
        #[pin]
        future: Option<F>,
        reply: PhantomData<fn(C) -> T>,
    }
}

impl<B, F, T, C> UnarySlot<B, F, T, C> {
    pub(crate) fn new(begin: Arc<B>) -> Self {
        UnarySlot { begin, future: None, reply: PhantomData }
    }
}

impl<B, F, T, C> CallSlot for UnarySlot<B, F, T, C>
where
    B: Fn(Start<'_>) -> Result<F, Status> + Send + Sync,
    F: Future<Output = Result<Response<T>, Status>> + Send,
    C: Encode<T> + Default,
{
    fn start(self: Pin<&mut Self>, start: Start<'_>) -> Result<(), Status> {
        let mut this = self.project();
        let future = (this.begin)(start)?;
        this.future.set(Some(future));
        Ok(())
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Poll<Result<(), Status>> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let outcome = ready!(future.poll(cx));
        this.future.set(None);
        Poll::Ready(outcome.and_then(|response| {
            let is_compressible = response.is_compressible();
            let (message, metadata, trailers) = response.into_parts();
            reply.unary(metadata, trailers, is_compressible, |sink| C::default().encode(&message, sink))
        }))
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}

pin_project! {
    /// The future of a handler that writes its replies to a sink.
    pub(crate) struct StreamingSlot<B, F> {
        begin: Arc<B>,
        #[pin]
        future: Option<F>,
    }
}

impl<B, F> StreamingSlot<B, F> {
    pub(crate) fn new(begin: Arc<B>) -> Self {
        StreamingSlot { begin, future: None }
    }
}

impl<B, F> CallSlot for StreamingSlot<B, F>
where
    B: Fn(Start<'_>) -> Result<F, Status> + Send + Sync,
    F: Future<Output = Result<(), Status>> + Send,
{
    fn start(self: Pin<&mut Self>, start: Start<'_>) -> Result<(), Status> {
        let mut this = self.project();
        let future = (this.begin)(start)?;
        this.future.set(Some(future));
        Ok(())
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, _reply: &mut ReplyWriter<'_>) -> Poll<Result<(), Status>> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let outcome = ready!(future.poll(cx));
        this.future.set(None);
        Poll::Ready(outcome)
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}
