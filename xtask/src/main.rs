//! The project's automation: `cargo xtask`.

mod checks;
mod install;
mod process;
mod report;
mod suites;
mod tidy;
mod workspace;

use std::process::{Command, ExitCode};
use std::thread;

use install::{Installed, Tool};
use report::Report;
use workspace::Workspace;

const USAGE: &str = "\
cargo xtask COMMAND

  test              everything: formatting, lints, tidy, tests, features, other people's suites
  tidy              the house rules that no compiler checks
  interop [--dev] [SUITE…]
                    other people's suites against Tramline, all or the named ones;
                    --dev builds ours for development, which is sooner there
  peers             other people's interop programs among themselves
  bench [OPTION…]   what a call costs, ours and the rivals'; --quick for daily work
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut workspace = Workspace::here();
    let result = match words.as_slice() {
        ["test"] => Ok(test(&workspace)),
        ["tidy"] => tidy(&workspace),
        ["interop", "--dev", names @ ..] => {
            workspace.is_dev = true;
            interop(&workspace, names)
        }
        ["interop", names @ ..] => interop(&workspace, names),
        ["peers"] => Ok(peers(&workspace)),
        ["bench", options @ ..] => bench(&workspace, options),
        _ => Err(format!("{USAGE}\nsuites: {}", suites::names().join(" "))),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tidy(workspace: &Workspace) -> Result<bool, String> {
    let outcome = tidy::run(&workspace.root)?;
    println!("tidy: {} files, {} findings", outcome.file_count, outcome.finding_count);
    Ok(outcome.finding_count == 0)
}

/// The one command. Downloads and foreign builds go on beside our own.
fn test(workspace: &Workspace) -> bool {
    let installed = Installed::default();
    let mut report = Report::default();
    thread::scope(|scope| {
        scope.spawn(|| installed.install(workspace, Tool::ALL));
        checks::run(workspace, &mut report);
        run_suites(workspace, &installed, &[], &mut report);
    });
    report.close(is_ci())
}

fn interop(workspace: &Workspace, names: &[&str]) -> Result<bool, String> {
    if let Some(unknown) = names.iter().find(|name| !suites::names().contains(name)) {
        return Err(format!("no suite `{unknown}`; there are: {}", suites::names().join(" ")));
    }
    let installed = Installed::default();
    let mut report = Report::default();
    thread::scope(|scope| {
        scope.spawn(|| installed.install(workspace, &suites::needs(names)));
        run_suites(workspace, &installed, names, &mut report);
    });
    Ok(report.close(is_ci()))
}

fn peers(workspace: &Workspace) -> bool {
    let installed = Installed::default();
    let mut report = Report::default();
    installed.install(workspace, Tool::ALL);
    suites::run_peers(workspace, &installed, &mut report);
    report.close(is_ci())
}

/// The benchmark is a workspace of its own, so that rivals' dependencies stay out of ours.
fn bench(workspace: &Workspace, options: &[&str]) -> Result<bool, String> {
    let manifest = workspace.root.join("bench/Cargo.toml");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--release", "--manifest-path"])
        .arg(manifest)
        .args(["-p", "runner", "--"])
        .args(options)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    Ok(status.success())
}

fn run_suites(workspace: &Workspace, installed: &Installed, names: &[&str], report: &mut Report) {
    if !suites::run_programs(names) {
        return suites::run(workspace, installed, names, report);
    }
    println!("== build of the programs under test");
    match checks::build_programs(workspace) {
        Ok(()) => suites::run(workspace, installed, names, report),
        Err(error) => suites::fail(error, report),
    }
}

/// Where a suite that was skipped counts as failed.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
