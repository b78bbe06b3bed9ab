//! Calls with one message each way.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tramline_call::codec::{Decode, Encode, Frame};
use tramline_call::{Method, MethodInfo, Status};

use super::options::{CallOptions, call_settings};
use super::shared::Call;
use super::ticket::{Outbox, ReplyBody, Ticket, UnaryReply};
use crate::client::router::Router;
use crate::drive::transfer::{self, Envelope};
use crate::request::Request;
use crate::response::Response;

enum Stage<Req> {
    Fresh(Request<Req>),
    Waiting(Arc<Call>),
    Done,
}

/// A unary call: settings, then a future. Nothing is sent before the first poll; dropped
/// after it, the call is cancelled.
#[must_use = "a call is made when it is awaited"]
pub struct UnaryCall<Req, Res, C> {
    router: Arc<Router>,
    method: MethodInfo,
    codec: C,
    options: CallOptions,
    stage: Stage<Req>,
    types: PhantomData<fn() -> Res>,
}

impl<Req, Res, C> fmt::Debug for UnaryCall<Req, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnaryCall").field("method", &self.method).finish_non_exhaustive()
    }
}

impl<Req, Res, C> UnaryCall<Req, Res, C> {
    call_settings!();
}

impl<Req, Res, C> UnaryCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res>,
{
    pub(crate) fn new(router: Arc<Router>, method: &Method<Req, Res, C>, request: Request<Req>) -> Self {
        UnaryCall {
            router,
            method: method.info(),
            codec: method.codec(),
            options: CallOptions::default(),
            stage: Stage::Fresh(request),
            types: PhantomData,
        }
    }

    /// Encodes the request and sends it on its way.
    fn begin(&mut self, request: Request<Req>) -> Result<Arc<Call>, Status> {
        let (metadata, _, message) = request.into_parts();
        let head = std::mem::take(&mut self.options).into_head(&self.router.profile, self.method.clone(), metadata)?;
        let packing = self.router.profile.packing(head.encoding);
        let outbox = Outbox::of_envelope(Envelope::encode(self.codec, &message, packing)?);
        let call = Call::new(head, Arc::clone(&self.router));
        self.router.submit(Ticket::new(Arc::clone(&call), None, outbox));
        Ok(call)
    }

    fn finish(&self, reply: UnaryReply) -> Result<Response<Res>, Status> {
        let UnaryReply { body, compressed, encoding, metadata, trailers } = reply;
        let frame = match &body {
            ReplyBody::Owned(octets) => Frame::Slice(octets),
            ReplyBody::Shared(octets) => Frame::Shared(octets.clone()),
        };
        let limits = self.router.profile.limits;
        let message =
            transfer::decode(frame, compressed, encoding, limits, |frame, limits| self.codec.decode(frame, limits))?;
        Ok(Response::received(message, metadata, trailers).compressed(compressed))
    }
}

impl<Req, Res, C> Future for UnaryCall<Req, Res, C>
where
    C: Encode<Req> + Decode<Res>,
{
    type Output = Result<Response<Res>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Fresh(_) = this.stage
            && let Stage::Fresh(request) = std::mem::replace(&mut this.stage, Stage::Done)
        {
            this.stage = Stage::Waiting(this.begin(request)?);
        }
        let Stage::Waiting(call) = &this.stage else {
            return Poll::Ready(Err(Status::internal("a call that has ended was polled again")));
        };
        let outcome = ready!(call.poll_outcome(cx));
        this.stage = Stage::Done;
        Poll::Ready(outcome.and_then(|reply| this.finish(reply)))
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
