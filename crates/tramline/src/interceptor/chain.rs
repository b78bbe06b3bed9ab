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
    sees_messages: bool,
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
    pub(crate) fn push<I: Interceptor>(&mut self, interceptor: I) {
        self.list.push(Box::new(interceptor));
        self.sees_messages |= I::SEES_MESSAGES;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any of them wants messages.
    pub(crate) fn sees_messages(&self) -> bool {
        self.sees_messages
    }
}

/// The interceptors' part in one call.
pub(crate) struct CallHooks {
    chain: Arc<Interceptors>,
    /// Of the interceptors that let the call pass, in their order.
    states: Vec<State>,
    /// The method, if any of them wants messages.
    method: Option<MethodInfo>,
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
    pub(crate) fn new(chain: Arc<Interceptors>) -> Self {
        let (has_head_passed, refusal) = (AtomicBool::new(false), OnceLock::new());
        CallHooks { states: Vec::with_capacity(chain.list.len()), chain, method: None, has_head_passed, refusal }
    }

    /// Forgets a call, and keeps the memory for the next one.
    pub(crate) fn reset(&mut self) {
        self.states.clear();
        self.method = None;
        *self.has_head_passed.get_mut() = false;
        self.refusal.take();
    }

    /// Shows a call that begins to one interceptor after another. Those that let it pass
    /// see the rest of it, whatever the next ones say.
    pub(crate) async fn start(&mut self, mut call: CallStart<'_>) -> Verdict {
        let CallHooks { chain, states, method, .. } = self;
        *method = chain.sees_messages.then(|| call.method().clone());
        for interceptor in &chain.list {
            match interceptor.start(&mut call).await {
                Ok(Started::Continue(state)) => states.push(state),
                Ok(Started::Reply(reply)) => return Verdict::Reply(reply),
                Err(status) => return Verdict::Refuse(status),
            }
        }
        Verdict::Continue
    }

    fn each(&self) -> impl DoubleEndedIterator<Item = (&dyn Erased, &State)> {
        self.chain.list.iter().zip(&self.states).map(|(interceptor, state)| (interceptor.as_ref(), state))
    }

    /// Whether messages have to pass.
    pub(crate) fn sees_messages(&self) -> bool {
        self.chain.sees_messages
    }

    /// Whether the next message of a response has to pass, or initial metadata with it.
    pub(crate) fn sees_next_response(&self) -> bool {
        self.sees_messages() || !self.has_head_passed.load(Ordering::Relaxed)
    }

    /// Takes the response's initial metadata past them, once for each call.
    pub(crate) fn response_metadata_once(&self, change: impl FnOnce(&dyn Fn(&mut Metadata))) {
        if !self.has_head_passed.swap(true, Ordering::Relaxed) {
            change(&|metadata| self.response_metadata(metadata));
        }
    }

    /// Takes a message of the request past them.
    pub(crate) async fn request_message(&self, octets: Bytes) -> Result<Bytes, Status> {
        let Some(method) = &self.method else { return Ok(octets) };
        let mut message = Message::new(method, octets);
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
        let Some(method) = &self.method else { return Ok(octets) };
        let mut message = Message::new(method, octets);
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
