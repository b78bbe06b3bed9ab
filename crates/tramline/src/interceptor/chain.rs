//! The interceptors of one server or channel, folded into one list, and what they keep
//! of one call.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tramline_call::{Metadata, MethodInfo, Status};

use super::{CallEnd, CallStart, Interceptor, Message, Started};
use crate::response::Response;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One interceptor's state of one call.
type State = Box<dyn Any + Send + Sync>;

/// An interceptor behind a pointer. Its states are of its own making, so that looking
/// into one does not fail.
trait Erased: Send + Sync {
    fn sees_messages(&self) -> bool;
    fn start<'a>(&'a self, call: &'a mut CallStart<'_>) -> BoxFuture<'a, Result<Started<State>, Status>>;
    fn request_message<'a>(
        &'a self,
        state: &'a State,
        message: &'a mut Message<'_>,
    ) -> BoxFuture<'a, Result<(), Status>>;
    fn response_metadata(&self, state: &State, metadata: &mut Metadata);
    fn response_message<'a>(
        &'a self,
        state: &'a State,
        message: &'a mut Message<'_>,
    ) -> BoxFuture<'a, Result<(), Status>>;
    fn end<'a>(&'a self, state: &'a State, end: &'a mut CallEnd) -> BoxFuture<'a, ()>;
}

impl<I: Interceptor> Erased for I {
    fn sees_messages(&self) -> bool {
        I::SEES_MESSAGES
    }

    fn start<'a>(&'a self, call: &'a mut CallStart<'_>) -> BoxFuture<'a, Result<Started<State>, Status>> {
        Box::pin(async move {
            Ok(match Interceptor::start(self, call).await? {
                Started::Continue(state) => Started::Continue(Box::new(state) as State),
                Started::Reply(reply) => Started::Reply(reply),
            })
        })
    }

    fn request_message<'a>(
        &'a self,
        state: &'a State,
        message: &'a mut Message<'_>,
    ) -> BoxFuture<'a, Result<(), Status>> {
        match state.downcast_ref() {
            Some(state) => Box::pin(Interceptor::request_message(self, state, message)),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn response_metadata(&self, state: &State, metadata: &mut Metadata) {
        if let Some(state) = state.downcast_ref() {
            Interceptor::response_metadata(self, state, metadata);
        }
    }

    fn response_message<'a>(
        &'a self,
        state: &'a State,
        message: &'a mut Message<'_>,
    ) -> BoxFuture<'a, Result<(), Status>> {
        match state.downcast_ref() {
            Some(state) => Box::pin(Interceptor::response_message(self, state, message)),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn end<'a>(&'a self, state: &'a State, end: &'a mut CallEnd) -> BoxFuture<'a, ()> {
        match state.downcast_ref() {
            Some(state) => Box::pin(Interceptor::end(self, state, end)),
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// The interceptors of one server or channel, outermost first.
#[derive(Default)]
pub(crate) struct Interceptors {
    list: Vec<Box<dyn Erased>>,
}

impl std::fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Interceptors({})", self.list.len())
    }
}

/// What the interceptors say to a call that begins.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes on.
    Continue,
    /// It ends with this reply.
    Reply(Response<Vec<Bytes>>),
    /// It ends with this status.
    Refuse(Status),
}

impl Interceptors {
    pub(crate) fn push(&mut self, interceptor: impl Interceptor) {
        self.list.push(Box::new(interceptor));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Shows a call that begins to one interceptor after another. Those that let it pass
    /// see the rest of it, whatever the next ones say.
    pub(crate) async fn start(self: &Arc<Self>, mut call: CallStart<'_>) -> (CallHooks, Verdict) {
        let mut hooks = CallHooks {
            chain: Arc::clone(self),
            states: Vec::with_capacity(self.list.len()),
            method: call.method.clone(),
            has_head_passed: AtomicBool::new(false),
            refusal: OnceLock::new(),
        };
        for interceptor in &self.list {
            match interceptor.start(&mut call).await {
                Ok(Started::Continue(state)) => hooks.states.push(state),
                Ok(Started::Reply(reply)) => return (hooks, Verdict::Reply(reply)),
                Err(status) => return (hooks, Verdict::Refuse(status)),
            }
        }
        (hooks, Verdict::Continue)
    }
}

/// The interceptors' part in one call that has begun.
pub(crate) struct CallHooks {
    chain: Arc<Interceptors>,
    /// Of the interceptors that let the call pass, in their order.
    states: Vec<State>,
    method: MethodInfo,
    /// The response's initial metadata has passed.
    has_head_passed: AtomicBool,
    /// The first message that did not pass.
    refusal: OnceLock<Status>,
}

impl std::fmt::Debug for CallHooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallHooks").field("method", &self.method).finish_non_exhaustive()
    }
}

impl CallHooks {
    fn each(&self) -> impl DoubleEndedIterator<Item = (&dyn Erased, &State)> {
        let count = self.states.len();
        self.chain.list.iter().map(Box::as_ref).take(count).zip(&self.states)
    }

    /// Whether any of them wants messages.
    pub(crate) fn sees_messages(&self) -> bool {
        self.each().any(|(interceptor, _)| interceptor.sees_messages())
    }

    /// Takes the response's initial metadata past them, once for each call.
    pub(crate) fn response_metadata_once(&self, change: impl FnOnce(&dyn Fn(&mut Metadata))) {
        if !self.has_head_passed.swap(true, Ordering::Relaxed) {
            change(&|metadata| self.response_metadata(metadata));
        }
    }

    /// Takes a message of the request past them.
    pub(crate) async fn request_message(&self, octets: Bytes) -> Result<Bytes, Status> {
        let mut message = Message::new(&self.method, octets);
        for (interceptor, state) in self.each().filter(|(interceptor, _)| interceptor.sees_messages()) {
            interceptor.request_message(state, &mut message).await.inspect_err(|status| self.refuse(status))?;
        }
        Ok(message.octets)
    }

    /// Takes the response's initial metadata past them.
    pub(crate) fn response_metadata(&self, metadata: &mut Metadata) {
        self.each().rev().for_each(|(interceptor, state)| interceptor.response_metadata(state, metadata));
    }

    /// Takes a message of the response past them.
    pub(crate) async fn response_message(&self, octets: Bytes) -> Result<Bytes, Status> {
        let mut message = Message::new(&self.method, octets);
        for (interceptor, state) in self.each().rev().filter(|(interceptor, _)| interceptor.sees_messages()) {
            interceptor.response_message(state, &mut message).await.inspect_err(|status| self.refuse(status))?;
        }
        Ok(message.octets)
    }

    fn refuse(&self, status: &Status) {
        let _ = self.refusal.set(status.clone());
    }

    /// How a call ends whose handler returned `outcome`: with the status of a message that
    /// did not pass, if there was one, whatever the handler made of it.
    pub(crate) fn judge<T>(&self, outcome: Result<T, Status>) -> Result<T, Status> {
        match self.refusal.get() {
            Some(status) => Err(status.clone()),
            None => outcome,
        }
    }

    /// Takes the call's end past them.
    pub(crate) async fn end(&self, outcome: Result<(), Status>, trailers: Metadata) -> CallEnd {
        let mut end = CallEnd { outcome, trailers };
        for (interceptor, state) in self.each().rev() {
            interceptor.end(state, &mut end).await;
        }
        end
    }
}
