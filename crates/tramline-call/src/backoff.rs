//! When to try to connect again (gRPC connection-backoff).

use core::time::Duration;

/// How long to wait between attempts to connect.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BackoffPolicy {
    /// From the start of the first attempt to the start of the second.
    pub initial: Duration,
    /// Growth from attempt to attempt.
    pub multiplier: f64,
    /// Longest wait.
    pub max: Duration,
    /// The share of each wait by which it varies, up or down.
    pub jitter: f64,
    /// The least time that an attempt gets to succeed.
    pub connect_timeout_min: Duration,
}

impl Default for BackoffPolicy {
    /// What the gRPC document recommends: 1 s, 1.6, 120 s, 0.2, 20 s.
    fn default() -> Self {
        BackoffPolicy {
            initial: Duration::from_secs(1),
            multiplier: 1.6,
            max: Duration::from_secs(120),
            jitter: 0.2,
            connect_timeout_min: Duration::from_secs(20),
        }
    }
}

/// One attempt to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// When the attempt has failed if it has not succeeded.
    pub expires_at: Duration,
    /// When the next attempt may begin, if this one fails.
    pub retry_at: Duration,
}

/// The backoff of one address. Time is a `Duration` since the caller's epoch; chance is
/// the caller's too.
///
/// ```
/// use core::time::Duration;
/// use tramline_call::backoff::Backoff;
///
/// let mut backoff = Backoff::default();
/// let attempt = backoff.begin_attempt(Duration::ZERO, 0.5);
/// assert_eq!(attempt.retry_at, Duration::from_secs(1));
/// assert_eq!(attempt.expires_at, Duration::from_secs(20));
/// ```
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Backoff {
    policy: BackoffPolicy,
    /// The wait of the attempt before, if it failed.
    current: Option<Duration>,
}

impl Backoff {
    /// A backoff by `policy`.
    #[must_use]
    pub const fn new(policy: BackoffPolicy) -> Self {
        Backoff { policy, current: None }
    }

    /// An attempt begins at `now`; `random` is uniform in `0.0..1.0`.
    pub fn begin_attempt(&mut self, now: Duration, random: f64) -> Attempt {
        let policy = &self.policy;
        let wait = match self.current {
            None => policy.initial,
            Some(current) => scaled(current, policy.multiplier),
        }
        .min(policy.max);
        // The document gives the first wait no jitter; without it, clients that lost one
        // server come back together.
        let factor = 1.0 + policy.jitter * (random.clamp(0.0, 1.0) * 2.0 - 1.0);
        self.current = Some(wait);
        let retry_at = now.saturating_add(scaled(wait, factor));
        Attempt { expires_at: retry_at.max(now.saturating_add(policy.connect_timeout_min)), retry_at }
    }

    /// A connection was of use; or the user asked to forget the failures: the next attempt
    /// is a first one.
    pub fn reset(&mut self) {
        self.current = None;
    }
}

/// `duration * factor`, at most the longest duration.
fn scaled(duration: Duration, factor: f64) -> Duration {
    let seconds = duration.as_secs_f64() * factor;
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}
