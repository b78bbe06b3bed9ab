//! What a handler can know of its call.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tramline_call::MethodInfo;

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
struct Cancellation {
    reason: Option<CancelReason>,
    waiting: Vec<Waker>,
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
    cancellation: LeafLock<Cancellation>,
}

impl CallContext {
    pub(crate) fn new(
        method: MethodInfo,
        connection: Arc<ConnectionInfo>,
        deadline: Option<Duration>,
        clock: Clock,
    ) -> Self {
        CallContext { method, connection, deadline, clock, cancellation: LeafLock::default() }
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
        self.cancellation.lock().reason
    }

    /// Waits until the call is over before its handler was: for tasks that the handler
    /// spawned. (The handler's own future is dropped.)
    pub async fn cancelled(&self) -> CancelReason {
        std::future::poll_fn(|cx| {
            let mut cancellation = self.cancellation.lock();
            match cancellation.reason {
                Some(reason) => Poll::Ready(reason),
                None => {
                    cancellation.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    pub(crate) fn cancel(&self, reason: CancelReason) {
        let waiting = {
            let mut cancellation = self.cancellation.lock();
            cancellation.reason.get_or_insert(reason);
            std::mem::take(&mut cancellation.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
