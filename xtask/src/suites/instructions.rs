//! Instructions and allocations per call, held against `bench/instructions/baseline.txt`.
//!
//! A figure that rises by more than one part in a hundred fails, unless the same commit
//! writes the baseline anew. Under another compiler than the baseline's, figures are
//! reported and nothing fails.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::process::Command;
use crate::report::Counts;
use crate::workspace::Workspace;

const BASELINE: &str = "bench/instructions/baseline.txt";
const TIMEOUT: Duration = Duration::from_secs(900);
/// By how much a figure may rise: one part in so many.
const TOLERANCE: f64 = 100.0;
/// With this variable the baseline is written instead of read.
const WRITE: &str = "TRAMLINE_BASELINE";

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let measured = Figures { compiler: compiler()?, scenarios: measure(workspace)? };
    let path = workspace.root.join(BASELINE);
    if std::env::var_os(WRITE).is_some_and(|value| value == "write") {
        fs::write(&path, measured.to_text()).map_err(|error| format!("{BASELINE}: {error}"))?;
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("{BASELINE}: {error}"))?;
    Ok(compare(&Figures::parse(&text)?, &measured))
}

/// All figures, and the compiler for which they hold.
#[derive(Debug, PartialEq)]
struct Figures {
    compiler: String,
    scenarios: Vec<Scenario>,
}

/// What one call of a scenario costs.
#[derive(Debug, Clone, PartialEq)]
struct Scenario {
    name: String,
    instructions: f64,
    allocations: f64,
}

impl Figures {
    fn to_text(&self) -> String {
        let mut text = format!(
            "# What one call costs: `{WRITE}=write cargo xtask interop instructions` writes this file.\n\
             compiler: {}\n{:<40} {:>12} {:>12}\n",
            self.compiler, "scenario", "instructions", "allocations"
        );
        for Scenario { name, instructions, allocations } in &self.scenarios {
            let _ = writeln!(text, "{name:<40} {instructions:>12.1} {allocations:>12.2}");
        }
        text
    }

    fn parse(text: &str) -> Result<Figures, String> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let compiler = lines.next().and_then(|line| line.strip_prefix("compiler: "));
        let compiler = compiler.ok_or_else(|| format!("{BASELINE} names no compiler"))?.to_owned();
        let scenarios = lines.skip(1).map(Scenario::parse).collect::<Option<_>>();
        Ok(Figures { compiler, scenarios: scenarios.ok_or_else(|| format!("a line of {BASELINE} is no scenario"))? })
    }
}

impl Scenario {
    fn parse(line: &str) -> Option<Scenario> {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let (instructions, allocations) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Scenario { name, instructions, allocations })
    }
}

fn compiler() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Command::new(rustc).argument("--version").output().map(|version| version.trim().to_owned())
}

/// Both counts of every scenario; the allocations tell their names and calls.
fn measure(workspace: &Workspace) -> Result<Vec<Scenario>, String> {
    let allocations = bench(workspace, "allocations", &[])?;
    let instructions = bench(workspace, "instructions", &["--output-format=json"])?;
    let mut scenarios = Vec::new();
    for (index, line) in allocations.lines().enumerate() {
        let malformed = || format!("`{line}` is no scenario");
        let mut words = line.split(' ');
        let name = words.next().ok_or_else(malformed)?.to_owned();
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok()).ok_or_else(malformed);
        let (count, allocated) = (number()?, number()?);
        let counted = counted(&instructions, index).ok_or_else(|| format!("{name}: no instructions were counted"))?;
        scenarios.push(Scenario { name, instructions: counted / count, allocations: allocated / count });
    }
    Ok(scenarios)
}

