//! Handlers with interceptors around them: put there when the server is built, so that a
//! server without interceptors knows nothing of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tramline_call::codec::{Frame, Limits};
use tramline_call::{Encoding, Metadata, Status};

use super::connection::reply::ReplyWriter;
use super::held_reply::HeldReply;
use super::replies::{pass_head, send_through};
use super::slot::{BoxSlot, CallSlot, LeftBehind, Opening, Start, StartBody};
use crate::context::CallContext;
use crate::drive::exchange::Exchange;
use crate::drive::transfer::{self, Packing};
use crate::interceptor::{CallEnd, CallHooks, CallSide, CallStart, Interceptors, Verdict};
use crate::request::Extensions;
use crate::response::Response;
use crate::streaming::raw;

/// The request's one message, where interceptors look at it.
struct EarlyMessage {
    octets: Bytes,
    is_compressed: bool,
    encoding: Encoding,
    limits: Limits,
}

/// What interceptors may look at before a handler starts.
struct StartHead {
    metadata: Metadata,
    extensions: Extensions,
    context: CallContext,
}

/// A call that the interceptors have seen begin.
struct Opened {
    hooks: Arc<CallHooks>,
    head: StartHead,
    verdict: Result<Begun, Status>,
}

/// How they let it begin.
enum Begun {
    /// The handler starts, with this message if it is not where it was.
    Handler(Option<Bytes>),
    /// One of them answers in its place.
    Reply(Box<Response<Vec<Bytes>>>),
}

async fn open(mut hooks: Arc<CallHooks>, mut head: StartHead, message: Option<Box<EarlyMessage>>) -> Opened {
    let verdict = match start(&mut hooks, &mut head).await {
        Verdict::Refuse(status) => Err(status),
        Verdict::Reply(reply) => Ok(Begun::Reply(Box::new(reply))),
        Verdict::Continue => match message {
            None => Ok(Begun::Handler(None)),
            Some(message) => pass_request(*message, &hooks).await,
        },
    };
    Opened { hooks, head, verdict }
}

async fn start(hooks: &mut Arc<CallHooks>, head: &mut StartHead) -> Verdict {
    let Some(hooks) = Arc::get_mut(hooks) else {
        return Verdict::Refuse(Status::internal("another call's interceptors"));
    };
    // The method as it was called: behind a fallback, that is not the route's.
    let StartHead { metadata, extensions, context } = head;
    hooks.start(CallStart::new(CallSide::Server, context.method(), metadata, extensions, Some(context))).await
}

async fn pass_request(message: EarlyMessage, hooks: &CallHooks) -> Result<Begun, Status> {
    let EarlyMessage { octets, is_compressed, encoding, limits } = message;
    let octets = transfer::decode(Frame::Shared(octets), is_compressed, encoding, &limits, raw)?;
    Ok(Begun::Handler(Some(hooks.request_message(octets).await?)))
}

/// A call that is about to end.
struct Closing {
    hooks: Arc<CallHooks>,
    outcome: Result<(), Status>,
    /// Those of a reply.
    trailers: Metadata,
    /// A reply's message, where interceptors look at it.
    message: Option<Bytes>,
}

/// What belongs to a call that answers with a stream.
struct Stream {
    exchange: Option<Arc<Exchange>>,
    packing: Packing,
    /// What an interceptor answers in the handler's place.
    made: Option<Box<Response<Vec<Bytes>>>>,
}

/// The end of a call that answers once passes.
async fn close_once(closing: Closing) -> Closing {
    let Closing { hooks, mut outcome, mut trailers, mut message } = closing;
    if let Some(octets) = message.take() {
        match hooks.response_message(octets).await {
            Ok(octets) => message = Some(octets),
            Err(status) => (outcome, trailers) = (Err(status), Metadata::new()),
        }
    }
    let has_reply = outcome.is_ok();
    let mut end = hooks.end(outcome, trailers).await;
    if !has_reply {
        end.outcome = Err(failure(end.outcome, &end.trailers));
    }
    Closing { hooks, outcome: end.outcome, trailers: end.trailers, message }
}

/// What the interceptors add to a failure's trailers is part of the failure.
#[cold]
fn failure(outcome: Result<(), Status>, trailers: &Metadata) -> Status {
    let mut status = match outcome {
        Err(status) => status,
        Ok(()) => Status::internal("an interceptor made a success of a call that has no reply"),
    };
    if !trailers.is_empty() {
        status.metadata_mut().merge(trailers);
    }
    status
}

/// The end of a call that answers with a stream passes.
async fn close_stream(mut closing: Closing, stream: Stream) -> Closing {
    let Some(exchange) = &stream.exchange else { return closing };
    let mut outcome = closing.outcome;
    if let (Ok(()), Some(made)) = (&outcome, stream.made) {
        outcome = send_reply(*made, &closing.hooks, exchange, stream.packing).await;
    }
    if outcome.is_ok() {
        pass_head(&closing.hooks, exchange);
    }
    let CallEnd { outcome, trailers } = closing.hooks.end(outcome, exchange.take_trailers()).await;
    exchange.with_trailers(|of_call| *of_call = trailers);
    closing.outcome = outcome;
    closing
}

