//! Handlers with interceptors around them: put there when the server is built, so that a
//! server without interceptors knows nothing of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tramline_call::codec::Frame;
use tramline_call::{Metadata, Status};

use super::connection::reply::ReplyWriter;
use super::held_reply::HeldReply;
use super::replies::{pass_head, send_through};
use super::slot::{BoxSlot, CallParts, CallSlot, Opening, Start};
use crate::drive::exchange::Exchange;
use crate::drive::transfer;
use crate::interceptor::{CallHooks, CallSide, CallStart, Interceptors, Verdict};
use crate::response::Response;
use crate::streaming::raw;

/// The request's message on its way past the interceptors, and whether it is compressed.
type EarlyMessage = Option<(Bytes, bool)>;

/// A call that the interceptors have seen begin.
struct Opened {
    hooks: Arc<CallHooks>,
    parts: CallParts,
    verdict: Result<Begun, Status>,
}

/// How they let it begin.
enum Begun {
    /// The handler starts, with this message if it is not where it was.
    Handler(Option<Bytes>),
    /// One of them answers in its place.
    Reply(Response<Vec<Bytes>>),
}

async fn open(mut hooks: Arc<CallHooks>, mut parts: CallParts, message: EarlyMessage) -> Opened {
    let verdict = open_parts(&mut hooks, &mut parts, message).await;
    Opened { hooks, parts, verdict }
}

async fn open_parts(hooks: &mut Arc<CallHooks>, parts: &mut CallParts, message: EarlyMessage) -> Result<Begun, Status> {
    // The method as it was called: behind a fallback, that is not the route's.
    let method = parts.context.method();
    let (metadata, extensions) = (&mut parts.metadata, &mut parts.extensions);
    let call = CallStart::new(CallSide::Server, method, metadata, extensions, Some(&parts.context));
    let own = Arc::get_mut(hooks).ok_or_else(|| Status::internal("another call's interceptors"))?;
    match own.start(call).await {
        Verdict::Refuse(status) => Err(status),
        Verdict::Reply(reply) => Ok(Begun::Reply(reply)),
        Verdict::Continue => {
            let Some((octets, is_compressed)) = message else { return Ok(Begun::Handler(None)) };
            let octets = transfer::decode(Frame::Shared(octets), is_compressed, parts.encoding, parts.limits, raw)?;
            Ok(Begun::Handler(Some(hooks.request_message(octets).await?)))
        }
    }
}

/// A call that is about to end.
struct Closing {
    hooks: Arc<CallHooks>,
    outcome: Result<Answer, Status>,
    parts: AnswerParts,
}

/// What answers of streams need.
struct AnswerParts {
    exchange: Option<Arc<Exchange>>,
    packing: transfer::Packing,
}

/// What there is for an answer.
enum Answer {
    /// A handler's one reply.
    Once(HeldReply),
    /// A handler's replies are on their way.
    Sent,
    /// An interceptor's.
    Made(Response<Vec<Bytes>>),
}

/// A call whose end the interceptors have seen, and its one reply.
struct Closed {
    hooks: Arc<CallHooks>,
    outcome: Result<Option<HeldReply>, Status>,
}

async fn close_once(closing: Closing) -> Closed {
    let Closing { hooks, outcome, parts: _ } = closing;
    let outcome = match hooks.judge(outcome) {
        Ok(answer) => pass_answer(answer, &hooks).await,
        Err(status) => Err(status),
    };
    let outcome = end_once(outcome, &hooks).await;
    Closed { hooks, outcome: outcome.map(Some) }
}

async fn pass_answer(answer: Answer, hooks: &CallHooks) -> Result<HeldReply, Status> {
    let mut reply = match answer {
        Answer::Once(reply) => reply,
        Answer::Made(reply) => HeldReply::made(reply)?,
        Answer::Sent => return Err(Status::internal("a handler returned without its reply")),
    };
    hooks.response_metadata(&mut reply.metadata);
    if hooks.sees_messages() {
        let octets = hooks.response_message(reply.message()).await?;
        reply.set_message(octets);
    }
    Ok(reply)
}

