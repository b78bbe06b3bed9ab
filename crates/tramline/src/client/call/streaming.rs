//! Calls that stream: one way, the other, or both.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tramline_call::codec::{Decode, Encode};
use tramline_call::{Encoding, Method, MethodInfo, Status};

use super::intercepted::Opening;
use super::options::{CallOptions, call_settings};
use super::reply::Reply;
use super::requests::Requests;
use super::shared::{Call, CallBoard, CallHead};
use super::ticket::{Outbox, Ticket};
use crate::client::builder::STREAM_WINDOW_LEN_MIN;
use crate::client::router::Router;
use crate::drive::exchange::Exchange;
use crate::drive::transfer::{self, Decoder};
use crate::interceptor::{Passage, TimeLimit, encode_whole};
use crate::request::{Extensions, Request};
use crate::response::Response;
use crate::streaming::{Format, Streaming};

/// A streaming call that is not begun.
pub(super) struct Plan<Req, Res, C> {
    pub(super) router: Arc<Router>,
    pub(super) method: MethodInfo,
    types: PhantomData<fn(Req, C) -> Res>,
}

/// A streaming call with its boxes, not yet on its way.
struct Prepared {
    ticket: Ticket,
    exchange: Arc<Exchange>,
    encoding: Encoding,
}

impl<Req, Res, C> Plan<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    pub(super) fn new(router: Arc<Router>, method: &Method<Req, Res, C>) -> Self {
        Plan { router, method: method.info(), types: PhantomData }
    }

    fn prepare(&self, head: CallHead) -> Prepared {
        let encoding = head.encoding;
        let call = Call::new(head, Arc::clone(&self.router), None);
        let exchange =
            Exchange::new(Arc::new(CallBoard(Arc::clone(&call))), None, Encoding::Identity, STREAM_WINDOW_LEN_MIN);
        Prepared { ticket: Ticket::new(call, Some(Arc::clone(&exchange)), Outbox::default()), exchange, encoding }
    }

    /// A call with a stream of requests that passes interceptors before it begins.
    fn start_intercepted(&self, head: CallHead) -> (Requests<Req>, Streaming<Res>) {
        let packing = self.router.profile.packing(head.encoding);
        let limit = self.limit(&head);
        let opening = Opening::new(Arc::clone(&self.router), head, Extensions::default(), None);
        let (exchange, hooks) = opening.parts();
        let replies = self.replies(&exchange).through(Passage::of_response(Arc::clone(&hooks), limit));
        let requests = Requests::new(exchange, transfer::encode_fn::<Req, C>(), packing).through(hooks);
        opening.begin();
        (requests, replies)
    }

    /// A call with one request message that passes interceptors before it begins.
    pub(super) fn start_once_intercepted(
        &self,
        head: CallHead,
        extensions: Extensions,
        message: &Req,
    ) -> Result<Streaming<Res>, Status> {
        let octets = encode_whole(|sink| C::default().encode(message, sink))?;
        let limit = self.limit(&head);
        let opening = Opening::new(Arc::clone(&self.router), head, extensions, Some(octets));
        let (exchange, hooks) = opening.parts();
        let replies = self.replies(&exchange).through(Passage::of_response(hooks, limit));
        opening.begin();
        Ok(replies)
    }

    fn limit(&self, head: &CallHead) -> Option<TimeLimit> {
        let deadline = head.deadline?;
        Some(TimeLimit { clock: self.router.profile.clock.clone(), deadline })
    }

    fn replies(&self, exchange: &Arc<Exchange>) -> Streaming<Res> {
        let limits = self.router.profile.limits;
        let format = Arc::new(Format { decoder: Decoder::new::<C>(), limits });
        Streaming::new(Arc::clone(exchange), format).cancelling()
    }

    /// Begins a call whose requests are a stream. One that cannot begin has failed already.
    fn start(self, options: CallOptions) -> (Requests<Req>, Streaming<Res>) {
        let (head, failure) = options.into_head_or_failed(&self.router.profile, self.method.clone());
        if failure.is_none() && !self.router.profile.interceptors.is_empty() {
            return self.start_intercepted(head);
        }
        let Prepared { ticket, exchange, encoding } = self.prepare(head);
        match failure {
            None => self.router.submit(ticket),
            Some(status) => ticket.fail(status),
        }
        let packing = self.router.profile.packing(encoding);
        let replies = self.replies(&exchange);
        (Requests::new(exchange, transfer::encode_fn::<Req, C>(), packing), replies)
    }
}

enum Stage<Req, Res> {
    Fresh(Request<Req>),
    Waiting(Streaming<Res>),
    Done,
}

/// A call that is answered with a stream: settings, then a future of the stream, ready
/// when the initial metadata are there.
///
/// Nothing is sent before the first poll; dropped after it, the call is cancelled.
#[must_use = "a call is made when it is awaited"]
pub struct ServerStreamingCall<Req, Res, C> {
    plan: Plan<Req, Res, C>,
    options: CallOptions,
    stage: Stage<Req, Res>,
}

impl<Req, Res, C> fmt::Debug for ServerStreamingCall<Req, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStreamingCall").field("method", &self.plan.method).finish_non_exhaustive()
    }
}

