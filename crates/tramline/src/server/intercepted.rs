//! Handlers with interceptors around them: folded into the routes when the server is
//! built, so that a server without interceptors knows nothing of them.

use std::sync::Arc;

use bytes::Bytes;
use tramline_call::codec::{Encode, Frame, Limits};
use tramline_call::{Metadata, Status};

use super::replies::{Replies, pass_head, send_through};
use super::slot::{Opening, Start};
use crate::context::CallContext;
use crate::drive::exchange::Exchange;
use crate::drive::transfer::{self, DecodeFn, EncodeFn, Packing};
use crate::interceptor::{BoxFuture, CallHooks, CallSide, CallStart, Interceptors, Passage, Verdict, encode_whole};
use crate::request::{Extensions, Request};
use crate::response::Response;
use crate::streaming::{Streaming, raw};

/// What a handler behind interceptors starts with.
pub(super) struct Passing {
    metadata: Metadata,
    extensions: Extensions,
    context: Arc<CallContext>,
    /// The one request message, still encoded.
    message: Option<Bytes>,
    was_compressed: bool,
    exchange: Option<Arc<Exchange>>,
    packing: Packing,
    limits: Limits,
}

impl Passing {
    fn take(start: Start<'_>) -> Result<Passing, Status> {
        let was_compressed = start.came_compressed();
        let message = match start.opening {
            Opening::Message(frame, compressed) => {
                Some(transfer::decode(frame, compressed, start.encoding, start.limits, raw)?)
            }
            _ => None,
        };
        Ok(Passing {
            metadata: start.metadata,
            extensions: Extensions::default(),
            context: start.context,
            message,
            was_compressed,
            exchange: start.exchange,
            packing: start.packing,
            limits: start.limits,
        })
    }

    /// The one request message.
    pub(super) fn message<T>(&mut self, decode: DecodeFn<T>) -> Result<T, Status> {
        let octets = self.message.take().ok_or_else(|| Status::internal("a request message is missing"))?;
        decode(Frame::Shared(octets), self.limits)
    }

    fn exchange(&self) -> Result<Arc<Exchange>, Status> {
        self.exchange.clone().ok_or_else(|| Status::internal("a streaming call without its boxes"))
    }

    /// The messages of the request.
    pub(super) fn messages<T>(&self, decode: DecodeFn<T>, hooks: &Arc<CallHooks>) -> Result<Streaming<T>, Status> {
        let messages = Streaming::new(self.exchange()?, decode, self.limits);
        if hooks.sees_messages() {
            return Ok(messages.through(Passage::of_request(Arc::clone(hooks))));
        }
        Ok(messages)
    }

    /// Where the replies go.
    pub(super) fn replies<T>(&self, encode: EncodeFn<T>, hooks: &Arc<CallHooks>) -> Result<Replies<T>, Status> {
        Ok(Replies::new(self.exchange()?, encode, self.packing).through(Arc::clone(hooks)))
    }

    pub(super) fn request<T>(self, message: T) -> Request<T> {
        let mut request = Request::received(message, self.metadata, self.context).compressed(self.was_compressed);
        *request.extensions_mut() = self.extensions;
        request
    }
}

/// A reply, encoded, so that it can pass.
pub(super) fn encode_reply<T, C: Encode<T> + Default>(response: Response<T>) -> Result<Response<Bytes>, Status> {
    let octets = encode_whole(|sink| C::default().encode(response.get_ref(), sink))?;
    Ok(response.map(|_| octets))
}

/// A handler that answers once, typed inside and encoded outside.
pub(super) type ReplyFuture = BoxFuture<'static, Result<Response<Bytes>, Status>>;
pub(super) type OnceHandler = Box<dyn Fn(Passing, &Arc<CallHooks>) -> Result<ReplyFuture, Status> + Send + Sync>;

/// A handler that answers with a stream.
pub(super) type EndFuture = BoxFuture<'static, Result<(), Status>>;
pub(super) type StreamHandler = Box<dyn Fn(Passing, &Arc<CallHooks>) -> Result<EndFuture, Status> + Send + Sync>;

/// One method's handler with what is around it.
pub(super) struct Intercepted<H> {
    pub(super) chain: Arc<Interceptors>,
    pub(super) handler: H,
}

