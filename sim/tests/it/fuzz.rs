//! The fuzz drivers on random octets, for a bounded time: 20 s in CI, 2 s elsewhere,
//! or `TRAMLINE_FUZZ_SECONDS`. `TRAMLINE_FUZZ_SEED` starts from a seed that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

fn seconds() -> u64 {
    let chosen = std::env::var("TRAMLINE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    chosen.unwrap_or(if std::env::var("CI").is_ok_and(|value| value == "true") { 20 } else { 2 })
}

/// Runs `driver` on random octets until the time is over.
fn fuzz(name: &str, len_max: usize, driver: impl Fn(&[u8])) {
    let until = Instant::now() + Duration::from_secs(seconds());
    let first = std::env::var("TRAMLINE_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    let mut seed: u64 = first.unwrap_or_else(|| fastrand::u64(..));
    let mut count = 0u64;
    while count == 0 || Instant::now() < until {
        let mut rng = fastrand::Rng::with_seed(seed);
        let len = rng.usize(..len_max);
        let octets: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| driver(&octets))) {
            eprintln!("{name}: seed {seed} fails; TRAMLINE_FUZZ_SEED={seed} replays it");
            std::panic::resume_unwind(panic);
        }
        seed = seed.wrapping_add(1);
        count += 1;
    }
    println!("{name}: {count} executions, no failure");
}

#[test]
fn operations() {
    fuzz("operations", 4_000, |octets| {
        sim::operations::run(octets);
    });
}

#[test]
fn octets() {
    fuzz("octets", 1_000, sim::octets::run);
}

#[test]
fn hpack() {
    fuzz("hpack", 600, sim::octets::run_hpack);
}
