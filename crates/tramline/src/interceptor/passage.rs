//! The messages that one side receives, on their way past the interceptors.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tramline_call::{Metadata, Status};

use super::{BoxFuture, CallHooks, CallSide};

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

/// Takes messages, one at a time, past the interceptors: on a server those of the
/// request, on a client those of the response, and its end.
pub(crate) struct Passage {
    hooks: Arc<CallHooks>,
    side: CallSide,
    work: Option<Work>,
}

impl Passage {
    pub(crate) fn new(hooks: Arc<CallHooks>, side: CallSide) -> Box<Self> {
        Box::new(Passage { hooks, side, work: None })
    }

    /// A message enters.
    pub(crate) fn start_message(&mut self, octets: Bytes) {
        let hooks = Arc::clone(&self.hooks);
        let side = self.side;
        self.work = Some(Work::Message(Box::pin(async move {
            match side {
                CallSide::Server => hooks.request_message(octets).await,
                CallSide::Client => hooks.response_message(octets).await,
            }
        })));
    }

    /// The peer's side ended. A request's end is nothing that interceptors see.
    pub(crate) fn start_end(&mut self, end: Result<Metadata, Status>) {
        let hooks = Arc::clone(&self.hooks);
        let side = self.side;
        self.work = Some(Work::End(Box::pin(async move {
            if side == CallSide::Server {
                return end;
            }
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
