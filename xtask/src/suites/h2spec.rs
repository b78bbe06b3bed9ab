//! h2spec, strict, against a plain handler behind Tramline's own driver.

use std::time::Duration;

use crate::process::{Command, tail};
use crate::report::Counts;
use crate::workspace::Workspace;

/// Cases of strict mode in the pinned version.
const CASES: usize = 146;
/// An orderly close is half of the score and a matter of luck elsewhere: once is not enough.
const RUNS: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(300);
const START_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let port = workspace.free_port()?;
    let mut target = Command::new(workspace.ours("h2spec-target")).argument("--port").argument(port.to_string());
    let mut running = target.start(&workspace.log("h2spec-target"))?;
    running.wait_for_port(port, START_TIMEOUT)?;
    let mut counts = Counts::default();
    for number in 1..=RUNS {
        let passed = run_once(workspace, port)?;
        counts.passed += passed.passed;
        counts.failures.extend(passed.failures.into_iter().map(|failure| format!("run {number}: {failure}")));
    }
    counts.note = format!("{RUNS} runs of {CASES} cases");
    Ok(counts)
}

fn run_once(workspace: &Workspace, port: u16) -> Result<Counts, String> {
    let command = Command::new(workspace.foreign("h2spec")).arguments(&["-h", "127.0.0.1", "-o", "2", "-S", "-p"]);
    let ended = command.argument(port.to_string()).timeout(TIMEOUT).run(&workspace.log("h2spec"))?;
    let Some(totals) = totals(&ended.output) else {
        return Err(format!("no totals:\n{}", tail(&ended.output, 20)));
    };
    let mut counts = Counts::passed(totals.passed);
    if totals.passed != CASES {
        counts.failures = failures(&ended.output);
        counts.failures.push(format!("{totals:?}, wanted {CASES} passed"));
    }
    Ok(counts)
}

#[derive(Debug, PartialEq)]
struct Totals {
    passed: usize,
    skipped: usize,
    failed: usize,
}

/// `146 tests, 146 passed, 0 skipped, 0 failed`
fn totals(output: &str) -> Option<Totals> {
    let line = output.lines().rev().find(|line| line.contains(" tests, "))?;
    let mut numbers = line.split(", ").map(|part| part.split(' ').next().and_then(|number| number.parse().ok()));
    let (_tests, passed, skipped, failed) = (numbers.next()?, numbers.next()??, numbers.next()??, numbers.next()??);
    Some(Totals { passed, skipped, failed })
}

fn failures(output: &str) -> Vec<String> {
    output.lines().filter(|line| line.trim_start().starts_with('×')).map(|line| line.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_read() {
        let output = "  × 3: bad\n\n146 tests, 145 passed, 0 skipped, 1 failed\n";
        assert_eq!(totals(output), Some(Totals { passed: 145, skipped: 0, failed: 1 }));
        assert_eq!(failures(output), ["× 3: bad"]);
    }
}
