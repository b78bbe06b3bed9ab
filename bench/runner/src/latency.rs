//! Latency at a fixed rate, and beside noisy neighbours.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cells::{self, Cell};
use crate::contestants::{Contestant, Scope};
use crate::load;
use crate::options::Options;
use crate::server::Servers;
use crate::summary::{median, range};

/// Half of what the slowest contestant can do.
const LOAD_SHARE: f64 = 0.5;
const PROBE: Duration = Duration::from_secs(1);
/// Endless server streams that share a connection with unary calls.
const BULK_COUNT: usize = 64;
const BULK_RATE: f64 = 500.0;
/// What a bulk stream may have under way, as clients have by default.
const BULK_WINDOW: &str = "65535";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) contestant: String,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Unary calls alone on their connection, and beside bulk streams.
    pub(crate) quiet_p99_us: Option<f64>,
    pub(crate) noisy_p99_us: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Latencies {
    pub(crate) rate: f64,
    pub(crate) rows: Vec<Latency>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Latencies> {
    let Some(cell) = cells::all().into_iter().find(|cell| cell.name == "unary 10x10") else {
        return Ok(Latencies { rate: 0.0, rows: Vec::new() });
    };
    let contestants: Vec<&Contestant> = options
        .contestants
        .iter()
        .filter(|contestant| contestant.is_built() && !contestant.needs_mode && !contestant.is_laden)
        .collect();
    let mut servers = Servers::new(options);
    let mut rates = Vec::new();
    for contestant in &contestants {
        let server = servers.get(contestant, &cell)?;
        load::run(server, &cell, PROBE)?;
        rates.push(load::run(server, &cell, PROBE)?.operations_per_s);
    }
    let rate = range(rates).0 * LOAD_SHARE;
    let mut results: Vec<Vec<[Option<f64>; 4]>> = vec![Vec::new(); contestants.len()];
    for _ in 0..options.rounds {
        for (index, contestant) in contestants.iter().enumerate() {
            eprint!(".");
            results[index].push(round(contestant, &cell, options, &mut servers, rate)?);
        }
    }
    eprintln!();
    let rows = contestants.iter().zip(results).map(|(contestant, rounds)| summarise(contestant.name, &rounds));
    Ok(Latencies { rate, rows: rows.collect() })
}

fn round(
    contestant: &Contestant,
    cell: &Cell,
    options: &Options,
    servers: &mut Servers,
    rate: f64,
) -> anyhow::Result<[Option<f64>; 4]> {
    let server = servers.get(contestant, cell)?;
    let paced = |rate: f64, more: &[&str]| {
        let mut arguments = load::arguments(cell, options.duration / 8, options.duration);
        arguments.extend(["--rate".to_owned(), rate.to_string()]);
        arguments.extend(more.iter().map(ToString::to_string));
        load::figures(server, &arguments)
    };
    let figure = |figures: &Value, name: &str| figures[name].as_f64();
    let steady = paced(rate, &[])?;
    let mut four = [figure(&steady, "p50_us"), figure(&steady, "p99_us"), None, None];
    if contestant.scope == Scope::All {
        let one = ["--connections", "1"];
        four[2] = figure(&paced(BULK_RATE, &one)?, "p99_us");
        let bulk = BULK_COUNT.to_string();
        let noisy = [&one[..], &["--bulk", &bulk, "--window", BULK_WINDOW]].concat();
        // A contestant that cannot do it has no figure.
        four[3] = paced(BULK_RATE, &noisy).ok().and_then(|figures| figure(&figures, "p99_us"));
    }
    Ok(four)
}

fn summarise(contestant: &str, rounds: &[[Option<f64>; 4]]) -> Latency {
    let middle = |index: usize| {
        let figures: Vec<f64> = rounds.iter().filter_map(|round| round[index]).collect();
        (!figures.is_empty()).then(|| median(figures))
    };
    Latency {
        contestant: contestant.to_owned(),
        p50_us: middle(0).unwrap_or_default(),
        p99_us: middle(1).unwrap_or_default(),
        quiet_p99_us: middle(2),
        noisy_p99_us: middle(3),
    }
}
