//! connectrpc's conformance suite, all of its gRPC cases.

use std::time::Duration;

use crate::process::{Command, tail};
use crate::report::Counts;
use crate::workspace::Workspace;

/// Cases of the suite's pinned version under interop/conformance.yaml, which may not
/// get fewer unseen.
const SERVER_CASES: usize = 1278;
const CLIENT_CASES: usize = 1490;
const TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn run_server(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, "server", SERVER_CASES)
}

pub(super) fn run_client(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, "client", CLIENT_CASES)
}

fn run(workspace: &Workspace, mode: &str, case_count: usize) -> Result<Counts, String> {
    let command = Command::new(workspace.foreign("connectconformance"));
    let command = command.argument("--conf").argument(workspace.root.join("interop/conformance.yaml"));
    let command = command.arguments(&["--mode", mode, "--"]).argument(workspace.ours(&format!("conformance-{mode}")));
    let ended = command.timeout(TIMEOUT).run(&workspace.log(&format!("conformance-{mode}")))?;
    let Some((passed, failed)) = totals(&ended.output) else {
        return Err(format!("no totals:\n{}", tail(&ended.output, 20)));
    };
    let mut counts = Counts::passed(passed);
    counts.failures.extend(failures(&ended.output).take(failed));
    if passed + failed != case_count {
        counts.failures.push(format!("{} cases ran, not {case_count}", passed + failed));
    }
    if counts.failures.is_empty() && !ended.is_success {
        counts.failures.push(tail(&ended.output, 20));
    }
    Ok(counts)
}

/// The runner ends with `N passed, N failed`.
fn totals(output: &str) -> Option<(usize, usize)> {
    output.lines().rev().find_map(|line| {
        let (passed, rest) = line.split_once(" passed, ")?;
        let failed = rest.split_once(" failed")?.0;
        Some((passed.trim().parse().ok()?, failed.trim().parse().ok()?))
    })
}

fn failures(output: &str) -> impl Iterator<Item = String> + '_ {
    output.lines().filter_map(|line| line.strip_prefix("FAILED: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_closing_lines_are_read() {
        let output = "FAILED: a/b:\n\terror\nTotal cases: 3\n2 passed, 1 failed\n";
        assert_eq!(totals(output), Some((2, 1)));
        assert_eq!(failures(output).collect::<Vec<_>>(), ["a/b:"]);
    }
}
