//! Windows that follow the bandwidth-delay product.
//!
//! One PING measures how much arrives in a round trip. If that is two thirds of the
//! window, and the bandwidth is a new maximum, the window was the limit: double it
//! (the rule of grpc-go's estimator). A PING goes out only when window is being
//! given back, so that idle connections and small calls never cause one.

use core::time::Duration;

/// The payload of the estimator's PING.
pub(crate) const PAYLOAD: [u8; 8] = *b"tram bdp";

#[derive(Debug)]
pub(crate) struct Estimator {
    window_len: u32,
    window_len_max: u32,
    sample_len: u32,
    /// DATA came since the last sample.
    has_new: bool,
    sent_at: Option<Duration>,
    /// Octets per second.
    bandwidth_max: u64,
    round_trip: Option<Duration>,
}

impl Estimator {
    pub(crate) const fn new(window_len: u32, window_len_max: u32) -> Self {
        Estimator {
            window_len,
            window_len_max,
            sample_len: 0,
            has_new: false,
            sent_at: None,
            bandwidth_max: 0,
            round_trip: None,
        }
    }

    /// DATA came: count it while a sample runs.
    pub(crate) fn receive(&mut self, len: u32) {
        self.has_new = true;
        if self.sent_at.is_some() {
            self.sample_len = self.sample_len.saturating_add(len);
        }
    }

    /// Window is being given back: true starts a sample, and a PING is to be sent. Peers
    /// that count PING frames forgive one for each DATA frame that they sent, so no PING
    /// goes out unless DATA came since the last.
    pub(crate) fn start(&mut self, now: Duration) -> bool {
        if self.sent_at.is_some() || !self.has_new || self.window_len >= self.window_len_max {
            return false;
        }
        self.sent_at = Some(now);
        self.sample_len = 0;
        true
    }

    /// The PING came back: the new window, if it has to grow.
    pub(crate) fn finish(&mut self, now: Duration) -> Option<u32> {
        self.has_new = false;
        let elapsed = now.saturating_sub(self.sent_at.take()?).max(Duration::from_micros(1));
        let smoothed = match self.round_trip {
            None => elapsed,
            Some(before) => before - before / 8 + elapsed / 8,
        };
        self.round_trip = Some(smoothed);
        let bandwidth = u128::from(self.sample_len) * 1_000_000 / smoothed.as_micros().max(1);
        let bandwidth = u64::try_from(bandwidth).unwrap_or(u64::MAX);
        let is_limit = u64::from(self.sample_len) * 3 >= u64::from(self.window_len) * 2;
        if !is_limit || bandwidth <= self.bandwidth_max {
            return None;
        }
        self.bandwidth_max = bandwidth;
        self.window_len = self.sample_len.saturating_mul(2).clamp(self.window_len, self.window_len_max);
        Some(self.window_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_in_a_round_trip_doubles_it() {
        let mut estimator = Estimator::new(65_536, 1 << 22);
        assert!(!estimator.start(Duration::ZERO), "nothing came");
        estimator.receive(1);
        assert!(estimator.start(Duration::ZERO));
        assert!(!estimator.start(Duration::ZERO), "one sample at a time");
        estimator.receive(60_000);
        assert_eq!(estimator.finish(Duration::from_millis(10)), Some(120_000));
    }

    #[test]
    fn an_application_limited_sample_changes_nothing() {
        let mut estimator = Estimator::new(65_536, 1 << 22);
        estimator.receive(1);
        assert!(estimator.start(Duration::ZERO));
        estimator.receive(30_000);
        assert_eq!(estimator.finish(Duration::from_millis(10)), None);
    }

    #[test]
    fn the_window_stops_at_its_maximum() {
        let mut estimator = Estimator::new(1 << 20, 1 << 21);
        for step in 1..10u32 {
            estimator.receive(1);
            if estimator.start(Duration::ZERO) {
                estimator.receive((1 << 20) * step);
                let _ = estimator.finish(Duration::from_millis(10));
            }
        }
        assert!(!estimator.start(Duration::ZERO));
        assert_eq!(estimator.window_len, 1 << 21);
    }
}
