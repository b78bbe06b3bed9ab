//! The rounds: every contestant in turn, forwards and backwards, cell by cell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cells::{Cell, Tool};
use crate::contestants::{self, Contestant, FLOOR, REFERENCE};
use crate::options::Options;
use crate::server::{Server, Servers};
use crate::summary::{Sample, median, range};
use crate::{h2load, load, syscalls};

/// A run in which the hypervisor took more is repeated.
const STOLEN_SHARE_MAX: f64 = 0.02;
const TRY_COUNT_MAX: usize = 3;
/// A virtual machine wants to compile what it runs before it is measured.
const WARMUP: Duration = Duration::from_secs(1);

/// The figures of one cell.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellResult {
    pub(crate) cell: String,
    pub(crate) rows: Vec<Row>,
}

/// The figures of one contestant in one cell; `samples` has an entry for each round, `None`
/// if the round had to be discarded.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contestant: String,
    pub(crate) samples: Vec<Option<Sample>>,
    pub(crate) syscalls: Option<f64>,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

impl Row {
    fn new(contestant: &Contestant) -> Self {
        Row { contestant: contestant.name.to_owned(), samples: Vec::new(), syscalls: None, failure: None }
    }

    pub(crate) fn figures(&self, of: impl Fn(&Sample) -> f64) -> impl Iterator<Item = f64> {
        self.samples.iter().flatten().map(of)
    }

    pub(crate) fn cpu_median(&self) -> f64 {
        median(self.figures(|sample| sample.cpu_us))
    }

    pub(crate) fn cpu_range(&self) -> (f64, f64) {
        range(self.figures(|sample| sample.cpu_us))
    }

    /// The median of the ratios of each round.
    pub(crate) fn ratio_to(&self, other: &Row) -> Option<f64> {
        let pairs = self.samples.iter().zip(&other.samples);
        let ratios: Vec<f64> = pairs.filter_map(|(own, other)| Some((*own)?.cpu_us / (*other)?.cpu_us)).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }
}

impl CellResult {
    /// Adds the rounds of another run of the same cell. Rounds stay beside each other, so
    /// who did not take part in a run has no figures for it.
    pub(crate) fn extend(&mut self, other: CellResult) {
        let count = |result: &CellResult| result.rows.iter().map(|row| row.samples.len()).max().unwrap_or(0);
        let (before, added) = (count(self), count(&other));
        for row in other.rows {
            match self.rows.iter_mut().find(|known| known.contestant == row.contestant) {
                Some(known) => {
                    known.samples.resize(before, None);
                    known.samples.extend(row.samples);
                    known.syscalls = row.syscalls.or(known.syscalls);
                    // What was measured before stays measured, whatever fails later.
                    known.failure = row.failure.filter(|_| known.samples.iter().all(Option::is_none));
                }
                None => {
                    let samples = std::iter::repeat_n(None, before).chain(row.samples).collect();
                    self.rows.push(Row { samples, ..row });
                }
            }
        }
        for row in &mut self.rows {
            row.samples.resize(before + added, None);
        }
        self.rows.sort_by_key(|row| contestants::all().iter().position(|contestant| contestant.name == row.contestant));
    }

    pub(crate) fn row(&self, contestant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == contestant && row.failure.is_none())
    }

    pub(crate) fn reference(&self) -> Option<&Row> {
        self.row(REFERENCE)
    }

    pub(crate) fn floor(&self) -> Option<&Row> {
        self.row(FLOOR)
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Vec<CellResult>> {
    let mut servers = Servers::new(options);
    options.cells.iter().map(|cell| measure(cell, options, &mut servers)).collect()
}

fn measure(cell: &Cell, options: &Options, servers: &mut Servers) -> anyhow::Result<CellResult> {
    eprint!("{}: ", cell.name);
    let takes_part = |contestant: &&Contestant| cell.suits(contestant) && contestant.is_built();
    let contestants: Vec<&Contestant> = options.contestants.iter().filter(takes_part).collect();
    let mut rows: Vec<Row> = contestants.iter().map(|contestant| Row::new(contestant)).collect();
    let mut counts = vec![0; rows.len()];
    for (index, contestant) in contestants.iter().enumerate() {
        match servers.get(contestant, cell).and_then(|server| prepare(server, &cell.seen_by(contestant), options)) {
            Ok(count) => counts[index] = count,
            Err(error) => rows[index].failure = Some(format!("{error:#}")),
        }
    }
    for round in 0..options.rounds {
        eprint!(".");
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            if rows[index].failure.is_some() {
                continue;
            }
            let server = servers.get(contestants[index], cell)?;
            match sample(server, &cell.seen_by(contestants[index]), options, counts[index]) {
                Ok(sample) => rows[index].samples.push(sample),
                Err(error) => rows[index].failure = Some(format!("{error:#}")),
            }
        }
    }
    if options.has_syscalls {
        for (row, contestant) in rows.iter_mut().zip(&contestants) {
            if row.failure.is_none() {
                row.syscalls = syscalls::count(servers.get(contestant, cell)?, &cell.seen_by(contestant));
            }
        }
    }
    eprintln!();
    Ok(CellResult { cell: cell.name.to_owned(), rows })
}

/// Warms the server up; for h2load, the count of calls that fills the wanted time.
fn prepare(server: &Server, cell: &Cell, options: &Options) -> anyhow::Result<u64> {
    match cell.tool {
        Tool::H2load => h2load::calibrate(server, cell, options.duration),
        Tool::Load => load::run(server, cell, WARMUP.min(options.duration)).map(|_| 0),
    }
}

/// One run that the hypervisor let be, if there is one.
fn sample(server: &Server, cell: &Cell, options: &Options, count: u64) -> anyhow::Result<Option<Sample>> {
    for _ in 0..TRY_COUNT_MAX {
        let sample = match cell.tool {
            Tool::H2load => h2load::run(server, cell, count)?,
            Tool::Load => load::run(server, cell, options.duration)?,
        };
        if sample.stolen_share <= STOLEN_SHARE_MAX {
            return Ok(Some(sample));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contestant: &str, figures: &[f64]) -> Row {
        let samples = figures.iter().map(|&cpu_us| Some(Sample { cpu_us, ..Sample::default() })).collect();
        Row { contestant: contestant.to_owned(), samples, syscalls: None, failure: None }
    }

    #[test]
    fn rounds_of_two_runs_stay_beside_each_other() {
        let mut result = CellResult { cell: "c".to_owned(), rows: vec![row("tonic", &[10.0])] };
        result.extend(CellResult {
            cell: "c".to_owned(),
            rows: vec![row("tramline", &[1.0, 2.0]), row("tonic", &[4.0, 4.0])],
        });
        let (ours, tonic) = (result.row("tramline").unwrap(), result.row("tonic").unwrap());
        assert_eq!(tonic.samples.len(), 3);
        assert_eq!(ours.samples.len(), 3);
        assert_eq!(ours.ratio_to(tonic), Some(0.375));
    }
}