/// The end of a call that answers once passes.
async fn end_once(outcome: Result<HeldReply, Status>, hooks: &CallHooks) -> Result<HeldReply, Status> {
    match outcome {
        Ok(mut reply) => {
            let end = hooks.end(Ok(()), std::mem::take(&mut reply.trailers)).await;
            reply.trailers = end.trailers;
            end.outcome.map(|()| reply)
        }
        Err(status) => {
            let end = hooks.end(Err(status), Metadata::new()).await;
            let mut status = match end.outcome {
                Err(status) => status,
                Ok(()) => Status::internal("an interceptor made a success of a call that has no reply"),
            };
            if !end.trailers.is_empty() {
                status.metadata_mut().merge(&end.trailers);
            }
            Err(status)
        }
    }
}

async fn close_stream(closing: Closing) -> Closed {
    let Closing { hooks, outcome, parts } = closing;
    let outcome = end_stream(&hooks, outcome, parts).await;
    Closed { hooks, outcome: outcome.map(|()| None) }
}

/// The end of a call that answers with a stream passes.
async fn end_stream(hooks: &CallHooks, outcome: Result<Answer, Status>, parts: AnswerParts) -> Result<(), Status> {
    let Some(exchange) = &parts.exchange else { return outcome.map(|_| ()) };
    let outcome = match hooks.judge(outcome) {
        Ok(Answer::Made(reply)) => send_reply(reply, hooks, exchange, parts.packing).await,
        other => other.map(|_| ()),
    };
    if outcome.is_ok() {
        pass_head(hooks, exchange);
    }
    let end = hooks.end(outcome, exchange.take_trailers()).await;
    exchange.with_trailers(|trailers| *trailers = end.trailers);
    end.outcome
}

async fn send_reply(
    reply: Response<Vec<Bytes>>,
    hooks: &CallHooks,
    exchange: &Exchange,
    packing: transfer::Packing,
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
        Box::pin(InterceptedSlot::new(chain, handler, open, close_once))
    } else {
        Box::pin(InterceptedSlot::new(chain, handler, open, close_stream))
    }
}

pin_project! {
    /// A handler's slot, and the futures in which interceptors see its call begin and end.
    /// All of it is used again and again.
    struct InterceptedSlot<O, OF, C, CF> {
        chain: Arc<Interceptors>,
        handler: BoxSlot,
        open: O,
        close: C,
        #[pin]
        opening: Option<OF>,
        #[pin]
        closing: Option<CF>,
        // What the handler of a call that is still opening starts with.
        waiting: Option<Opening<'static>>,
        hooks: Option<Arc<CallHooks>>,
        parts: Option<AnswerParts>,
    }
}

