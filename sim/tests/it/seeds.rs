//! Ten thousand seeds. `TRAMLINE_SIM_SEEDS=FIRST..LAST` chooses others.

use sim::{Failure, Outcome};

fn range() -> std::ops::Range<u64> {
    let chosen = std::env::var("TRAMLINE_SIM_SEEDS").ok();
    let parsed = chosen.as_deref().and_then(|text| {
        let (first, last) = text.split_once("..")?;
        Some(first.parse().ok()?..last.parse().ok()?)
    });
    assert!(chosen.is_none() || parsed.is_some(), "TRAMLINE_SIM_SEEDS is FIRST..LAST");
    parsed.unwrap_or(0..10_000)
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = range();
    let middle = seeds.start + (seeds.end - seeds.start) / 2;
    let half = |seeds: std::ops::Range<u64>| {
        move || -> Vec<Result<Outcome, Failure>> { seeds.map(|seed| sim::run(seed, false)).collect() }
    };
    let other = std::thread::spawn(half(middle..seeds.end));
    let mut results = half(seeds.start..middle)();
    results.extend(other.join().expect("the other half"));
    let mut sum = Outcome::default();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(outcome) => sum.add(&outcome),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    println!("{sum:?}");
    assert!(failures.is_empty(), "{} seeds failed:\n{}", failures.len(), failures.join("\n"));
    // A simulation in which nothing happens proves nothing.
    if seeds == (0..10_000) {
        assert!(sum.complete_count > 50_000 && sum.octet_count > 500_000_000, "{sum:?}");
        assert!(sum.reset_count > 5_000 && sum.cancelled_count > 2_000 && sum.lost_count > 2_000, "{sum:?}");
    }
}
