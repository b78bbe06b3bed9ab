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

/// A token bucket: `level` tokens are left, `refill_per_s` come back.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u32,
    capacity: u32,
    refill_per_s: u32,
    refilled_at: Duration,
}

impl Bucket {
    const fn new(capacity: u32, refill_per_s: u32, now: Duration) -> Self {
        Bucket { level: capacity, capacity, refill_per_s, refilled_at: now }
    }

    fn take(&mut self, now: Duration) -> bool {
        if self.level == 0 {
            self.refill(now);
        }
        match self.level.checked_sub(1) {
            Some(level) => {
                self.level = level;
                true
            }
            None => false,
        }
    }

    /// Only an empty bucket looks at the clock: a charge is a decrement.
    fn refill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.refilled_at);
        let due = elapsed.as_micros().saturating_mul(u128::from(self.refill_per_s)) / 1_000_000;
        if due > 0 {
            self.level = u32::try_from(due).unwrap_or(u32::MAX).min(self.capacity);
            self.refilled_at = now;
        }
    }

    fn give(&mut self) {
        self.level = (self.level + 1).min(self.capacity);
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

    /// Gives one unit back: good behaviour pays for itself.
    pub(crate) fn refund(&mut self, cost: Cost) {
        self.buckets[cost as usize].give();
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
            (0..5).for_each(|_| ledger.refund(Cost::Reset));
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