fn bench(workspace: &Workspace, name: &str, arguments: &[&str]) -> Result<String, String> {
    let bench = ["bench", "-q", "--manifest-path", "bench/Cargo.toml", "-p", "instructions", "--bench", name, "--"];
    let runners = std::iter::once(workspace.suites().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(runners.chain(std::env::split_paths(&path))).map_err(|error| error.to_string())?;
    let command = workspace.cargo(&bench).arguments(arguments).variable("PATH", path);
    command.timeout(TIMEOUT).output()
}

/// The instructions of one run: gungraun prints an object a line.
fn counted(output: &str, index: usize) -> Option<f64> {
    let wanted = format!("scenario_{index}");
    let objects = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let object = objects.into_iter().find(|object| object["id"] == wanted.as_str())?;
    object["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"].as_f64()
}

fn compare(baseline: &Figures, measured: &Figures) -> Counts {
    let mut counts = Counts::default();
    let is_same_compiler = baseline.compiler == measured.compiler;
    for scenario in &measured.scenarios {
        let before = baseline.scenarios.iter().find(|before| before.name == scenario.name);
        println!("   {}", shown(before, scenario));
        counts.add(&scenario.name, if is_same_compiler { check(before, scenario) } else { Ok(()) });
    }
    for gone in baseline.scenarios.iter().filter(|b| measured.scenarios.iter().all(|m| m.name != b.name)) {
        counts.add(&gone.name, Err(format!("is in {BASELINE} and is not measured; {}", cure())));
    }
    if !is_same_compiler {
        counts.note = format!("reported only: the baseline is of {}", baseline.compiler);
    }
    counts
}

fn shown(before: Option<&Scenario>, now: &Scenario) -> String {
    let change = before.map_or_else(String::new, |before| {
        format!("  {:+.2} %", (now.instructions / before.instructions - 1.0) * 100.0)
    });
    format!("{:<40} {:>9.1} instructions {:>7.2} allocations{change}", now.name, now.instructions, now.allocations)
}

/// Neither figure may rise.
fn check(before: Option<&Scenario>, now: &Scenario) -> Result<(), String> {
    let before = before.ok_or_else(|| format!("is not in {BASELINE}; {}", cure()))?;
    for (what, before, now) in
        [("instructions", before.instructions, now.instructions), ("allocations", before.allocations, now.allocations)]
    {
        // The baseline is rounded.
        if now > before + before / TOLERANCE + 0.1 {
            return Err(format!("{now:.2} {what} a call, {before:.2} before; {}", cure()));
        }
    }
    Ok(())
}

fn cure() -> String {
    format!("if that is meant, `{WRITE}=write cargo xtask interop instructions` writes the baseline anew")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(compiler: &str, instructions: f64, allocations: f64) -> Figures {
        let scenarios = vec![Scenario { name: "engine/server".to_owned(), instructions, allocations }];
        Figures { compiler: compiler.to_owned(), scenarios }
    }

    fn failure_count(now: &Figures) -> usize {
        compare(&figures("rustc 1", 1000.0, 0.0), now).failures.len()
    }

    #[test]
    fn a_rise_of_more_than_one_in_a_hundred_fails() {
        assert_eq!(failure_count(&figures("rustc 1", 900.0, 0.0)), 0);
        assert_eq!(failure_count(&figures("rustc 1", 1009.0, 0.0)), 0);
        assert_eq!(failure_count(&figures("rustc 1", 1012.0, 0.0)), 1);
        assert_eq!(failure_count(&figures("rustc 1", 1000.0, 1.0)), 1);
    }

    #[test]
    fn another_compiler_only_reports() {
        let counts = compare(&figures("rustc 1", 1000.0, 0.0), &figures("rustc 2", 5000.0, 3.0));
        assert!(counts.failures.is_empty() && counts.note.contains("rustc 1"));
    }

    #[test]
    fn what_is_not_in_the_baseline_fails_and_so_does_what_is_gone() {
        let mut now = figures("rustc 1", 1000.0, 0.0);
        now.scenarios[0].name = "engine/client".to_owned();
        assert_eq!(failure_count(&now), 2);
    }

    #[test]
    fn the_file_survives_a_round() {
        let figures = figures("rustc 1.95.0 (59807616e 2026-04-14)", 1234.5, 0.25);
        assert_eq!(Figures::parse(&figures.to_text()), Ok(figures));
        assert!(Figures::parse("").is_err() && Figures::parse("compiler: c\nhead\nname 1").is_err());
    }

    #[test]
    fn counts_are_found_by_their_scenario() {
        let line = |n: u32| {
            format!(
                "{{\"id\":\"scenario_{n}\",\"profiles\":[{{\"data\":{{\"total\":{{\"metrics\":{{\"Ir\":{{\"values\":{{\"new\":{n},\"old\":9}}}}}}}}}}}}]}}"
            )
        };
        let output = format!("{}\n{}\n", line(1), line(10));
        assert_eq!((counted(&output, 10), counted(&output, 0)), (Some(10.0), None));
    }
}