impl<H> Intercepted<H> {
    async fn start(&self, passing: &mut Passing) -> (Arc<CallHooks>, Verdict) {
        // The method as it was called: behind a fallback, that is not the route's.
        let context = Arc::clone(&passing.context);
        let call = CallStart::new(
            CallSide::Server,
            context.method(),
            &mut passing.metadata,
            &mut passing.extensions,
            Some(&passing.context),
        );
        let (hooks, verdict) = self.chain.start(call).await;
        (Arc::new(hooks), verdict)
    }
}

/// The one request message passes, if there is one.
async fn pass_request(passing: &mut Passing, hooks: &CallHooks) -> Result<(), Status> {
    if let Some(octets) = passing.message.take() {
        passing.message = Some(hooks.request_message(octets).await?);
    }
    Ok(())
}

impl Intercepted<OnceHandler> {
    /// The future of one call.
    pub(super) fn begin(self: &Arc<Self>, start: Start<'_>) -> Result<ReplyFuture, Status> {
        let passing = Passing::take(start)?;
        let this = Arc::clone(self);
        Ok(Box::pin(async move { this.run(passing).await }))
    }

    async fn run(&self, mut passing: Passing) -> Result<Response<Bytes>, Status> {
        let (hooks, verdict) = self.start(&mut passing).await;
        let outcome = match verdict {
            Verdict::Continue => self.answer(passing, &hooks).await,
            Verdict::Reply(reply) => pass_reply(reply, &hooks).await,
            Verdict::Refuse(status) => Err(status),
        };
        end_once(outcome, &hooks).await
    }

    async fn answer(&self, mut passing: Passing, hooks: &Arc<CallHooks>) -> Result<Response<Bytes>, Status> {
        pass_request(&mut passing, hooks).await?;
        let response = hooks.judge((self.handler)(passing, hooks)?.await)?;
        pass_response(response, hooks).await
    }
}

async fn pass_response(mut response: Response<Bytes>, hooks: &CallHooks) -> Result<Response<Bytes>, Status> {
    hooks.response_metadata(response.metadata_mut());
    let octets = hooks.response_message(std::mem::take(response.get_mut())).await?;
    *response.get_mut() = octets;
    Ok(response)
}

async fn pass_reply(reply: Response<Vec<Bytes>>, hooks: &CallHooks) -> Result<Response<Bytes>, Status> {
    if reply.get_ref().len() != 1 {
        return Err(Status::internal("an interceptor's reply to this method must have one message"));
    }
    pass_response(reply.map(|messages| messages.into_iter().next().unwrap_or_default()), hooks).await
}

/// The end of a call that answers once passes.
async fn end_once(outcome: Result<Response<Bytes>, Status>, hooks: &CallHooks) -> Result<Response<Bytes>, Status> {
    match outcome {
        Ok(mut response) => {
            let end = hooks.end(Ok(()), std::mem::take(response.trailers_mut())).await;
            *response.trailers_mut() = end.trailers;
            end.outcome.map(|()| response)
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

impl Intercepted<StreamHandler> {
    /// The future of one call.
    pub(super) fn begin(self: &Arc<Self>, start: Start<'_>) -> Result<EndFuture, Status> {
        let passing = Passing::take(start)?;
        let this = Arc::clone(self);
        Ok(Box::pin(async move { this.run(passing).await }))
    }

    async fn run(&self, mut passing: Passing) -> Result<(), Status> {
        let exchange = passing.exchange()?;
        let packing = passing.packing;
        let (hooks, verdict) = self.start(&mut passing).await;
        let outcome = match verdict {
            Verdict::Continue => self.answer(passing, &hooks).await,
            Verdict::Reply(reply) => send_reply(reply, &hooks, &exchange, packing).await,
            Verdict::Refuse(status) => Err(status),
        };
        if outcome.is_ok() {
            pass_head(&hooks, &exchange);
        }
        let end = hooks.end(outcome, exchange.take_trailers()).await;
        exchange.with_trailers(|trailers| *trailers = end.trailers);
        end.outcome
    }

    async fn answer(&self, mut passing: Passing, hooks: &Arc<CallHooks>) -> Result<(), Status> {
        pass_request(&mut passing, hooks).await?;
        hooks.judge((self.handler)(passing, hooks)?.await)
    }
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
