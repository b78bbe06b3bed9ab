//! When a batch of handlers has had its time on the connection's task.

use std::time::Duration;

use crate::clock::Clock;
use crate::server::load::Load;

/// The time of one batch. What is left after it moves to other tasks.
const BATCH_TIME_MAX: Duration = Duration::from_micros(200);
/// Handlers shorter than this, on average, are not worth a task, however many they are.
const POLL_WORTH_A_TASK: Duration = Duration::from_micros(10);
/// The clock is read after this many polls of a batch, after twice as many, and so on; from
/// some number on, whenever as many are over.
const SAMPLE_INTERVAL_MIN: u32 = 4;
const SAMPLE_INTERVAL_MAX: u32 = 16;
/// Polls that are measured one by one after a batch was too long.
const WATCHED_COUNT: u32 = 64;

/// The time that a connection's handlers use, measured with few looks at the clock.
///
/// A batch that was long is only a suspicion: the kernel may have paused the thread. It
/// makes the next polls be measured one by one, and these alone decide.
#[derive(Debug, Default)]
pub(super) struct PollBudget {
    started: Duration,
    poll_count: u32,
    /// The clock is read after this poll.
    sampled_poll: u32,
    /// What was measured in this batch.
    measured: Duration,
    is_spent: bool,
    watched_left: u32,
}

impl PollBudget {
    /// A turn begins. Unless the connection was parked, what passed since the one before
    /// was its work.
    pub(super) fn handle_turn(&mut self, now: Duration, is_first: bool) {
        if !is_first && self.poll_count > 0 {
            self.suspect(now);
        }
        self.started = now;
        self.poll_count = 0;
        self.sampled_poll = SAMPLE_INTERVAL_MIN;
        self.measured = Duration::ZERO;
        self.is_spent = false;
    }

    /// The batch is over, and no turn follows that would tell how long it was.
    #[inline]
    pub(super) fn handle_park(&mut self, clock: &Clock) {
        if self.poll_count > 0 {
            self.suspect(clock.now());
        }
    }

    /// Whether handlers should move to other tasks until the batch is over.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// When a poll begins that is to be measured by itself.
    #[inline(always)]
    pub(super) fn start_poll(&self, clock: &Clock) -> Option<Duration> {
        (self.watched_left > 0).then(|| clock.now())
    }

    /// A poll is over.
    #[inline(always)]
    pub(super) fn finish_poll(&mut self, started: Option<Duration>, clock: &Clock, load: &Load) {
        self.poll_count += 1;
        if started.is_some() || self.poll_count == self.sampled_poll {
            self.sample(started, clock.now(), load);
        }
    }

    #[inline(never)]
    fn sample(&mut self, started: Option<Duration>, now: Duration, load: &Load) {
        match started {
            Some(started) => self.judge(now.saturating_sub(started), load),
            None => self.suspect(now),
        }
        if self.poll_count == self.sampled_poll {
            self.sampled_poll += self.sampled_poll.min(SAMPLE_INTERVAL_MAX);
        }
    }

    fn judge(&mut self, taken: Duration, load: &Load) {
        load.record(taken);
        self.measured += taken;
        self.watched_left -= 1;
        if self.is_long(self.measured) {
            self.is_spent = true;
            self.watched_left = WATCHED_COUNT;
        }
    }

    fn suspect(&mut self, now: Duration) {
        if self.is_long(now.saturating_sub(self.started)) {
            self.watched_left = WATCHED_COUNT;
        }
    }

    fn is_long(&self, taken: Duration) -> bool {
        taken > BATCH_TIME_MAX && taken > POLL_WORTH_A_TASK * self.poll_count
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::clock::{Sleep, TimeSource};

    struct Hand(Arc<AtomicU64>);

    impl TimeSource for Hand {
        fn now(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::Relaxed))
        }

        fn sleep_until(&self, _at: Duration) -> Sleep {
            Box::pin(std::future::pending())
        }
    }

    struct Bench {
        budget: PollBudget,
        clock: Clock,
        hand: Arc<AtomicU64>,
        load: Load,
    }

    impl Bench {
        fn new() -> Self {
            let hand = Arc::new(AtomicU64::new(0));
            let clock = Clock::custom(Hand(Arc::clone(&hand)));
            Bench { budget: PollBudget::default(), clock, hand, load: Load::default() }
        }

        fn pass(&self, micros: u64) {
            self.hand.fetch_add(micros, Ordering::Relaxed);
        }

        fn turn(&mut self) {
            self.budget.handle_turn(self.clock.now(), false);
        }

        fn poll(&mut self, micros: u64) {
            let started = self.budget.start_poll(&self.clock);
            self.pass(micros);
            self.budget.finish_poll(started, &self.clock, &self.load);
        }

        /// One poll, behind which the connection rests.
        fn poll_alone(&mut self, micros: u64) {
            self.budget.handle_turn(self.clock.now(), true);
            self.poll(micros);
            self.budget.handle_park(&self.clock);
            self.pass(100_000);
        }
    }

    #[test]
    fn many_short_polls_stay() {
        let mut bench = Bench::new();
        for _ in 0..100 {
            bench.turn();
            (0..1000).for_each(|_| bench.poll(2));
            assert!(!bench.budget.is_spent());
        }
        assert!(!bench.load.is_long());
    }

    #[test]
    fn a_pause_of_the_thread_spends_nothing() {
        let mut bench = Bench::new();
        for _ in 0..100 {
            bench.turn();
            (0..20).for_each(|_| bench.poll(1));
            bench.pass(5000);
            (0..20).for_each(|_| bench.poll(1));
            assert!(!bench.budget.is_spent());
        }
        assert!(!bench.load.is_long());
    }

    #[test]
    fn long_polls_spend_the_batch_and_mark_their_method() {
        let mut bench = Bench::new();
        bench.turn();
        (0..4).for_each(|_| bench.poll(100));
        assert!(!bench.budget.is_spent(), "the first batch is only a suspicion");
        (0..3).for_each(|_| bench.poll(100));
        assert!(bench.budget.is_spent());
        bench.turn();
        assert!(!bench.budget.is_spent(), "each batch begins anew");
        (0..10).for_each(|_| bench.poll(1000));
        assert!(bench.load.is_long());
    }

    #[test]
    fn a_long_batch_is_suspected_while_it_lasts() {
        for micros in [25, 100] {
            let mut bench = Bench::new();
            bench.turn();
            (0..64).for_each(|_| bench.poll(micros));
            assert!(bench.budget.is_spent(), "{micros}");
        }
    }

    #[test]
    fn one_long_poll_before_the_connection_parks_is_found() {
        let mut bench = Bench::new();
        (0..8).for_each(|_| bench.poll_alone(5000));
        assert!(bench.load.is_long());
    }

    #[test]
    fn a_connection_that_was_parked_is_not_suspected() {
        let mut bench = Bench::new();
        (0..100).for_each(|_| bench.poll_alone(1));
        assert!(!bench.load.is_long());
    }

    #[test]
    fn one_long_poll_in_a_turn_is_found_without_a_sample() {
        let mut bench = Bench::new();
        for _ in 0..8 {
            bench.turn();
            bench.poll(5000);
        }
        assert!(bench.load.is_long());
    }
}
