//! The messages that one side receives, on their way past the interceptors.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::SetOnce;
use tramline_call::{Metadata, Status, mapping};

use super::{BoxFuture, CallEnd, CallHooks};
use crate::clock::Clock;

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

/// What the interceptors add to a failure's trailers is part of the failure.
async fn pass_end(hooks: &CallHooks, end: Result<Metadata, Status>) -> Result<Metadata, Status> {
    let (outcome, trailers) = match end {
        Ok(trailers) => (Ok(()), trailers),
        Err(status) => (Err(status), Metadata::new()),
    };
    let CallEnd { outcome, trailers } = hooks.end(outcome, trailers).await;
    match outcome {
        Ok(()) => Ok(trailers),
        Err(mut status) => {
            if !trailers.is_empty() {
                status.metadata_mut().merge(&trailers);
            }
            Err(status)
        }
    }
}

/// Takes messages, one at a time, past the interceptors: on a server those of the
/// request, on a client those of the response, and its end.
pub(crate) struct Passage {
    hooks: Hooks,
    work: Option<Work>,
    limit: Option<TimeLimit>,
}

/// A call's deadline, which its hooks keep as well.
#[derive(Clone)]
pub(crate) struct TimeLimit {
    pub(crate) clock: Clock,
    pub(crate) deadline: Duration,
}

impl TimeLimit {
    /// `future`'s output, unless the deadline passes first.
    async fn bound<F: Future>(this: Option<TimeLimit>, future: F) -> Option<F::Output> {
        let Some(TimeLimit { clock, deadline }) = this else { return Some(future.await) };
        clock.timeout(deadline.saturating_sub(clock.now()), future).await
    }
}

impl Passage {
    pub(crate) fn of_request(hooks: Arc<CallHooks>) -> Box<Self> {
        Box::new(Passage { hooks: Hooks::OfRequest(hooks), work: None, limit: None })
    }

    pub(crate) fn of_response(hooks: LateHooks, limit: Option<TimeLimit>) -> Box<Self> {
        Box::new(Passage { hooks: Hooks::OfResponse(hooks), work: None, limit })
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
            (Hooks::OfResponse(_), Some(hooks)) => {
                let limit = self.limit.clone();
                Box::pin(async move {
                    let passed = TimeLimit::bound(limit, hooks.response_message(octets)).await;
                    passed.unwrap_or_else(|| Err(mapping::deadline_exceeded()))
                })
            }
            (Hooks::OfResponse(_), None) => Box::pin(std::future::ready(Ok(octets))),
        };
        self.work = Some(Work::Message(work));
    }

    /// The peer's side ended, or the call is given up. A request's end is nothing that
    /// interceptors see.
    pub(crate) fn start_end(&mut self, end: Result<Metadata, Status>) {
        let hooks = self.response_hooks().cloned();
        let limit = self.limit.clone();
        self.work = Some(Work::End(Box::pin(async move {
            let Some(hooks) = hooks else { return end };
            let late = end.as_ref().err().cloned().unwrap_or_else(mapping::deadline_exceeded);
            TimeLimit::bound(limit, pass_end(&hooks, end)).await.unwrap_or(Err(late))
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
