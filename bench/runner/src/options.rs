//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};
use lexopt::{Arg, Parser, ValueExt};

use crate::cells::{self, Cell};
use crate::contestants::{self, Contestant};
use crate::stdout;

const USAGE: &str = "\
usage: runner [--quick] [--cells A,B] [--contestants A,B] [--rounds N] [--seconds S]
              [--no-build] [--no-syscalls] [--no-server] [--merge] [--memory] [--latency] [--clients]
              [--output DIR] [--port PORT] [--list]

--quick          ours, tonic and the floor in the cells that decide: under 3 minutes
--cells          names of cells, or parts of names; all without it
--contestants    names of contestants; all without it
--rounds         rounds of each cell (10)
--seconds        measured time of one run (3)
--no-build       take the binaries as they are; what is missing is left out
--no-syscalls    no separate run under strace
--no-server      no cells: only what the following options ask for
--merge          add to the figures that are in the output folder
--memory         memory of idle connections and idle streams
--latency        p50 and p99 at a fixed rate
--clients        CPU time of each stack's client
--output         where report.md and the plots go (results/latest)
--port           the first of the ports to use (22100)
--list           print the names of cells and contestants";

pub(crate) struct Options {
    pub(crate) cells: Vec<Cell>,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
    pub(crate) is_build: bool,
    pub(crate) has_syscalls: bool,
    pub(crate) is_merge: bool,
    pub(crate) has_memory: bool,
    pub(crate) has_latency: bool,
    pub(crate) has_clients: bool,
    pub(crate) output: PathBuf,
    pub(crate) port: u16,
}

impl Options {
    pub(crate) fn from_args() -> anyhow::Result<Self> {
        Options::parse(Parser::from_env())
    }

    #[cfg(test)]
    pub(crate) fn of(arguments: &[&str]) -> anyhow::Result<Self> {
        Options::parse(Parser::from_args(arguments))
    }

    fn parse(mut parser: Parser) -> anyhow::Result<Self> {
        let mut options = Options {
            cells: cells::all(),
            contestants: contestants::all(),
            rounds: 10,
            duration: Duration::from_secs(3),
            is_build: true,
            has_syscalls: true,
            is_merge: false,
            has_memory: false,
            has_latency: false,
            has_clients: false,
            output: workspace_dir().join("results/latest"),
            port: 22100,
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("quick") => options.choose_quick(),
                Arg::Long("cells") => options.choose_cells(&parser.value()?.string()?)?,
                Arg::Long("contestants") => options.choose_contestants(&parser.value()?.string()?)?,
                Arg::Long("rounds") => options.rounds = parser.value()?.parse()?,
                Arg::Long("seconds") => options.duration = Duration::try_from_secs_f64(parser.value()?.parse()?)?,
                Arg::Long("no-build") => options.is_build = false,
                Arg::Long("no-syscalls") => options.has_syscalls = false,
                Arg::Long("no-server") => options.cells.clear(),
                Arg::Long("merge") => options.is_merge = true,
                Arg::Long("memory") => options.has_memory = true,
                Arg::Long("latency") => options.has_latency = true,
                Arg::Long("clients") => options.has_clients = true,
                Arg::Long("output") => options.output = parser.value()?.into(),
                Arg::Long("port") => options.port = parser.value()?.parse()?,
                Arg::Long("list") => print_and_exit(&options.list())?,
                Arg::Long("help") | Arg::Short('h') => print_and_exit(&format!("{USAGE}\n"))?,
                _ => return Err(arg.unexpected().into()),
            }
        }
        ensure!(options.rounds > 0, "--rounds 0 measures nothing: give 1 or more");
        ensure!(!options.duration.is_zero(), "--seconds 0 measures nothing: give more");
        Ok(options)
    }

    fn choose_quick(&mut self) {
        self.cells.retain(|cell| cell.is_quick);
        self.contestants.retain(|contestant| contestant.is_quick);
        self.rounds = 3;
        self.duration = Duration::from_secs(1);
    }

    /// A part that is a whole name means that cell alone.
    fn choose_cells(&mut self, text: &str) -> anyhow::Result<()> {
        let all = cells::all();
        let is_meant = |cell: &Cell, part: &str| {
            let is_whole = all.iter().any(|cell| cell.name == part);
            if is_whole { cell.name == part } else { cell.name.contains(part) }
        };
        for part in text.split(',') {
            if part.is_empty() || !all.iter().any(|cell| is_meant(cell, part)) {
                let names: Vec<&str> = all.iter().map(|cell| cell.name).collect();
                bail!("no cell has {part:?} in its name; there are: {}", names.join(", "));
            }
        }
        self.cells = all.iter().filter(|cell| text.split(',').any(|part| is_meant(cell, part))).cloned().collect();
        Ok(())
    }

    fn choose_contestants(&mut self, text: &str) -> anyhow::Result<()> {
        let chosen: Vec<&str> = text.split(',').collect();
        let all = contestants::all();
        let names: Vec<&str> = all.iter().map(|contestant| contestant.name).collect();
        for name in &chosen {
            ensure!(names.contains(name), "no contestant is named {name:?}; there are: {}", names.join(", "));
        }
        self.contestants = all.into_iter().filter(|contestant| chosen.contains(&contestant.name)).collect();
        Ok(())
    }

    fn list(&self) -> String {
        let cells = self.cells.iter().map(|cell| format!("  {}\n", cell.name));
        let line = |contestant: &Contestant| format!("  {:<18} {}\n", contestant.name, contestant.settings);
        let contestants = self.contestants.iter().map(line);
        format!("cells:\n{}contestants:\n{}", cells.collect::<String>(), contestants.collect::<String>())
    }
}

fn print_and_exit(text: &str) -> anyhow::Result<()> {
    stdout::print(text)?;
    std::process::exit(0)
}

/// The folder of the benchmark's workspace.
pub(crate) fn workspace_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, String> {
        Options::of(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_part_of_a_name_means_all_cells_that_have_it_and_a_name_one() {
        let names = |text: &str| {
            let options = options(&["--cells", text]).unwrap();
            options.cells.iter().map(|cell| cell.name).collect::<Vec<_>>()
        };
        assert_eq!(names("unary 1x10"), ["unary 1x10"]);
        assert_eq!(names("unary 1x10,stream 1000"), ["unary 1x10", "stream 1000x100B 1x4", "stream 10000x100B 1x4"]);
        assert_eq!(names("TLS"), ["TLS unary 10x10"]);
    }

    #[test]
    fn a_wrong_name_is_an_error_beside_right_ones_too() {
        for (arguments, wrong, right) in [
            (["--cells", "unary 1x1,unry 1x1"], "\"unry 1x1\"", "unary 1x1"),
            (["--cells", "unary 1x1,"], "\"\"", "unary 1x1"),
            (["--contestants", "tonic,hyper"], "\"hyper\"", "connectrpc-tuned"),
        ] {
            let error = options(&arguments).err().unwrap();
            assert!(error.contains(wrong) && error.contains(right), "{error}");
        }
    }

    #[test]
    fn a_run_that_measures_nothing_is_an_error() {
        for arguments in [["--rounds", "0"], ["--seconds", "0"]] {
            let error = options(&arguments).err().unwrap();
            assert!(error.contains("measures nothing"), "{error}");
        }
    }

    #[test]
    fn the_list_has_what_is_chosen() {
        let options = options(&["--cells", "TLS", "--contestants", "null"]).unwrap();
        assert_eq!(
            options.list(),
            "cells:\n  TLS unary 10x10\ncontestants:\n  null               canned octets: the floor\n"
        );
    }
}
