//! How long a method's handlers keep the thread that polls them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// A method whose polls take longer than this, on average, gets tasks of its own.
const LONG_POLL: Duration = Duration::from_micros(100);
/// A poll that is short again.
const SHORT_POLL: Duration = Duration::from_micros(50);
/// Short polls in a row before a method comes back to the connection's task.
const SHORT_COUNT: u32 = 64;
/// One poll counts as at most this: a thread that the kernel paused says little, and one
/// poll alone must not make a method long.
const SAMPLE_MAX: Duration = Duration::from_micros(500);
/// Weight of a new sample: one in this many.
const WEIGHT: u32 = 16;

/// What was measured of one method, on all connections together. Updates may be lost
/// between threads; the next sample makes up for it.
#[derive(Debug, Default)]
pub(crate) struct Load {
    average_ns: AtomicU32,
    short_count: AtomicU32,
    is_long: AtomicBool,
}

impl Load {
    /// Whether the method's handlers should not run on a connection's task.
    pub(crate) fn is_long(&self) -> bool {
        self.is_long.load(Relaxed)
    }

    /// One poll took this long.
    pub(crate) fn record(&self, taken: Duration) {
        let sample = u32::try_from(taken.min(SAMPLE_MAX).as_nanos()).unwrap_or(u32::MAX);
        let before = self.average_ns.load(Relaxed);
        let average = before - before / WEIGHT + sample / WEIGHT;
        self.average_ns.store(average, Relaxed);
        if !self.is_long() {
            let is_long = u128::from(average) > LONG_POLL.as_nanos();
            self.is_long.store(is_long, Relaxed);
        } else if taken > SHORT_POLL {
            self.short_count.store(0, Relaxed);
        } else if self.short_count.fetch_add(1, Relaxed) + 1 >= SHORT_COUNT {
            self.short_count.store(0, Relaxed);
            self.average_ns.store(0, Relaxed);
            self.is_long.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_method_is_found_and_forgiven() {
        let load = Load::default();
        for _ in 0..1000 {
            load.record(Duration::from_micros(20));
        }
        assert!(!load.is_long());
        load.record(Duration::from_millis(50));
        assert!(!load.is_long(), "one may have been a pause of the thread");
        (0..4).for_each(|_| load.record(Duration::from_millis(50)));
        assert!(load.is_long());
        for _ in 0..SHORT_COUNT - 1 {
            load.record(Duration::from_micros(5));
        }
        assert!(load.is_long());
        load.record(Duration::from_micros(5));
        assert!(!load.is_long());
    }
}
