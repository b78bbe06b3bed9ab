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

/// What a handler starts with. It lies where the call and the server have it: what is moved from
/// place to place right after it was written makes the processor wait.
pub(crate) struct Start<'a, 'i> {
    pub(crate) context: &'a CallContext,
    /// What interceptors left, where they left anything.
    pub(crate) left: Option<Box<LeftBehind>>,
    pub(crate) body: StartBody<'a, 'i>,
}

/// The request's messages, and where replies go.
pub(crate) struct StartBody<'a, 'i> {
    pub(crate) opening: &'a mut Opening<'i>,
    /// The boxes of a call that streams in either direction.
    pub(crate) exchange: Option<&'a Arc<Exchange>>,
    /// How the peer compresses.
    pub(crate) encoding: Encoding,
    pub(crate) packing: Packing,
    pub(crate) limits: &'a Limits,
}

impl<'i> StartBody<'_, 'i> {
    /// The same for a while.
    pub(crate) fn reborrow(&mut self) -> StartBody<'_, 'i> {
        let StartBody { opening, exchange, encoding, packing, limits } = self;
        StartBody { opening, exchange: *exchange, encoding: *encoding, packing: *packing, limits }
    }
}

impl Start<'_, '_> {
    /// The request, around its message or its messages.
    #[inline(always)]
    pub(crate) fn request<T>(&mut self, message: T) -> Request<T> {
        if let Opening::Message(_, true) = self.body.opening {
            self.context.set_came_compressed();
        }
        let mut request = Request::received(message, self.context.clone());
        if let Some(left) = self.left.take() {
            left.surround(&mut request);
        }
        request
    }

    /// The request's one message, if it lies in a buffer that is used again and is not compressed,
    /// as nearly all do.
    #[inline(always)]
    pub(crate) fn plain_message(&self) -> Option<&[u8]> {
        match &self.body.opening {
            Opening::Message(Frame::Slice(octets), false) => Some(octets),
            _ => None,
        }
    }

    /// The interceptors that messages in the call's boxes pass.
    pub(crate) fn hooks(&self) -> Option<&Arc<CallHooks>> {
        self.left.as_ref()?.hooks.as_ref()
    }
}

/// What interceptors leave, where they leave anything.
pub(crate) struct LeftBehind {
    /// The request's metadata, if they changed them.
    pub(crate) metadata: Option<Metadata>,
    pub(crate) extensions: Extensions,
    /// The interceptors themselves, for the messages of a call's boxes.
    pub(crate) hooks: Option<Arc<CallHooks>>,
}

impl LeftBehind {
    fn surround<T>(self, request: &mut Request<T>) {
        if let Some(metadata) = self.metadata {
            *request.metadata_mut() = metadata;
        }
        if !self.extensions.is_empty() {
            *request.extensions_mut() = self.extensions;
        }
    }
}

impl Opening<'_> {
    /// The same in memory of its own.
    pub(crate) fn into_owned(self) -> Opening<'static> {
        match self {
            Opening::Message(frame, is_compressed) => {
                Opening::Message(Frame::Shared(frame.into_bytes()), is_compressed)
            }
            Opening::Messages => Opening::Messages,
            Opening::Http(opening) => Opening::Http(opening),
        }
    }
}

/// A handler's future, whatever its type.
pub(crate) trait CallSlot: Send {
    /// Decodes the request and makes the future.
    fn start(self: Pin<&mut Self>, start: &mut Start<'_, '_>) -> Result<(), Status>;
    /// Both, where the request's message still lies in the input.
    #[inline]
    fn start_and_poll(
        mut self: Pin<&mut Self>,
        start: &mut Start<'_, '_>,
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
    B: Fn(&mut Start<'_, '_>, Pin<&mut Option<F>>) -> Result<(), Status> + Send + Sync,
    F: Future<Output = Result<Response<T>, Status>> + Send,
    C: Encode<T> + Default,
{
    fn start(self: Pin<&mut Self>, start: &mut Start<'_, '_>) -> Result<(), Status> {
        let this = self.project();
        (this.begin)(start, this.future)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Poll<Result<(), Status>> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let mut outcome = ready!(future.poll(cx));
        this.future.set(None);
        // The reply stays where it is: what is moved right after it was written is waited for.
        let Ok(response) = &mut outcome else { return Poll::Ready(outcome.map(drop)) };
        let is_compressible = response.is_compressible();
        let (metadata, trailers) = response.take_metadata();
        let message = response.get_ref();
        Poll::Ready(reply.unary(metadata, trailers, is_compressible, |sink| C::default().encode(message, sink)))
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
    B: Fn(&mut Start<'_, '_>, Pin<&mut Option<F>>) -> Result<(), Status> + Send + Sync,
    F: Future<Output = Result<(), Status>> + Send,
{
    fn start(self: Pin<&mut Self>, start: &mut Start<'_, '_>) -> Result<(), Status> {
        let this = self.project();
        (this.begin)(start, this.future)
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
