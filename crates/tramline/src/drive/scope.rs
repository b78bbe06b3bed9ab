//! What surrounds every poll of a handler, so that outgoing calls can see it.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::clock::Deadline;

/// Messages that one poll of a handler may send and take before others get their turn: some
/// 30 µs, if they are small. (tokio's own budget does not reach handlers: they run outside of it.)
const MESSAGE_COUNT_MAX: u32 = 512;

struct Surroundings {
    deadline: Cell<Deadline>,
    messages_left: Cell<u32>,
}

thread_local! {
    static SURROUNDINGS: Surroundings =
        const { Surroundings { deadline: Cell::new(Deadline::NONE), messages_left: Cell::new(MESSAGE_COUNT_MAX) } };
}

/// Charges one message to the poll that runs now. Pending, with a wake under way, when
/// it has had its share.
pub(crate) fn poll_message_budget(cx: &Context<'_>) -> Poll<()> {
    SURROUNDINGS.with(|here| {
        let left = here.messages_left.get();
        if left == 0 {
            // The next poll, in whatever scope, starts afresh.
            here.messages_left.set(MESSAGE_COUNT_MAX);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        here.messages_left.set(left - 1);
        Poll::Ready(())
    })
}

/// The deadline of the call whose handler is being polled on this thread.
pub(crate) fn deadline() -> Option<Duration> {
    current().get()
}

fn current() -> Deadline {
    SURROUNDINGS.with(|here| here.deadline.get())
}

/// Restores what surrounded it when it is dropped.
pub(crate) struct Scope {
    outer: Deadline,
}

impl Scope {
    // Inlined, several callers would share one way to the thread's memory: a call through a pointer.
    #[inline(never)]
    pub(crate) fn enter(deadline: Deadline) -> Scope {
        SURROUNDINGS.with(|here| {
            here.messages_left.set(MESSAGE_COUNT_MAX);
            Scope { outer: here.deadline.replace(deadline) }
        })
    }
}

impl Drop for Scope {
    #[inline(always)]
    fn drop(&mut self) {
        SURROUNDINGS.with(|here| here.deadline.set(self.outer));
    }
}

pin_project! {
    /// A future polled inside a scope.
    pub(crate) struct Scoped<F> {
        #[pin]
        future: F,
        deadline: Deadline,
    }
}

impl<F> Scoped<F> {
    /// Carries the current scope into another task.
    pub(crate) fn current(future: F) -> Scoped<F> {
        Scoped { future, deadline: current() }
    }
}

/// Spawns a task on the current runtime that carries the deadline of the call whose
/// handler spawns it: calls made from it are bounded by that deadline too.
/// A plain `tokio::spawn` does not carry it.
///
/// # Panics
/// Outside a tokio runtime.
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Scoped::current(future))
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = Scope::enter(*this.deadline);
        this.future.poll(cx)
    }
}
