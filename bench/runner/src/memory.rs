//! Memory of idle connections and idle streams, on servers started for it.

use serde::{Deserialize, Serialize};

use crate::cells::Cell;
use crate::contestants::{Contestant, Scope};
use crate::load;
use crate::options::Options;
use crate::server::Server;

const CONNECTION_COUNT: usize = 10_000;
const STREAM_COUNT: usize = 5000;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) contestant: String,
    /// Octets of resident memory; `None` if the contestant cannot hold them open.
    pub(crate) connection_len: Option<f64>,
    pub(crate) stream_len: Option<f64>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Vec<Memory>> {
    let cell = crate::cells::all().into_iter().find(|cell| cell.call.starts_with("pingpong"));
    let Some(cell) = cell else { return Ok(Vec::new()) };
    let mut port = options.port + 60;
    let mut results = Vec::new();
    for contestant in options.contestants.iter().filter(|contestant| contestant.is_built() && !contestant.is_laden) {
        eprintln!("memory: {}", contestant.name);
        let is_streaming = contestant.scope == Scope::All;
        let mut measure = |name: &str, count: usize| {
            port += 1;
            measure(contestant, &cell, port, name, count)
        };
        results.push(Memory {
            contestant: contestant.name.to_owned(),
            connection_len: measure("--idle-connections", CONNECTION_COUNT).ok(),
            stream_len: is_streaming.then(|| measure("--idle-streams", STREAM_COUNT).ok()).flatten(),
        });
    }
    Ok(results)
}

fn measure(contestant: &Contestant, cell: &Cell, port: u16, name: &str, count: usize) -> anyhow::Result<f64> {
    let server = Server::start(contestant, cell, port)?;
    let figures = load::figures(&server, &[name.to_owned(), count.to_string()])?;
    Ok(figures["octets_each"].as_f64().unwrap_or_default())
}
