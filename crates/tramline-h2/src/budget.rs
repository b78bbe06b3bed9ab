//! The ledger: time-decayed buckets, one for each kind of cost that a peer can provoke.

use core::time::Duration;

use crate::error::ConnectionError;
use crate::limits::Limits;

/// What a peer can be charged for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cost {
    /// A reset before a response, or a stream error of the peer's making.
    Reset,
    Ping,
    Settings,
    EmptyData,
    /// PRIORITY, unknown and other frames without effect.
    Ignored,
    WindowUpdate,
}

const COST_COUNT: usize = 6;

/// Parts of a token, so that a refill of less than one counts.
const TOKEN: u64 = 1_000_000;

/// A token bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In millionths of a token.
    level: u64,
    capacity: u64,
    refill_per_s: u32,
    refilled_at: Duration,
}

impl Bucket {
    const fn new(capacity: u32, refill_per_s: u32, now: Duration) -> Self {
        let capacity = capacity as u64 * TOKEN;
        Bucket { level: capacity, capacity, refill_per_s, refilled_at: now }
    }

    fn take(&mut self, now: Duration) -> bool {
        if now > self.refilled_at {
            self.refill(now);
        }
        match self.level.checked_sub(TOKEN) {
            Some(level) => {
                self.level = level;
                true
            }
            None => false,
        }
    }

    /// A microsecond brings as many millionths as a second brings tokens.
    fn refill(&mut self, now: Duration) {
        let elapsed = u64::try_from(now.saturating_sub(self.refilled_at).as_micros()).unwrap_or(u64::MAX);
        let due = elapsed.saturating_mul(u64::from(self.refill_per_s));
        self.level = self.level.saturating_add(due).min(self.capacity);
        // What is less than a microsecond counts next time.
        self.refilled_at = self.refilled_at.saturating_add(Duration::from_micros(elapsed));
    }

    fn give(&mut self, count: u64) {
        self.level = (self.level + count * TOKEN).min(self.capacity);
    }
}

/// All buckets of one connection.
#[derive(Debug)]
pub(crate) struct Ledger {
    buckets: [Bucket; COST_COUNT],
}

impl Ledger {
    pub(crate) fn new(limits: &Limits, now: Duration) -> Self {
        Ledger {
            buckets: [
                Bucket::new(limits.reset_burst, limits.reset_refill_per_s, now),
                Bucket::new(limits.ping_burst, limits.ping_refill_per_s, now),
                Bucket::new(limits.settings_burst, limits.settings_refill_per_s, now),
                Bucket::new(limits.empty_data_burst, limits.empty_data_refill_per_s, now),
                Bucket::new(limits.ignored_burst, limits.ignored_refill_per_s, now),
                Bucket::new(limits.window_update_burst, limits.window_update_refill_per_s, now),
            ],
        }
    }

    /// Takes one unit, or names the budget that is spent.
    pub(crate) fn charge(&mut self, cost: Cost, now: Duration) -> Result<(), ConnectionError> {
        if self.buckets[cost as usize].take(now) {
            return Ok(());
        }
        Err(ConnectionError::budget(match cost {
            Cost::Reset => "too many resets",
            Cost::Ping => "too_many_pings",
            Cost::Settings => "too many SETTINGS frames",
            Cost::EmptyData => "too many empty DATA frames",
            Cost::Ignored => "too many frames without effect",
            Cost::WindowUpdate => "too many WINDOW_UPDATE frames",
        }))
    }

    /// Gives units back: good behaviour pays for itself.
    pub(crate) fn refund(&mut self, cost: Cost, count: u64) {
        self.buckets[cost as usize].give(count);
    }

    /// We sent a DATA frame. The peer may answer it with an update of either window, and
    /// with a PING to measure the path.
    pub(crate) fn refund_frame_sent(&mut self) {
        self.refund(Cost::WindowUpdate, 2);
        self.refund(Cost::Ping, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(ledger: &mut Ledger, count: u32, now: Duration) -> u32 {
        (0..count).filter(|_| ledger.charge(Cost::Reset, now).is_ok()).count() as u32
    }

    #[test]
    fn a_burst_is_allowed_then_the_rate() {
        let limits = Limits::default();
        let mut ledger = Ledger::new(&limits, Duration::ZERO);
        assert_eq!(spend(&mut ledger, 1000, Duration::ZERO), limits.reset_burst);
        assert_eq!(spend(&mut ledger, 1000, Duration::from_secs(1)), limits.reset_refill_per_s);
    }

    #[test]
    fn a_long_rest_brings_one_burst_and_no_more() {
        let limits = Limits::default();
        let mut ledger = Ledger::new(&limits, Duration::ZERO);
        assert_eq!(spend(&mut ledger, 10, Duration::from_secs(1000)), 10);
        assert_eq!(spend(&mut ledger, 2000, Duration::from_secs(3600)), limits.reset_burst);
        assert_eq!(spend(&mut ledger, 10, Duration::from_secs(3600)), 0);
    }

    #[test]
    fn charges_faster_than_the_clock_ticks_do_not_stop_the_refill() {
        let mut ledger = Ledger::new(&Limits::default(), Duration::ZERO);
        spend(&mut ledger, 400, Duration::ZERO);
        let passed = (0..2_000_000u64).filter(|n| ledger.charge(Cost::Reset, Duration::from_nanos(500 * n)).is_ok());
        assert_eq!(passed.count(), 99);
    }

    #[test]
    fn steady_cancels_at_the_refill_rate_never_run_dry() {
        let limits = Limits::default();
        let mut ledger = Ledger::new(&limits, Duration::ZERO);
        for tick in 0..6000u64 {
            assert!(ledger.charge(Cost::Reset, Duration::from_millis(10 * tick)).is_ok());
        }
    }

    #[test]
    fn completed_calls_pay_for_cancels() {
        let mut ledger = Ledger::new(&Limits::default(), Duration::ZERO);
        for _ in 0..100_000 {
            (0..5).for_each(|_| ledger.refund(Cost::Reset, 1));
            assert!(ledger.charge(Cost::Reset, Duration::ZERO).is_ok());
        }
    }

    #[test]
    fn the_error_names_the_budget() {
        let mut ledger =
            Ledger::new(&Limits { ping_burst: 0, ping_refill_per_s: 0, ..Limits::default() }, Duration::ZERO);
        let error = ledger.charge(Cost::Ping, Duration::from_secs(9)).unwrap_err();
        assert_eq!(error.detail(), "too_many_pings");
        assert_eq!(error.reason(), crate::Reason::ENHANCE_YOUR_CALM);
    }
}
