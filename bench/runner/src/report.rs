//! The Markdown page and its plots.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use crate::clients::Clients;
use crate::contestants::{self, Contestant};
use crate::figures::Figures;
use crate::gates::{self, Judged};
use crate::latency::Latencies;
use crate::memory::Memory;
use crate::options::Options;
use crate::rounds::{CellResult, Row};
use crate::summary::median;
use crate::{machine, plot, stdout};

struct Report {
    dir: PathBuf,
    text: String,
    missing_count: usize,
}

/// Writes the page and the plots of all figures.
pub(crate) fn write(options: &Options, figures: &Figures) -> anyhow::Result<()> {
    let mut report = Report::new(options, figures)?;
    report.gates(&gates::judge(figures));
    report.server(&figures.cells)?;
    if !figures.memory.is_empty() {
        report.memory(&figures.memory);
    }
    if let Some(latency) = &figures.latency {
        report.latency(latency);
    }
    if let Some(clients) = &figures.clients {
        report.clients(clients);
    }
    report.finish()
}

impl Report {
    fn new(options: &Options, figures: &Figures) -> anyhow::Result<Self> {
        fs::create_dir_all(&options.output)?;
        let mut text = String::from("# What a call costs\n\n");
        for line in machine::describe() {
            let _ = writeln!(text, "- {line}");
        }
        let _ = writeln!(
            text,
            "- {0} rounds of {1} s in the last run, contestants in turn within each round, server on CPU 0, load on CPU 1\n",
            options.rounds,
            options.duration.as_secs_f64()
        );
        text.push_str("| contestant | settings |\n|---|---|\n");
        let mut missing_count = 0;
        for contestant in contestants::all().iter().filter(|contestant| takes_part(contestant, options, figures)) {
            let is_missing = !contestant.is_built();
            missing_count += usize::from(is_missing);
            let note = if is_missing { " (not built)" } else { "" };
            let _ = writeln!(text, "| {} | {}{note} |", contestant.name, contestant.settings);
        }
        Ok(Report { dir: options.output.clone(), text, missing_count })
    }

    fn gates(&mut self, gates: &[Judged]) {
        if gates.is_empty() {
            return;
        }
        self.text.push_str("\n## Gates\n\nRatios are of CPU time, and less is better. `laden`: with an interceptor, three metadata entries and a deadline on each of our calls, and none on the rivals'.\n\n| what | compared with | must | goal | measured | |\n|---|---|--:|--:|--:|---|\n");
        for gate in gates {
            let must = if gate.must.is_finite() { format!("≤ {:.3}", gate.must) } else { "–".to_owned() };
            let goal = gate.goal.map_or(String::new(), |goal| format!("≤ {goal:.3}"));
            let _ = writeln!(
                self.text,
                "| {} | {} | {} | {goal} | {:.3} | {} |",
                gate.what,
                gate.against,
                must,
                gate.measured,
                gate.verdict()
            );
        }
    }

    /// CPU time of the server in each cell.
    fn server(&mut self, results: &[CellResult]) -> anyhow::Result<()> {
        self.text.push_str("\n## Server\n\nCPU-µs of the server for each call, message or round trip: median, range over the rounds.\n");
        for result in results {
            self.cell(result)?;
        }
        Ok(())
    }

    fn cell(&mut self, result: &CellResult) -> anyhow::Result<()> {
        let _ = writeln!(self.text, "\n### {}\n", result.cell);
        self.text.push_str(
            "| contestant | CPU-µs | range | user | system | ÷ tonic | ÷ floor | syscalls | switches (vol., invol.) |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for row in &result.rows {
            self.row(result, row);
        }
        let bars = result.rows.iter().filter(|row| row.failure.is_none() && row.samples.iter().any(Option::is_some));
        let bars: Vec<plot::Bar<'_>> = bars
            .map(|row| plot::Bar { label: &row.contestant, value: row.cpu_median(), range: row.cpu_range() })
            .collect();
        let file: String = result.cell.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        fs::write(self.dir.join(format!("{file}.svg")), plot::bars(&result.cell, "CPU-µs of the server", &bars))?;
        Ok(())
    }

