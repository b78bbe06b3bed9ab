//! Where the connections of a runtime with several threads run.
//!
//! A tokio task each would be simpler, and costs the second thread: the worker that polls
//! tokio's I/O driver and finds several tasks ready wakes another worker, which takes some of
//! them and parks again. Where one thread could have answered them all in less time than a
//! thread needs to wake up, that is for nothing, and two threads switch more than twice as
//! often as one.
//!
//! So connections are tasks of an executor that packs them: what is ready lies in the queue of
//! a [`Shard`], and *runners*, which are tokio tasks, take it from there. While one runner keeps
//! up, it is the only one, and to tokio the connections are one task. It calls another one in
//! when it has run for longer than [`runner::ROUND_TIME_MAX`] and something is left.
//!
//! A handler that blocks its thread is found by the [`monitor`], a thread that looks at all
//! runners every [`monitor::LOOK_INTERVAL`] while anybody runs, and makes another one active in
//! the place of one that does not move. It does so even if nothing waits: the blocked thread may
//! be the one that polled tokio's I/O driver, and only a thread that is woken takes its place.
//!
//! The price: who is ready may wait for a round behind others, and for one look or two behind one
//! that blocks; and a wake after a long silence wakes the monitor, too.
//!
//! # Why no wake is lost
//! All of a shard's state is under one lock, and these hold whenever it is free:
//! - *What is ready has somebody who runs it*: if the queue is not empty, a runner is active, or
//!   all are stuck.
//! - *Who is active will be polled*: a runner becomes active by a wake that is sent as soon as
//!   the lock is free, or by being polled; and it returns from a poll as an active one only
//!   with a wake of its own underway.
//! - *Nobody parks beside work*: a runner parks under the lock, and only on an empty queue.
//! - *Who is active and not polled is found*: the runner may wait on a worker thread whose task
//!   blocks it. The monitor sees that it did not move, counts it as stuck, and makes another
//!   one active. A stuck one is active again as soon as it is polled.
//! - *The monitor looks while anybody is active*: it rests only where it found nobody active,
//!   under the same lock, and who becomes active wakes it.

mod monitor;
mod runner;
mod shard;
mod task;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Handle, RuntimeFlavor};

use runner::Runner;
use shard::Shard;

/// Worker threads for each shard: as many as do not contend for its lock. Each shard has a
/// runner for every worker thread nevertheless, for the time when others have nothing to do, or
/// are blocked.
const SHARD_WORKER_COUNT: usize = 4;

/// The executor of one server. When it is dropped, the connections that it has are finished.
#[derive(Debug)]
pub(super) struct Executor {
    shards: Vec<Arc<Shard>>,
    /// Counts connections: they are dealt to the shards by turns.
    spawned_count: AtomicUsize,
}

impl Executor {
    /// An executor on the current runtime. `None` if that has one thread, on which a tokio task
    /// for each connection costs nothing more.
    pub(super) fn start() -> Option<Arc<Executor>> {
        let runtime = Handle::current();
        let worker_count = match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => runtime.metrics().num_workers(),
            _ => 1,
        };
        if worker_count < 2 {
            return None;
        }
        let shard_count = worker_count.div_ceil(SHARD_WORKER_COUNT);
        let shards: Vec<_> = (0..shard_count).map(|_| Shard::new(worker_count)).collect();
        if let Err(error) = monitor::start(shards.clone()) {
            tracing::warn!(%error, "no thread can be started: each connection gets a task of its own");
            return None;
        }
        for shard in &shards {
            for index in 0..worker_count {
                runtime.spawn(tokio::task::unconstrained(Runner::new(Arc::clone(shard), index)));
            }
        }
        Some(Arc::new(Executor { shards, spawned_count: AtomicUsize::new(0) }))
    }

    /// Runs a connection until it is over, or the runtime is. If it panics, it ends alone.
    ///
    /// It is polled outside tokio's cooperative budget.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let turn = self.spawned_count.fetch_add(1, Ordering::Relaxed);
        if let Some(shard) = self.shards.get(turn % self.shards.len()) {
            shard.spawn(connection);
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shards.iter().for_each(|shard| shard.finish());
    }
}
