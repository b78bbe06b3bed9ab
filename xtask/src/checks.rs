//! What cargo and tidy have to say about the workspace.

use std::time::{Duration, Instant};

use crate::process::tail;
use crate::report::{Counts, Ending, Report};
use crate::tidy;
use crate::workspace::Workspace;

const TIMEOUT: Duration = Duration::from_secs(2400);

/// One check: a name and the words after `cargo`.
type Check = (&'static str, &'static [&'static str]);

const LINTS: &[Check] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
];

/// Feature sets of `tramline` that have to compile alone.
const FEATURES: &[&str] = &["", "buffa", "descriptor", "prost", "tls", "gzip", "deflate", "zstd", "br", "snappy"];

/// Formatting, lints, the house rules, all tests, the feature matrix.
pub(crate) fn run(workspace: &Workspace, report: &mut Report) {
    for (name, arguments) in LINTS {
        time(report, name, || cargo(workspace, name, arguments));
    }
    time(report, "tidy", || tidy_counts(workspace));
    time(report, "cargo test", || tests(workspace));
    time(report, "features", || Ok(features(workspace)));
}

/// Builds the programs that the suites run.
pub(crate) fn build_programs(workspace: &Workspace) -> Result<(), String> {
    let profile = if workspace.is_dev { "dev" } else { "release" };
    let arguments = ["build", "--profile", profile, "--bins", "-p", "interop", "-p", "tramline-cli"];
    let command = workspace.cargo(&arguments).timeout(TIMEOUT);
    command.succeed(&workspace.log("build-programs")).map(drop)
}

fn time(report: &mut Report, name: &str, run: impl FnOnce() -> Result<Counts, String>) {
    println!("== {name}");
    let begin = Instant::now();
    let counts = run().unwrap_or_else(|error| Counts { failures: vec![error], ..Counts::default() });
    report.add(name, Ending::Ran(counts), begin.elapsed());
}

fn cargo(workspace: &Workspace, name: &str, arguments: &[&str]) -> Result<Counts, String> {
    workspace.cargo(arguments).timeout(TIMEOUT).succeed(&workspace.log(&name.replace(' ', "-")))?;
    Ok(Counts::passed(1))
}

fn tidy_counts(workspace: &Workspace) -> Result<Counts, String> {
    let outcome = tidy::run(&workspace.root)?;
    if outcome.finding_count > 0 {
        return Err(format!("{} findings, above", outcome.finding_count));
    }
    Ok(Counts::passed(1))
}

/// All tests, documentation included. prost is on beside the default features, so
/// that both message libraries are tested alike.
fn tests(workspace: &Workspace) -> Result<Counts, String> {
    let arguments = ["test", "--workspace", "--no-fail-fast", "--features", "tramline/prost"];
    let ended = workspace.cargo(&arguments).timeout(TIMEOUT).run(&workspace.log("cargo-test"))?;
    let (passed, failed) = test_totals(&ended.output);
    let mut counts = Counts::passed(passed);
    counts.failures = failed_tests(&ended.output);
    if !ended.is_success && counts.failures.is_empty() {
        counts.failures.push(tail(&ended.output, 40));
    } else if failed > 0 {
        println!("{}", tail(&ended.output, 120));
    }
    Ok(counts)
}

/// Sums `test result: ok. N passed; N failed; …` over all test binaries.
fn test_totals(output: &str) -> (usize, usize) {
    let results = output.lines().filter(|line| line.starts_with("test result: "));
    results.fold((0, 0), |(passed, failed), line| {
        (passed + number_before(line, " passed"), failed + number_before(line, " failed"))
    })
}

fn number_before(line: &str, word: &str) -> usize {
    let before = line.split(word).next().unwrap_or("");
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn failed_tests(output: &str) -> Vec<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    lines.map(str::to_owned).collect()
}

fn features(workspace: &Workspace) -> Counts {
    let mut counts = Counts::default();
    for features in FEATURES {
        let arguments = ["clippy", "-p", "tramline", "--no-default-features", "--features", features];
        let result = workspace.cargo(&[&arguments[..], &["--", "-D", "warnings"]].concat()).timeout(TIMEOUT);
        let result = result.succeed(&workspace.log(&format!("features-{features}"))).map(drop);
        counts.add(&format!("tramline with features [{features}]"), result);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_results_are_summed() {
        let output = "test a ... ok\ntest b::c ... FAILED\ntest result: FAILED. 3 passed; 1 failed; 0 ignored;\n\
                      test result: ok. 4 passed; 0 failed; 2 ignored;\n";
        assert_eq!(test_totals(output), (7, 1));
        assert_eq!(failed_tests(output), ["b::c"]);
    }
}