    fn row(&mut self, result: &CellResult, row: &Row) {
        let name = &row.contestant;
        if let Some(failure) = &row.failure {
            let line = failure.lines().next().unwrap_or_default();
            let _ = writeln!(self.text, "| {name} | failed: {line} | | | | | | | |");
            return;
        }
        if row.figures(|_| 0.0).next().is_none() {
            let _ = writeln!(self.text, "| {name} | no round was quiet enough | | | | | | | |");
            return;
        }
        let middle = |of: fn(&crate::summary::Sample) -> f64| median(row.figures(of));
        let ratio = |other: Option<&Row>| {
            other.and_then(|other| row.ratio_to(other)).map_or(String::new(), |ratio| format!("{ratio:.3}"))
        };
        let (low, high) = row.cpu_range();
        let _ = writeln!(
            self.text,
            "| {name} | **{:.2}** | {low:.2}–{high:.2} | {:.2} | {:.2} | {} | {} | {} | {:.4}, {:.4} |",
            row.cpu_median(),
            middle(|sample| sample.user_us),
            middle(|sample| sample.system_us),
            ratio(result.reference()),
            ratio(result.floor()),
            row.syscalls.map_or(String::new(), |count| format!("{count:.3}")),
            middle(|sample| sample.voluntary_switches),
            middle(|sample| sample.involuntary_switches),
        );
    }

    fn memory(&mut self, rows: &[Memory]) {
        self.text.push_str("\n## Memory\n\nResident octets of the server.\n\n| contestant | idle connection | idle stream |\n|---|--:|--:|\n");
        let cell = |figure: Option<f64>| figure.map_or("–".to_owned(), |figure| format!("{figure:.0}"));
        for row in rows {
            let _ =
                writeln!(self.text, "| {} | {} | {} |", row.contestant, cell(row.connection_len), cell(row.stream_len));
        }
    }

    /// Ratios alone: what the clock says on a shared machine is the machine's as much as the server's.
    fn latency(&mut self, latencies: &Latencies) {
        self.text.push_str(
            "\n## Latency\n\nUnary, open loop at half of what the slowest contestant can do, 10 connections; and 500 calls/s on one connection, alone and beside 64 bulk streams. From the moment a call was due; ratios to tonic, and in the last column of the p99 beside bulk streams to the p99 alone.\n\n\
             | contestant | p50 | p99 | p99 alone | p99 beside bulk | beside bulk ÷ alone |\n|---|--:|--:|--:|--:|--:|\n",
        );
        let Some(tonic) = latencies.rows.iter().find(|row| row.contestant == contestants::REFERENCE) else { return };
        let ratio = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) if other > 0.0 => format!("{:.2}", one / other),
            _ => "–".to_owned(),
        };
        for row in &latencies.rows {
            let _ = writeln!(
                self.text,
                "| {} | {} | {} | {} | {} | {} |",
                row.contestant,
                ratio(Some(row.p50_us), Some(tonic.p50_us)),
                ratio(Some(row.p99_us), Some(tonic.p99_us)),
                ratio(row.quiet_p99_us, tonic.quiet_p99_us),
                ratio(row.noisy_p99_us, tonic.noisy_p99_us),
                ratio(row.noisy_p99_us, row.quiet_p99_us),
            );
        }
    }

    fn clients(&mut self, clients: &Clients) {
        let _ = writeln!(
            self.text,
            "\n## Client\n\nCPU-µs of the client for each unary call, connections × calls in flight on each, against the null responder: median, range.\n\n| client | {} |\n|---|{}",
            clients.shapes.join(" | "),
            "--:|".repeat(clients.shapes.len())
        );
        for row in &clients.rows {
            let figures: Vec<String> =
                row.figures.iter().map(|(middle, low, high)| format!("**{middle:.2}** {low:.2}–{high:.2}")).collect();
            let _ = writeln!(self.text, "| {} | {} |", row.name, figures.join(" | "));
        }
    }

    /// Writes the page and prints it.
    fn finish(self) -> anyhow::Result<()> {
        fs::write(self.dir.join("report.md"), &self.text)?;
        stdout::print(&self.text)?;
        eprintln!("written to {}; {} contestants not built", self.dir.display(), self.missing_count);
        Ok(())
    }
}

/// Whether the report is about `contestant`: it was asked for, or has figures of an earlier run.
fn takes_part(contestant: &Contestant, options: &Options, figures: &Figures) -> bool {
    options.contestants.iter().any(|chosen| chosen.name == contestant.name) || figures.has(contestant.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn a_report_is_about_those_who_were_asked_for_or_have_figures() {
        let options = Options::of(&["--contestants", "tonic"]).unwrap();
        let memory = Memory { contestant: "volo".to_owned(), connection_len: Some(1.0), stream_len: None };
        let figures = Figures { memory: vec![memory], ..Figures::default() };
        let all = contestants::all();
        let names = all.iter().filter(|contestant| takes_part(contestant, &options, &figures));
        assert_eq!(names.map(|contestant| contestant.name).collect::<Vec<_>>(), ["tonic", "volo"]);
    }
}
