//! A connection as a task of a shard.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::shard::Shard;

pin_project! {
    /// A connection, whose panics end it and nobody else: tokio catches what a task throws, an
    /// `async_task` does not, and gives the process up when one is dropped and panics.
    pub(super) struct Member<F> {
        #[pin]
        connection: Option<F>,
        shard: Arc<Shard>,
        id: u64,
    }

    impl<F> PinnedDrop for Member<F> {
        fn drop(this: Pin<&mut Self>) {
            this.leave();
        }
    }
}

impl<F> Member<F> {
    pub(super) fn new(connection: F, shard: Arc<Shard>, id: u64) -> Self {
        Member { connection: Some(connection), shard, id }
    }

    fn leave(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.connection.is_some() {
            if catch_unwind(AssertUnwindSafe(|| this.connection.set(None))).is_err() {
                tracing::error!("a connection panicked while it was dropped");
            }
            this.shard.forget(*this.id);
        }
    }
}

impl<F: Future<Output = ()>> Future for Member<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = self.as_mut().project().connection.as_pin_mut() else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| connection.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(_) => tracing::error!("a connection panicked"),
        }
        self.leave();
        Poll::Ready(())
    }
}