async fn send_reply(
    reply: Response<Vec<Bytes>>,
    hooks: &CallHooks,
    exchange: &Exchange,
    packing: Packing,
) -> Result<(), Status> {
    let (messages, metadata, trailers) = reply.into_parts();
    exchange.change_head(|head| *head = metadata);
    exchange.with_trailers(|of_call| *of_call = trailers);
    for octets in messages {
        send_through(hooks, exchange, octets, packing).await?;
    }
    Ok(())
}

/// Puts interceptors around a method's slot.
pub(super) fn surround(chain: &Arc<Interceptors>, handler: BoxSlot, replies_once: bool) -> BoxSlot {
    let chain = Arc::clone(chain);
    if replies_once {
        Box::pin(InterceptedSlot::new(chain, handler, true, open, |closing, _| close_once(closing)))
    } else {
        Box::pin(InterceptedSlot::new(chain, handler, false, open, close_stream))
    }
}

pin_project! {
    /// A handler's slot, and the futures in which interceptors see its call begin and end.
    /// All of it is used again and again.
    struct InterceptedSlot<O, OF, C, CF> {
        chain: Arc<Interceptors>,
        handler: BoxSlot,
        replies_once: bool,
        open: O,
        close: C,
        #[pin]
        opening: Option<OF>,
        #[pin]
        closing: Option<CF>,
        // What the handler of a call that is still opening starts with.
        waiting: Option<Box<Waiting>>,
        hooks: Option<Arc<CallHooks>>,
        // Of a call whose handler runs.
        stream: Option<Stream>,
        held: Option<HeldReply>,
    }
}

