//! What a handler can know of its call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use tramline_call::mapping::CancelReason;
use tramline_call::{Metadata, MethodInfo};

use crate::clock::Clock;
use crate::drive::leaf_lock::LeafLock;
use crate::io::ConnectionInfo;

/// A time that may be none, without the padding of an `Option<Duration>`.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
struct Deadline {
    secs: u64,
    /// `u32::MAX` if there is none.
    nanos: u32,
}

impl Deadline {
    fn new(at: Option<Duration>) -> Self {
        match at {
            Some(at) => Deadline { secs: at.as_secs(), nanos: at.subsec_nanos() },
            None => Deadline { secs: 0, nanos: u32::MAX },
        }
    }

    #[inline(always)]
    fn get(self) -> Option<Duration> {
        (self.nanos != u32::MAX).then(|| Duration::new(self.secs, self.nanos))
    }
}

/// What few calls have.
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
    method: Arc<MethodInfo>,
    connection: Arc<ConnectionInfo>,
    deadline: Deadline,
    clock: Clock,
    state: LeafLock<Option<Box<State>>>,
    /// The state is not as it was made. What few calls have need not be looked for in all.
    is_touched: AtomicBool,
    /// The one message of the request came compressed.
    came_compressed: AtomicBool,
}

impl CallContext {
    pub(crate) fn new(
        method: Arc<MethodInfo>,
        connection: Arc<ConnectionInfo>,
        deadline: Option<Duration>,
        clock: Clock,
    ) -> Self {
        CallContext {
            method,
            connection,
            deadline: Deadline::new(deadline),
            clock,
            state: LeafLock::default(),
            is_touched: AtomicBool::new(false),
            came_compressed: AtomicBool::new(false),
        }
    }

    /// Makes it the context of another call. Its state is that of a new one.
    #[inline(always)]
    pub(crate) fn renew(
        &mut self,
        method: &Arc<MethodInfo>,
        connection: &Arc<ConnectionInfo>,
        deadline: Option<Duration>,
        clock: &Clock,
    ) {
        // Most calls of a connection are of one method: nothing is counted up and down for them.
        if !Arc::ptr_eq(&self.method, method) {
            self.method = Arc::clone(method);
        }
        // A connection is one server's, which has one clock.
        if !Arc::ptr_eq(&self.connection, connection) {
            self.connection = Arc::clone(connection);
            self.clock = clock.clone();
        }
        self.deadline = Deadline::new(deadline);
        *self.came_compressed.get_mut() = false;
    }

    /// Whether nobody left anything in it.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.is_touched.load(Ordering::Acquire)
    }

    fn touch<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.is_touched.store(true, Ordering::Release);
        change(self.state.lock().get_or_insert_default())
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
        self.deadline.get().map(|deadline| deadline.saturating_sub(self.clock.now()))
    }

    #[inline]
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline.get()
    }

    pub(crate) fn set_came_compressed(&self) {
        self.came_compressed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn came_compressed(&self) -> bool {
        self.came_compressed.load(Ordering::Relaxed)
    }

    /// Why the call is over, if it is.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.state.lock().as_ref()?.reason
    }

    /// Changes initial metadata of the response that is sent with whatever the handler
    /// answers, a failure included. It must be set before the response begins.
    pub fn with_initial_metadata<R>(&self, change: impl FnOnce(&mut Metadata) -> R) -> R {
        // No lock is held meanwhile: `change` is an application's.
        let mut head = self.touch(|state| state.head.take()).unwrap_or_default();
        let result = change(&mut head);
        self.touch(|state| {
            if let Some(added) = &state.head {
                head.merge(added);
            }
            state.head = Some(head);
        });
        result
    }

    pub(crate) fn take_head(&self) -> Option<Metadata> {
        if self.is_untouched() {
            return None;
        }
        self.state.lock().as_mut()?.head.take()
    }

    /// Waits until the call is over before its handler was: for tasks that the handler
    /// spawned. (The handler's own future is dropped.)
    pub async fn cancelled(&self) -> CancelReason {
        std::future::poll_fn(|cx| {
            self.touch(|state| match state.reason {
                Some(reason) => Poll::Ready(reason),
                None => {
                    if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                        state.waiting.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            })
        })
        .await
    }

    pub(crate) fn cancel(&self, reason: CancelReason) {
        let waiting = self.touch(|state| {
            state.reason.get_or_insert(reason);
            std::mem::take(&mut state.waiting)
        });
        waiting.into_iter().for_each(Waker::wake);
    }
}
