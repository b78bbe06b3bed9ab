//! When a batch of handlers has had its time on the connection's task.

use std::time::Duration;

use crate::clock::Clock;
use crate::server::load::Load;

/// The time of one batch. What is left after it moves to other tasks.
const BATCH_TIME_MAX: Duration = Duration::from_micros(200);
/// Handlers shorter than this, on average, are not worth a task, however many they are.
const POLL_WORTH_A_TASK: Duration = Duration::from_micros(10);
/// The clock is read after this many polls.
const SAMPLE_INTERVAL: u32 = 4;
/// Polls that are measured one by one after a batch was too long.
const WATCHED_COUNT: u32 = 64;

/// The time that a connection's handlers use, measured with few looks at the clock.
#[derive(Debug, Default)]
pub(super) struct PollBudget {
    started: Duration,
    poll_count: u32,
    is_spent: bool,
    watched_left: u32,
}

impl PollBudget {
    /// A turn begins. Unless the connection was parked, what passed since the one before
    /// was its work.
    pub(super) fn handle_turn(&mut self, now: Duration, is_first: bool) {
        if !is_first && self.poll_count > 0 {
            self.judge(now);
        }
        self.started = now;
        self.poll_count = 0;
        self.is_spent = false;
    }

    /// Whether handlers should move to other tasks until the batch is over.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// When a poll begins that is to be measured by itself.
    pub(super) fn start_poll(&self, clock: &Clock) -> Option<Duration> {
        (self.watched_left > 0).then(|| clock.now())
    }

    /// A poll is over.
    pub(super) fn finish_poll(&mut self, started: Option<Duration>, clock: &Clock, load: &Load) {
        self.poll_count += 1;
        if let Some(started) = started {
            self.watched_left -= 1;
            let now = clock.now();
            load.record(now.saturating_sub(started));
            self.judge(now);
        } else if self.poll_count.is_multiple_of(SAMPLE_INTERVAL) {
            self.judge(clock.now());
        }
    }

    fn judge(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.started);
        if elapsed > BATCH_TIME_MAX && elapsed > POLL_WORTH_A_TASK * self.poll_count {
            self.is_spent = true;
            self.watched_left = WATCHED_COUNT;
        }
    }
}
