//! Replays seeds: `cargo run -p sim -- SEED` with a trace, `FIRST..LAST` without.

use std::process::ExitCode;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let (first, last) = match argument.split_once("..") {
        Some((first, last)) => (first.parse(), last.parse()),
        None => (argument.parse(), argument.parse::<u64>().map(|seed| seed + 1)),
    };
    let (Ok(first), Ok(last)) = (first, last) else {
        eprintln!("usage: sim SEED | sim FIRST..LAST");
        return ExitCode::from(2);
    };
    let mut failure_count = 0;
    for seed in first..last {
        match sim::run(seed, last - first == 1) {
            Ok(outcome) if last - first == 1 => println!("{outcome:?}"),
            Ok(_) => {}
            Err(failure) => {
                failure_count += 1;
                eprintln!("{failure}");
            }
        }
    }
    println!("{} seeds, {failure_count} failed", last - first);
    if failure_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