impl<O, OF, C, CF> InterceptedSlot<O, OF, C, CF>
where
    O: Fn(Arc<CallHooks>, CallParts, EarlyMessage) -> OF + Send,
    OF: Future<Output = Opened> + Send,
    C: Fn(Closing) -> CF + Send,
    CF: Future<Output = Closed> + Send,
{
    fn new(chain: Arc<Interceptors>, handler: BoxSlot, open: O, close: C) -> Self {
        let (hooks, waiting, parts) = (None, None, None);
        InterceptedSlot { chain, handler, open, close, opening: None, closing: None, waiting, hooks, parts }
    }

    /// The call is shown to the interceptors. What they do not look at comes back.
    fn open<'a>(self: Pin<&mut Self>, start: Start<'a>) -> Opening<'a> {
        let mut this = self.project();
        let Start { opening, parts } = start;
        let hooks = this.hooks.take().unwrap_or_else(|| Arc::new(CallHooks::new(Arc::clone(this.chain))));
        let (message, opening) = match opening {
            Opening::Message(frame, is_compressed) if this.chain.sees_messages() => {
                (Some((frame.into_bytes(), is_compressed)), Opening::Messages)
            }
            opening => (None, opening),
        };
        this.opening.set(Some((this.open)(hooks, parts, message)));
        opening
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
        opening: Opening<'_>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let this = self.as_mut().project();
        let Opened { hooks, mut parts, verdict } = opened;
        *this.parts = Some(AnswerParts { exchange: parts.exchange.clone(), packing: parts.packing });
        parts.hooks = parts.exchange.is_some().then(|| Arc::clone(&hooks));
        *this.hooks = Some(hooks);
        let started = verdict.and_then(|begun| {
            let opening = match begun {
                Begun::Handler(None) => opening,
                Begun::Handler(Some(octets)) => Opening::Message(Frame::Shared(octets), false),
                Begun::Reply(reply) => return Ok(Some(reply)),
            };
            this.handler.as_mut().start(Start { opening, parts }).map(|()| None)
        });
        match started {
            Ok(None) => self.poll_handler(cx, reply),
            Ok(Some(made)) => self.close(Ok(Answer::Made(made)), cx, reply),
            Err(status) => self.close(Err(status), cx, reply),
        }
    }

    fn poll_handler(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let this = self.as_mut().project();
        let mut held = None;
        let outcome = ready!(this.handler.as_mut().poll(cx, &mut ReplyWriter::held(&mut held)));
        self.close(outcome.map(|()| held.map_or(Answer::Sent, Answer::Once)), cx, reply)
    }

    /// The call's end is shown to the interceptors.
    fn close(
        mut self: Pin<&mut Self>,
        outcome: Result<Answer, Status>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let mut this = self.as_mut().project();
        let (Some(hooks), Some(parts)) = (this.hooks.take(), this.parts.take()) else {
            return Poll::Ready(outcome.map(|_| ()));
        };
        this.closing.set(Some((this.close)(Closing { hooks, outcome, parts })));
        self.poll_closing(cx, reply)
    }

    fn poll_closing(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let mut this = self.project();
        let Some(closing) = this.closing.as_mut().as_pin_mut() else { return Poll::Pending };
        let Closed { mut hooks, outcome } = ready!(closing.poll(cx));
        this.closing.set(None);
        // Somebody may have kept a half of the call; else the next one uses them again.
        *this.hooks = Arc::get_mut(&mut hooks).map(CallHooks::reset).is_some().then_some(hooks);
        Poll::Ready(match outcome? {
            Some(held) => held.write(reply),
            None => Ok(()),
        })
    }
}

impl<O, OF, C, CF> CallSlot for InterceptedSlot<O, OF, C, CF>
where
    O: Fn(Arc<CallHooks>, CallParts, EarlyMessage) -> OF + Send,
    OF: Future<Output = Opened> + Send,
    C: Fn(Closing) -> CF + Send,
    CF: Future<Output = Closed> + Send,
{
    fn start(mut self: Pin<&mut Self>, start: Start<'_>) -> Result<(), Status> {
        let opening = self.as_mut().open(start).into_owned();
        *self.project().waiting = Some(opening);
        Ok(())
    }

    /// Where the interceptors take no time, the message is decoded where it lies.
    fn start_and_poll(
        mut self: Pin<&mut Self>,
        start: Start<'_>,
        cx: &mut Context<'_>,
        reply: &mut ReplyWriter<'_>,
    ) -> Poll<Result<(), Status>> {
        let opening = self.as_mut().open(start);
        match self.as_mut().poll_opening(cx) {
            Poll::Ready(opened) => self.begin(opened, opening, cx, reply),
            Poll::Pending => {
                *self.project().waiting = Some(opening.into_owned());
                Poll::Pending
            }
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, reply: &mut ReplyWriter<'_>) -> Poll<Result<(), Status>> {
        if self.closing.is_some() {
            return self.poll_closing(cx, reply);
        }
        if self.opening.is_none() {
            return self.poll_handler(cx, reply);
        }
        let opened = ready!(self.as_mut().poll_opening(cx));
        let opening = self.as_mut().project().waiting.take().unwrap_or(Opening::Messages);
        self.begin(opened, opening, cx, reply)
    }

    fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        // They go after the handler, also when that panics.
        let _hooks = this.hooks.take();
        *this.waiting = None;
        *this.parts = None;
        this.opening.set(None);
        this.closing.set(None);
        this.handler.as_mut().clear();
    }
}
