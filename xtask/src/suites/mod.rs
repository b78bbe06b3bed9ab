//! Suites that other people wrote, run against Tramline.

mod conformance;
mod greeter;
mod h2spec;
mod hpack;
mod instructions;
mod matrix;
mod memory;
mod protoc;
mod tools;

use std::time::{Duration, Instant};

use crate::install::{Installed, Tool};
use crate::report::{Counts, Ending, Report};
use crate::workspace::Workspace;

/// A suite: its name, what it needs, how it is run.
struct Suite {
    name: &'static str,
    needs: &'static [Tool],
    run: fn(&Workspace) -> Result<Counts, String>,
}

const SUITES: &[Suite] = &[
    Suite { name: "instructions", needs: &[Tool::Callgrind], run: instructions::run },
    Suite { name: "protoc", needs: &[Tool::Python], run: protoc::run },
    Suite { name: "memory", needs: &[], run: memory::run },
    Suite { name: "greeter", needs: &[Tool::Python, Tool::Node], run: greeter::run },
    Suite { name: "tools", needs: &[Tool::GoTools], run: tools::run },
    Suite { name: "own", needs: &[Tool::Certificates], run: matrix::run_own },
    Suite {
        name: "go",
        needs: &[Tool::GoInterop, Tool::JavaInterop, Tool::Node, Tool::Certificates],
        run: matrix::run_go,
    },
    Suite { name: "java", needs: &[Tool::JavaInterop, Tool::Node, Tool::Certificates], run: matrix::run_java },
    Suite { name: "python", needs: &[Tool::Python, Tool::Certificates], run: matrix::run_python },
    Suite { name: "node", needs: &[Tool::Node, Tool::GoInterop, Tool::Certificates], run: matrix::run_node },
    Suite { name: "conformance-server", needs: &[Tool::Conformance], run: conformance::run_server },
    Suite { name: "conformance-client", needs: &[Tool::Conformance], run: conformance::run_client },
    Suite { name: "hpack", needs: &[Tool::Python, Tool::Nghttp2], run: hpack::run },
    Suite { name: "h2spec", needs: &[Tool::GoTools], run: h2spec::run },
];

/// The names of all suites.
pub(crate) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

/// What the suites of these names need; no name stands for all.
pub(crate) fn needs(names: &[&str]) -> Vec<Tool> {
    let wanted: Vec<Tool> = chosen(names).flat_map(|suite| suite.needs.iter().copied()).collect();
    Tool::ALL.iter().copied().filter(|tool| wanted.contains(tool)).collect()
}

fn chosen<'n>(names: &'n [&str]) -> impl Iterator<Item = &'static Suite> + use<'n> {
    SUITES.iter().filter(move |suite| names.is_empty() || names.contains(&suite.name))
}

/// Whether a suite of these names runs programs of ours; the others bring their own.
pub(crate) fn run_programs(names: &[&str]) -> bool {
    chosen(names).any(|suite| !["instructions", "protoc"].contains(&suite.name))
}

/// Runs the suites of these names, each when its programs are there.
pub(crate) fn run(workspace: &Workspace, installed: &Installed, names: &[&str], report: &mut Report) {
    for suite in chosen(names) {
        println!("== {}", suite.name);
        let ready = installed.wait_for(suite.needs);
        let begin = Instant::now();
        let ending = match ready {
            Err(reason) => Ending::Skipped(reason),
            Ok(()) => Ending::Ran((suite.run)(workspace).unwrap_or_else(failed)),
        };
        report.add(suite.name, ending, begin.elapsed());
    }
    matrix::print();
}

/// The foreign interop programs among themselves.
pub(crate) fn run_peers(workspace: &Workspace, installed: &Installed, report: &mut Report) {
    let needs = [Tool::GoInterop, Tool::JavaInterop, Tool::Python, Tool::Node, Tool::Certificates];
    let begin = Instant::now();
    let ending = match installed.wait_for(&needs) {
        Err(reason) => Ending::Skipped(reason),
        Ok(()) => Ending::Ran(matrix::run_peers(workspace).unwrap_or_else(failed)),
    };
    report.add("peers", ending, begin.elapsed());
    matrix::print();
}

/// Without programs there is nothing to run.
pub(crate) fn fail(error: String, report: &mut Report) {
    report.add("build", Ending::Ran(failed(error)), Duration::ZERO);
}

fn failed(error: String) -> Counts {
    Counts { failures: vec![error], ..Counts::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_asks_for_its_own_tools_only() {
        assert_eq!(needs(&["h2spec"]), [Tool::GoTools]);
        assert_eq!(needs(&[]).len(), Tool::ALL.len());
    }
}
