//! Calls with one message each way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tramline_call::codec::{Decode, Encode, Frame};
use tramline_call::{Method, Status};

use super::options::{CallOptions, call_settings};
use super::reply::Reply;
use super::shared::Call;
use super::streaming::Plan;
use super::ticket::{Outbox, ReplyBody, Ticket, UnaryReply};
use crate::client::router::Router;
use crate::drive::transfer::{self, Envelope};
use crate::request::Request;
use crate::response::Response;

enum Stage<Req, Res> {
    Fresh(Request<Req>),
    Waiting(Arc<Call>),
    /// With interceptors, a call is a stream of one message.
    Passing(Box<Reply<Res>>),
    Done,
}

/// A unary call: settings, then a future. Nothing is sent before the first poll; dropped
/// after it, the call is cancelled.
#[must_use = "a call is made when it is awaited"]
pub struct UnaryCall<Req, Res, C> {
    plan: Plan<Req, Res, C>,
    codec: C,
    options: CallOptions,
    stage: Stage<Req, Res>,
}

impl<Req, Res, C> fmt::Debug for UnaryCall<Req, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnaryCall").field("method", &self.plan.method).finish_non_exhaustive()
    }
}

impl<Req, Res, C> UnaryCall<Req, Res, C> {
    call_settings!();
}

impl<Req, Res, C> UnaryCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    pub(crate) fn new(router: Arc<Router>, method: &Method<Req, Res, C>, request: Request<Req>) -> Self {
        UnaryCall {
            plan: Plan::new(router, method),
            codec: method.codec(),
            options: CallOptions::default(),
            stage: Stage::Fresh(request),
        }
    }

    /// Encodes the request and sends it on its way.
    fn begin(&mut self, request: Request<Req>, cx: &Context<'_>) -> Result<Stage<Req, Res>, Status> {
        let Plan { router, method, .. } = &self.plan;
        let (metadata, extensions, message) = request.into_parts();
        let head = std::mem::take(&mut self.options).into_head(&router.profile, method.clone(), metadata)?;
        if !router.profile.interceptors.is_empty() {
            let replies = self.plan.start_once_intercepted(head, extensions, &message)?;
            return Ok(Stage::Passing(Box::new(Reply::new(replies))));
        }
        let packing = router.profile.packing(head.encoding);
        let outbox = Outbox::of_envelope(Envelope::encode(self.codec, &message, packing)?);
        let call = Call::new(head, Arc::clone(router), Some(cx.waker().clone()));
        router.submit(Ticket::new(Arc::clone(&call), None, outbox));
        Ok(Stage::Waiting(call))
    }

    fn finish(&self, reply: UnaryReply) -> Result<Response<Res>, Status> {
        let UnaryReply { body, compressed, encoding, metadata, trailers } = reply;
        let frame = match &body {
            ReplyBody::Owned(octets) => Frame::Slice(octets),
            ReplyBody::Shared(octets) => Frame::Shared(octets.clone()),
        };
        let limits = self.plan.router.profile.limits;
        let message =
            transfer::decode(frame, compressed, encoding, &limits, |frame, limits| self.codec.decode(frame, *limits))?;
        Ok(Response::received(message, metadata, trailers).compressed(compressed))
    }
}

impl<Req, Res, C> Future for UnaryCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res> + Default,
{
    type Output = Result<Response<Res>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Fresh(_) = this.stage
            && let Stage::Fresh(request) = std::mem::replace(&mut this.stage, Stage::Done)
        {
            this.stage = this.begin(request, cx)?;
            if let Stage::Waiting(call) = &this.stage
                && !call.has_ended()
            {
                // It knows already whom to wake.
                return Poll::Pending;
            }
        }
        match &mut this.stage {
            Stage::Waiting(call) => {
                let outcome = ready!(call.poll_outcome(cx));
                this.stage = Stage::Done;
                Poll::Ready(outcome.and_then(|reply| this.finish(reply)))
            }
            Stage::Passing(reply) => {
                let outcome = ready!(Pin::new(&mut **reply).poll(cx));
                this.stage = Stage::Done;
                Poll::Ready(outcome)
            }
            Stage::Fresh(_) | Stage::Done => {
                Poll::Ready(Err(Status::internal("a call that has ended was polled again")))
            }
        }
    }
}

// Nothing of a message is pinned.
impl<Req, Res, C> Unpin for UnaryCall<Req, Res, C> {}

impl<Req, Res, C> Drop for UnaryCall<Req, Res, C> {
    fn drop(&mut self) {
        if let Stage::Waiting(call) = &self.stage {
            call.cancel();
        }
    }
}