impl<O, OF, C, CF> InterceptedSlot<O, OF, C, CF>
where
    O: Fn(Arc<CallHooks>, StartHead, Option<Box<EarlyMessage>>) -> OF + Send,
    OF: Future<Output = Opened> + Send,
    C: Fn(Closing, Stream) -> CF + Send,
    CF: Future<Output = Closing> + Send,
{
    fn new(chain: Arc<Interceptors>, handler: BoxSlot, replies_once: bool, open: O, close: C) -> Self {
        InterceptedSlot {
            chain,
            handler,
            replies_once,
            open,
            close,
            opening: None,
            closing: None,
            waiting: None,
            hooks: None,
            stream: None,
            held: None,
        }
    }

    /// The call is shown to the interceptors, and its message if they look at it.
    fn open(self: Pin<&mut Self>, start: &mut Start<'_, '_>) {
        let mut this = self.project();
        let hooks = this.hooks.take().unwrap_or_else(|| Arc::new(CallHooks::new(Arc::clone(this.chain))));
        let message = if this.chain.sees_messages() { take_message(start) } else { None };
        let (metadata, context) = (start.context.metadata().clone(), start.context.clone());
        let head = StartHead { metadata, extensions: Extensions::default(), context };
        this.opening.set(Some((this.open)(hooks, head, message)));
    }

    fn poll_opening(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Opened> {
        let mut this = self.project();
        let Some(opening) = this.opening.as_mut().as_pin_mut() else { return Poll::Pending };
        let opened = ready!(opening.poll(cx));
        this.opening.set(None);
        Poll::Ready(opened)
    }

    /// The interceptors have seen the call begin: its handler starts, if they let it.
    fn begin(
        mut self: Pin<&mut Self>,
        opened: Opened,
        body: StartBody<'_, '_>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let this = self.as_mut().project();
        let Opened { hooks, head, verdict } = opened;
        let StartHead { metadata, extensions, context } = head;
        let exchange = body.exchange;
        let metadata = (!metadata.shares(context.metadata())).then_some(metadata);
        let left = (exchange.is_some() || metadata.is_some() || !extensions.is_empty()).then(|| {
            let hooks = exchange.is_some().then(|| Arc::clone(&hooks));
            Box::new(LeftBehind { metadata, extensions, hooks })
        });
        *this.stream = Some(Stream { exchange: exchange.cloned(), packing: body.packing, made: None });
        *this.hooks = Some(hooks);
        let started = match verdict {
            Err(status) => Err(status),
            Ok(Begun::Reply(made)) => return self.answer(made, cx, reply),
            Ok(Begun::Handler(message)) => {
                if let Some(octets) = message {
                    *body.opening = Opening::Message(Frame::Shared(octets), false);
                }
                this.handler.as_mut().start(&mut Start { context: &context, left, body })
            }
        };
        match started {
            Ok(()) => self.poll_handler(cx, reply),
            Err(status) => self.close(Err(status), cx, reply),
        }
    }

    /// An interceptor answers in the handler's place.
    fn answer(
        mut self: Pin<&mut Self>,
        made: Box<Response<Vec<Bytes>>>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let this = self.as_mut().project();
        let outcome = if *this.replies_once {
            HeldReply::made(*made).map(|held| *this.held = Some(held))
        } else {
            if let Some(stream) = this.stream {
                stream.made = Some(made);
            }
            Ok(())
        };
        self.close(outcome, cx, reply)
    }

    fn poll_handler(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let this = self.as_mut().project();
        let outcome = ready!(this.handler.as_mut().poll(cx, &mut ReplyWriter::held(this.held)));
        self.close(outcome, cx, reply)
    }

    /// The call's end is shown to the interceptors, behind what goes before it.
    fn close(
        mut self: Pin<&mut Self>,
        outcome: Result<(), Status>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let mut this = self.as_mut().project();
        let (Some(hooks), Some(stream)) = (this.hooks.take(), this.stream.take()) else {
            return Poll::Ready(outcome);
        };
        let outcome = hooks.judge(outcome);
        let mut closing = Closing { hooks, outcome, trailers: Metadata::new(), message: None };
        if let (Ok(()), Some(held)) = (&closing.outcome, this.held) {
            closing.hooks.response_metadata(&mut held.metadata);
            closing.trailers = std::mem::take(&mut held.trailers);
            closing.message = closing.hooks.sees_messages().then(|| held.message());
        }
        this.closing.set(Some((this.close)(closing, stream)));
        self.poll_closing(cx, reply)
    }

    fn poll_closing(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let mut this = self.project();
        let Some(closing) = this.closing.as_mut().as_pin_mut() else { return Poll::Pending };
        let Closing { mut hooks, outcome, trailers, message } = ready!(closing.poll(cx));
        this.closing.set(None);
        // Somebody may have kept a half of the call; else the next one uses them again.
        *this.hooks = Arc::get_mut(&mut hooks).map(CallHooks::reset).is_some().then_some(hooks);
        let held = this.held.take();
        Poll::Ready(match (outcome, held) {
            (Ok(()), Some(mut held)) => {
                held.trailers = trailers;
                if let Some(message) = message {
                    held.set_message(message);
                }
                held.write(reply)
            }
            (outcome, _) => outcome,
        })
    }
}

fn take_message(start: &mut Start<'_, '_>) -> Option<Box<EarlyMessage>> {
    match std::mem::replace(start.body.opening, Opening::Messages) {
        Opening::Message(frame, is_compressed) => {
            if is_compressed {
                // The handler gets it decompressed, and may ask how it came.
                start.context.set_came_compressed();
            }
            let octets = frame.into_bytes();
            Some(Box::new(EarlyMessage {
                octets,
                is_compressed,
                encoding: start.body.encoding,
                limits: *start.body.limits,
            }))
        }
        opening => {
            *start.body.opening = opening;
            None
        }
    }
}

/// What a handler starts with, while the interceptors take their time.
struct Waiting {
    opening: Opening<'static>,
    exchange: Option<Arc<Exchange>>,
    encoding: Encoding,
    packing: Packing,
    limits: Limits,
}

impl Waiting {
    fn new(body: StartBody<'_, '_>) -> Box<Self> {
        let StartBody { opening, exchange, encoding, packing, limits } = body;
        let opening = std::mem::replace(opening, Opening::Messages).into_owned();
        Box::new(Waiting { opening, exchange: exchange.cloned(), encoding, packing, limits: *limits })
    }

    fn body(&mut self) -> StartBody<'_, 'static> {
        let Waiting { opening, exchange, encoding, packing, limits } = self;
        StartBody { opening, exchange: exchange.as_ref(), encoding: *encoding, packing: *packing, limits }
    }
}

impl<O, OF, C, CF> CallSlot for InterceptedSlot<O, OF, C, CF>
where
    O: Fn(Arc<CallHooks>, StartHead, Option<Box<EarlyMessage>>) -> OF + Send,
    OF: Future<Output = Opened> + Send,
    C: Fn(Closing, Stream) -> CF + Send,
    CF: Future<Output = Closing> + Send,
{
    fn start(mut self: Pin<&mut Self>, start: &mut Start<'_, '_>) -> Result<(), Status> {
        self.as_mut().open(start);
        *self.project().waiting = Some(Waiting::new(start.body.reborrow()));
        Ok(())
    }

    /// Where the interceptors take no time, the message is decoded where it lies.
    fn start_and_poll(
        mut self: Pin<&mut Self>,
        start: &mut Start<'_, '_>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        self.as_mut().open(start);
        match self.as_mut().poll_opening(cx) {
            Poll::Ready(opened) => self.begin(opened, start.body.reborrow(), cx, reply),
            Poll::Pending => {
                *self.project().waiting = Some(Waiting::new(start.body.reborrow()));
                Poll::Pending
            }
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Poll<Result<(), Status>> {
        if self.closing.is_some() {
            return self.poll_closing(cx, reply);
        }
        if self.waiting.is_none() {
            return self.poll_handler(cx, reply);
        }
        let opened = ready!(self.as_mut().poll_opening(cx));
        match self.as_mut().project().waiting.take() {
            Some(mut waiting) => self.begin(opened, waiting.body(), cx, reply),
            None => Poll::Pending,
        }
    }

    fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        // They go after the handler, also when that panics.
        let _hooks = this.hooks.take();
        *this.waiting = None;
        *this.stream = None;
        *this.held = None;
        this.opening.set(None);
        this.closing.set(None);
        this.handler.as_mut().clear();
    }
}
