//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use lexopt::{Arg, Parser, ValueExt};

use crate::cells::{self, Cell};
use crate::contestants::{self, Contestant};

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
        let mut parser = Parser::from_env();
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
                Arg::Long("list") => {
                    list(&options);
                    std::process::exit(0);
                }
                Arg::Long("help") | Arg::Short('h') => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                _ => return Err(arg.unexpected().into()),
            }
        }
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
        self.cells = all.iter().filter(|cell| text.split(',').any(|part| is_meant(cell, part))).cloned().collect();
        ensure!(!self.cells.is_empty(), "no cell is named {text:?}; see --list");
        Ok(())
    }

    fn choose_contestants(&mut self, text: &str) -> anyhow::Result<()> {
        let names: Vec<&str> = text.split(',').collect();
        let all = contestants::all();
        for name in &names {
            ensure!(all.iter().any(|contestant| contestant.name == *name), "no contestant is named {name:?}");
        }
        self.contestants = all.into_iter().filter(|contestant| names.contains(&contestant.name)).collect();
        Ok(())
    }
}

fn list(options: &Options) {
    println!("cells:");
    for cell in &options.cells {
        println!("  {}", cell.name);
    }
    println!("contestants:");
    for contestant in &options.contestants {
        println!("  {:<18} {}", contestant.name, contestant.settings);
    }
}

/// The folder of the benchmark's workspace.
pub(crate) fn workspace_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
