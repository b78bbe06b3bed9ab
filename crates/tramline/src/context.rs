//! What a handler can know of its call.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tramline_call::{Metadata, MethodInfo};

use crate::clock::Clock;
use crate::drive::leaf_lock::LeafLock;
use crate::io::ConnectionInfo;

/// Why a call ended before its handler did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CancelReason {
    /// The client reset the stream.
    Client,
    /// The deadline passed.
    Deadline,
    /// The connection was lost.
    ConnectionLost,
    /// The server is shutting down and its grace is over.
    Shutdown,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<CancelReason>,
    waiting: Vec<Waker>,
    /// Initial metadata that the handler set.
    head: Option<Metadata>,
}

/// The context of one call on a server: method, peer, deadline, cancellation.
///
/// It outlives the handler's future: a task that the handler spawned can keep it and
/// wait for [`cancelled`](Self::cancelled).
#[derive(Debug)]
pub struct CallContext {
    method: MethodInfo,
    connection: Arc<ConnectionInfo>,
    deadline: Option<Duration>,
    clock: Clock,
    state: LeafLock<State>,
}

impl CallContext {
    pub(crate) fn new(
        method: MethodInfo,
        connection: Arc<ConnectionInfo>,
        deadline: Option<Duration>,
        clock: Clock,
    ) -> Self {
        CallContext { method, connection, deadline, clock, state: LeafLock::default() }
    }

    /// The method that is called.
    pub fn method(&self) -> &MethodInfo {
        &self.method
    }

    /// The connection: addresses, TLS, client certificates.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// The time that is left, if the client or the server set a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_sub(self.clock.now()))
    }

    /// Why the call is over, if it is.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.state.lock().reason
    }

    /// Changes initial metadata of the response that is sent with whatever the handler
    /// answers, a failure included. It must be set before the response begins.
    pub fn with_initial_metadata<R>(&self, change: impl FnOnce(&mut Metadata) -> R) -> R {
        change(self.state.lock().head.get_or_insert_default())
    }

    pub(crate) fn take_head(&self) -> Option<Metadata> {
        self.state.lock().head.take()
    }

    /// Waits until the call is over before its handler was: for tasks that the handler
    /// spawned. (The handler's own future is dropped.)
    pub async fn cancelled(&self) -> CancelReason {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            match state.reason {
                Some(reason) => Poll::Ready(reason),
                None => {
                    if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                        state.waiting.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub(crate) fn cancel(&self, reason: CancelReason) {
        let waiting = {
            let mut state = self.state.lock();
            state.reason.get_or_insert(reason);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
