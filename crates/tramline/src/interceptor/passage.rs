//! The messages that one side receives, on their way past the interceptors.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::SetOnce;
use tramline_call::{Metadata, Status};

use super::{BoxFuture, CallHooks};

enum Work {
    Message(BoxFuture<'static, Result<Bytes, Status>>),
    End(BoxFuture<'static, Result<Metadata, Status>>),
}

/// What came out on the other side.
pub(crate) enum Passed {
    Message(Result<Bytes, Status>),
    /// The end of a response, with its trailers.
    End(Result<Metadata, Status>),
    /// Nothing was under way.
    Nothing,
}

/// What the interceptors keep of a client's call, once they have seen its start; `None`
/// if that never came to its end.
pub(crate) type LateHooks = Arc<SetOnce<Option<Arc<CallHooks>>>>;

enum Hooks {
    /// A server's handler starts behind them.
    OfRequest(Arc<CallHooks>),
    /// A client's call begins behind them: nothing comes before they are there.
    OfResponse(LateHooks),
}

/// Takes messages, one at a time, past the interceptors: on a server those of the
/// request, on a client those of the response, and its end.
pub(crate) struct Passage {
    hooks: Hooks,
    work: Option<Work>,
}

impl Passage {
    pub(crate) fn of_request(hooks: Arc<CallHooks>) -> Box<Self> {
        Box::new(Passage { hooks: Hooks::OfRequest(hooks), work: None })
    }

    pub(crate) fn of_response(hooks: LateHooks) -> Box<Self> {
        Box::new(Passage { hooks: Hooks::OfResponse(hooks), work: None })
    }

    pub(crate) fn is_of_response(&self) -> bool {
        matches!(self.hooks, Hooks::OfResponse(_))
    }

    /// Those that see a response, if they let its call begin.
    pub(crate) fn response_hooks(&self) -> Option<&Arc<CallHooks>> {
        match &self.hooks {
            Hooks::OfRequest(_) => None,
            Hooks::OfResponse(hooks) => hooks.get()?.as_ref(),
        }
    }

    /// Whether messages have to stop here at all.
    pub(crate) fn sees_messages(&self) -> bool {
        match &self.hooks {
            Hooks::OfRequest(hooks) => hooks.sees_messages(),
            Hooks::OfResponse(_) => self.response_hooks().is_some_and(|hooks| hooks.sees_messages()),
        }
    }

    /// A message enters.
    pub(crate) fn start_message(&mut self, octets: Bytes) {
        let work: BoxFuture<'static, _> = match (&self.hooks, self.response_hooks().cloned()) {
            (Hooks::OfRequest(hooks), _) => {
                let hooks = Arc::clone(hooks);
                Box::pin(async move { hooks.request_message(octets).await })
            }
            (Hooks::OfResponse(_), Some(hooks)) => Box::pin(async move { hooks.response_message(octets).await }),
            (Hooks::OfResponse(_), None) => Box::pin(std::future::ready(Ok(octets))),
        };
        self.work = Some(Work::Message(work));
    }

    /// The peer's side ended, or the call is given up. A request's end is nothing that
    /// interceptors see.
    pub(crate) fn start_end(&mut self, end: Result<Metadata, Status>) {
        let hooks = self.response_hooks().cloned();
        self.work = Some(Work::End(Box::pin(async move {
            let Some(hooks) = hooks else { return end };
            let (outcome, trailers) = match end {
                Ok(trailers) => (Ok(()), trailers),
                Err(status) => (Err(status), Metadata::new()),
            };
            let end = hooks.end(outcome, trailers).await;
            end.outcome.map(|()| end.trailers)
        })));
    }

    /// Something is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// What is under way comes out.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Passed> {
        let passed = match &mut self.work {
            None => return Poll::Ready(Passed::Nothing),
            Some(Work::Message(work)) => Passed::Message(ready!(work.as_mut().poll(cx))),
            Some(Work::End(work)) => Passed::End(ready!(work.as_mut().poll(cx))),
        };
        self.work = None;
        Poll::Ready(passed)
    }
}
