//! What a handler can know of its call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::task::{Poll, Waker};
use std::time::Duration;

use tramline_call::mapping::CancelReason;
use tramline_call::{Metadata, MethodInfo};

use crate::clock::{Clock, Deadline};
use crate::drive::leaf_lock::LeafLock;
use crate::io::ConnectionInfo;

/// Metadata that take more memory, in octets, do not wait for another call.
const METADATA_KEPT_MAX: usize = 4 * 1024;

/// What few calls have.
#[derive(Debug, Default)]
struct State {
    reason: Option<CancelReason>,
    waiting: Vec<Waker>,
    /// Initial metadata that the handler set.
    head: Option<Metadata>,
}

/// What the contexts of all calls on one connection share.
#[derive(Debug)]
pub(crate) struct ConnectionContext {
    pub(crate) info: Arc<ConnectionInfo>,
    pub(crate) clock: Clock,
}

/// Whether a context became that of another call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Renewed {
    No,
    /// But for the deadline it had all that the call has.
    Alike,
    Changed,
}

/// The context of one call on a server: method, peer, deadline, cancellation.
///
/// It is a handle, and a clone is another one of the same call. It outlives the handler's
/// future: a task that the handler spawned can keep a clone and wait for
/// [`cancelled`](Self::cancelled).
// No handle is weak. So whoever has the only one knows, without a lock, that there is no other.
#[derive(Clone)]
pub struct CallContext {
    shared: Arc<Shared>,
}

struct Shared {
    method: Arc<MethodInfo>,
    connection: Arc<ConnectionContext>,
    metadata: Metadata,
    /// A [`Deadline`], which the owner of the only handle may change.
    deadline: AtomicU64,
    state: LeafLock<Option<Box<State>>>,
    /// The state is not as it was made. What few calls have need not be looked for in all.
    is_touched: AtomicBool,
    /// The one message of the request came compressed.
    came_compressed: AtomicBool,
}

impl CallContext {
    pub(crate) fn new(
        method: Arc<MethodInfo>,
        connection: Arc<ConnectionContext>,
        metadata: Metadata,
        deadline: Deadline,
    ) -> Self {
        let shared = Shared {
            method,
            connection,
            metadata,
            deadline: AtomicU64::new(deadline.to_nanos()),
            state: LeafLock::default(),
            is_touched: AtomicBool::new(false),
            came_compressed: AtomicBool::new(false),
        };
        CallContext { shared: Arc::new(shared) }
    }

    /// Makes it the context of another call, unless somebody kept it, or left something in it.
    /// The call's metadata are taken if it has not the same already.
    #[inline(always)]
    pub(crate) fn renew(
        &mut self,
        method: &Arc<MethodInfo>,
        connection: &Arc<ConnectionContext>,
        metadata: &mut Metadata,
        deadline: Deadline,
    ) -> Renewed {
        if Arc::strong_count(&self.shared) > 1 {
            return Renewed::No;
        }
        // What the last of the others did with it is done (as in Arc's own drop).
        fence(Ordering::Acquire);
        // Most calls of a connection are alike: nothing is counted up and down for them.
        let has_same = self.shared.metadata.shares(metadata) || self.shared.metadata.is_empty() && metadata.is_empty();
        let is_alike =
            has_same && Arc::ptr_eq(&self.shared.method, method) && Arc::ptr_eq(&self.shared.connection, connection);
        if !self.is_untouched() || !(is_alike || self.turn_to(method, connection, metadata)) {
            return Renewed::No;
        }
        self.shared.deadline.store(deadline.to_nanos(), Ordering::Relaxed);
        self.shared.came_compressed.store(false, Ordering::Relaxed);
        if is_alike { Renewed::Alike } else { Renewed::Changed }
    }

    #[inline(never)]
    fn turn_to(
        &mut self,
        method: &Arc<MethodInfo>,
        connection: &Arc<ConnectionContext>,
        metadata: &mut Metadata,
    ) -> bool {
        // There is no other handle, as was seen.
        let Some(shared) = Arc::get_mut(&mut self.shared) else { return false };
        // What was there before is the memory of the next call's.
        std::mem::swap(&mut shared.metadata, metadata);
        if !Arc::ptr_eq(&shared.method, method) {
            shared.method = Arc::clone(method);
        }
        if !Arc::ptr_eq(&shared.connection, connection) {
            shared.connection = Arc::clone(connection);
        }
        true
    }

    /// Whether it may wait for another call: nobody left anything in it, and it does not hold much
    /// memory.
    #[inline]
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_untouched() && self.shared.metadata.capacity() <= METADATA_KEPT_MAX
    }

    /// Whether nobody left anything in it.
    fn is_untouched(&self) -> bool {
        !self.shared.is_touched.load(Ordering::Acquire)
    }

    fn touch<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.shared.is_touched.store(true, Ordering::Release);
        change(self.shared.state.lock().get_or_insert_default())
    }

    /// What the client sent.
    #[inline]
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.shared.metadata
    }

    /// The method that is called.
    pub fn method(&self) -> &MethodInfo {
        &self.shared.method
    }

    /// The connection: addresses, TLS, client certificates.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.shared.connection.info
    }

    /// The time that is left, if the client or the server set a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        Deadline::from_nanos(self.shared.deadline.load(Ordering::Relaxed))
            .get()
            .map(|deadline| deadline.saturating_sub(self.shared.connection.clock.now()))
    }

    pub(crate) fn set_came_compressed(&self) {
        self.shared.came_compressed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn came_compressed(&self) -> bool {
        self.shared.came_compressed.load(Ordering::Relaxed)
    }

    /// Why the call is over, if it is.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.shared.state.lock().as_ref()?.reason
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
        self.shared.state.lock().as_mut()?.head.take()
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

impl fmt::Debug for CallContext {
    /// Without the metadata: those of a request may have been changed since, to hide some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("method", self.method())
            .field("connection", self.connection())
            .field("remaining", &self.remaining())
            .field("cancel_reason", &self.cancel_reason())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each stream has one. The allocator adds eight octets and rounds up to sixteen.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_context_stays_small() {
        const COUNTS_OF_AN_ARC: usize = 16;
        assert!(COUNTS_OF_AN_ARC + size_of::<Shared>() <= 80 - 8);
    }
}
