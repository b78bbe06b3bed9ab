//! Waiting between attempts to connect.

use std::time::Duration;

use tramline_call::backoff::{Backoff, BackoffPolicy};

const MIDDLE: f64 = 0.5;

/// Waits of `count` attempts that begin one after another, each as soon as it may.
fn waits(backoff: &mut Backoff, count: usize, random: f64) -> Vec<f64> {
    let mut now = Duration::ZERO;
    let one = |_| {
        let attempt = backoff.begin_attempt(now, random);
        let wait = attempt.retry_at - now;
        now = attempt.retry_at;
        wait.as_secs_f64()
    };
    (0..count).map(one).collect()
}

#[test]
fn waits_grow_to_the_longest() {
    let waits = waits(&mut Backoff::default(), 14, MIDDLE);
    let mut expected: f64 = 1.0;
    for wait in waits {
        assert!((wait - expected).abs() < 1e-6, "{wait} instead of {expected}");
        expected = (expected * 1.6).min(120.0);
    }
    assert_eq!(expected, 120.0);
}

#[test]
fn waits_vary_by_a_fifth() {
    let least = waits(&mut Backoff::default(), 12, 0.0);
    let most = waits(&mut Backoff::default(), 12, 1.0);
    let middle = waits(&mut Backoff::default(), 12, MIDDLE);
    for ((least, most), middle) in least.iter().zip(&most).zip(&middle) {
        assert!((least / middle - 0.8).abs() < 1e-6 && (most / middle - 1.2).abs() < 1e-6, "{least} {middle} {most}");
    }
}

#[test]
fn an_attempt_has_its_time_whatever_the_backoff() {
    let mut backoff = Backoff::default();
    let now = Duration::from_secs(1000);
    let attempt = backoff.begin_attempt(now, MIDDLE);
    assert_eq!(attempt.expires_at, now + Duration::from_secs(20));
    assert_eq!(attempt.retry_at, now + Duration::from_secs(1));
    let last = (0..20).map(|_| backoff.begin_attempt(now, MIDDLE)).last().unwrap();
    assert_eq!(last.expires_at, now + Duration::from_secs(120));
}

#[test]
fn a_connection_ends_the_backoff() {
    let mut backoff = Backoff::default();
    waits(&mut backoff, 5, MIDDLE);
    backoff.reset();
    assert_eq!(waits(&mut backoff, 1, MIDDLE), [1.0]);
}

#[test]
fn extreme_policies_and_times_do_not_overflow() {
    let policy = BackoffPolicy {
        initial: Duration::MAX,
        multiplier: f64::MAX,
        max: Duration::MAX,
        jitter: 1.0,
        connect_timeout_min: Duration::MAX,
    };
    let mut backoff = Backoff::new(policy);
    for random in [0.0, 0.5, 1.0, -1.0, 2.0, f64::NAN] {
        let attempt = backoff.begin_attempt(Duration::MAX, random);
        assert_eq!(attempt.expires_at, Duration::MAX);
    }
}
