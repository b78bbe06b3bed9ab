//! What runs the connections of a shard.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::shard::{Next, Shard};
use crate::clock::Clock;

/// When a runner has run for this long and something is left, it calls another one in. Less
/// would not be worth its while: a thread may need 50 µs to wake up.
pub(super) const ROUND_TIME_MAX: Duration = Duration::from_micros(100);

/// A tokio task that runs what is ready in its shard.
#[derive(Debug)]
pub(super) struct Runner {
    shard: Arc<Shard>,
    /// Its place among the shard's runners.
    index: usize,
    /// Since when it has not parked, nor called another one in.
    busy_since: Option<Duration>,
    is_over: bool,
}

impl Runner {
    pub(super) fn new(shard: Arc<Shard>, index: usize) -> Self {
        Runner { shard, index, busy_since: None, is_over: false }
    }

    /// Runs what is ready, until there is nothing or others are to have their turn.
    fn run_round(&mut self, waker: &Waker) -> Next {
        // How long threads are busy is not a matter of the server's own clock.
        let clock = Clock::default();
        let begun = clock.now();
        let busy_since = *self.busy_since.get_or_insert(begun);
        let mut is_round_over = false;
        loop {
            match self.shard.next(self.index, waker, is_round_over) {
                Next::Run(runnable) => {
                    let is_ready_again = runnable.run();
                    let now = clock.now();
                    if is_ready_again {
                        return self.shard.step_aside(now - busy_since > ROUND_TIME_MAX);
                    }
                    is_round_over = now - begun > ROUND_TIME_MAX;
                }
                next => return next,
            }
        }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let next = self.run_round(cx.waker());
        if matches!(next, Next::Share | Next::Park) {
            self.busy_since = None;
        }
        match next {
            // Others run first on this thread: the runner that was called in, or what the
            // connection waits for, such as a handler that it has just spawned. This wake puts the
            // runner behind them, where other threads take it from, and has one of these look.
            Next::Share | Next::StepAside => cx.waker().wake_by_ref(),
            // Its first poll has tokio look at I/O and timers before it wakes the runner.
            Next::Yield => _ = pin!(tokio::task::yield_now()).poll(cx),
            Next::Run(_) | Next::Park => {}
            Next::End => self.is_over = true,
        }
        if self.is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Nobody but a runtime that ends drops a runner.
        if !self.is_over {
            self.shard.close();
        }
    }
}
