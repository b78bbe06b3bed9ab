//! What surrounds every poll of a handler, so that outgoing calls can see it.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

thread_local! {
    static DEADLINE: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The deadline of the call whose handler is being polled on this thread.
pub(crate) fn deadline() -> Option<Duration> {
    DEADLINE.get()
}

/// Restores what surrounded it when it is dropped.
pub(crate) struct Scope {
    outer: Option<Duration>,
}

impl Scope {
    pub(crate) fn enter(deadline: Option<Duration>) -> Scope {
        Scope { outer: DEADLINE.replace(deadline) }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        DEADLINE.set(self.outer);
    }
}

pin_project! {
    /// A future polled inside a scope.
    pub(crate) struct Scoped<F> {
        #[pin]
        future: F,
        deadline: Option<Duration>,
    }
}

impl<F> Scoped<F> {
    /// Carries the current scope into another task.
    pub(crate) fn current(future: F) -> Scoped<F> {
        Scoped { future, deadline: deadline() }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = Scope::enter(*this.deadline);
        this.future.poll(cx)
    }
}