impl<Req, Res, C> ServerStreamingCall<Req, Res, C> {
    call_settings!();
}

impl<Req, Res, C> ServerStreamingCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    pub(crate) fn new(router: Arc<Router>, method: &Method<Req, Res, C>, request: Request<Req>) -> Self {
        let plan = Plan::new(router, method);
        ServerStreamingCall { plan, options: CallOptions::default(), stage: Stage::Fresh(request) }
    }

    fn begin(&mut self, request: Request<Req>) -> Result<Streaming<Res>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let profile = &self.plan.router.profile;
        let head = std::mem::take(&mut self.options).into_head(profile, self.plan.method.clone(), metadata)?;
        if !profile.interceptors.is_empty() {
            return self.plan.start_once_intercepted(head, extensions, &message);
        }
        let packing = profile.packing(head.encoding);
        let Prepared { ticket, exchange, .. } = self.plan.prepare(head);
        let encode = transfer::encode_fn::<Req, C>();
        let pushed =
            exchange.push(|out, splices| transfer::encode_into(out, splices, packing, |sink| encode(&message, sink)));
        if let Err(status) = pushed {
            ticket.fail(status.clone());
            return Err(status);
        }
        exchange.finish();
        let replies = self.plan.replies(&exchange);
        self.plan.router.submit(ticket);
        Ok(replies)
    }
}

impl<Req, Res, C> Future for ServerStreamingCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    type Output = Result<Response<Streaming<Res>>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Fresh(_) = this.stage
            && let Stage::Fresh(request) = std::mem::replace(&mut this.stage, Stage::Done)
        {
            this.stage = Stage::Waiting(this.begin(request)?);
        }
        let Stage::Waiting(replies) = &mut this.stage else {
            return Poll::Ready(Err(Status::internal("a call that has ended was polled again")));
        };
        let metadata = ready!(replies.poll_metadata(cx));
        match std::mem::replace(&mut this.stage, Stage::Done) {
            Stage::Waiting(replies) => {
                Poll::Ready(metadata.map(|metadata| Response::received(replies, metadata, Default::default())))
            }
            _ => Poll::Pending,
        }
    }
}

// Nothing of a message is pinned.
impl<Req, Res, C> Unpin for ServerStreamingCall<Req, Res, C> {}

/// A call that takes a stream and answers with one message: settings, then
/// [`start`](Self::start) or [`send_all`](Self::send_all).
#[must_use = "a call is made when it is started"]
pub struct ClientStreamingCall<Req, Res, C> {
    plan: Plan<Req, Res, C>,
    options: CallOptions,
}

impl<Req, Res, C> fmt::Debug for ClientStreamingCall<Req, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStreamingCall").field("method", &self.plan.method).finish_non_exhaustive()
    }
}

impl<Req, Res, C> ClientStreamingCall<Req, Res, C> {
    call_settings!();
}

impl<Req, Res, C> ClientStreamingCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    pub(crate) fn new(router: Arc<Router>, method: &Method<Req, Res, C>) -> Self {
        ClientStreamingCall { plan: Plan::new(router, method), options: CallOptions::default() }
    }

    /// Begins the call: where to write requests, and the reply to come. If it cannot
    /// begin, both say why.
    pub fn start(self) -> (Requests<Req>, Reply<Res>) {
        let (requests, replies) = self.plan.start(self.options);
        (requests, Reply::new(replies))
    }

    /// Sends what `messages` yields, and waits for the reply.
    ///
    /// # Errors
    /// The call's status, if it is not OK. A server that answers early is heard at once.
    pub async fn send_all<S: Stream<Item = Req>>(self, messages: S) -> Result<Response<Res>, Status> {
        let (requests, mut reply) = self.start();
        let mut sending = std::pin::pin!(async move {
            // The reply says why the server takes no more.
            let _ = requests.send_all(messages).await;
        });
        let mut is_sent = false;
        std::future::poll_fn(|cx| {
            is_sent = is_sent || sending.as_mut().poll(cx).is_ready();
            Pin::new(&mut reply).poll(cx)
        })
        .await
    }
}

/// A call that streams both ways: settings, then [`start`](Self::start).
#[must_use = "a call is made when it is started"]
pub struct BidiCall<Req, Res, C> {
    plan: Plan<Req, Res, C>,
    options: CallOptions,
}

impl<Req, Res, C> fmt::Debug for BidiCall<Req, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BidiCall").field("method", &self.plan.method).finish_non_exhaustive()
    }
}

impl<Req, Res, C> BidiCall<Req, Res, C> {
    call_settings!();
}

impl<Req, Res, C> BidiCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    pub(crate) fn new(router: Arc<Router>, method: &Method<Req, Res, C>) -> Self {
        BidiCall { plan: Plan::new(router, method), options: CallOptions::default() }
    }

    /// Begins the call and gives its two halves at once, without waiting for the server.
    /// If it cannot begin, both say why.
    pub fn start(self) -> (Requests<Req>, Streaming<Res>) {
        self.plan.start(self.options)
    }
}
