//! CPU time of each stack's client, against one fast server.

use std::process::Command;

use anyhow::{Context, ensure};

use serde::{Deserialize, Serialize};

use crate::cells;
use crate::contestants::{self, Build, FLOOR};
use crate::options::Options;
use crate::server::Server;
use crate::summary::{median, range};

/// A client's name, how it is made, its program, and its arguments.
type Contender = (&'static str, Build, &'static str, &'static [&'static str]);

const CLIENTS: [Contender; 11] = [
    ("tramline", Build::Cargo("server"), "tramline-client", &[]),
    ("tonic", Build::Cargo("rival-tonic"), "tonic-client", &[]),
    ("tonic-tuned", Build::Cargo("rival-tonic"), "tonic-client", &["--tuned"]),
    ("connectrpc", Build::Cargo("rival-connectrpc"), "connectrpc-client", &[]),
    ("connectrpc-tuned", Build::Cargo("rival-connectrpc"), "connectrpc-client", &["--tuned"]),
    ("volo", Build::Cargo("rival-volo"), "volo-client", &[]),
    ("volo-tuned", Build::Cargo("rival-volo"), "volo-client", &["--tuned"]),
    ("grpc-go", Build::Go, "bench-go-client", &[]),
    ("grpc-go-tuned", Build::Go, "bench-go-client", &["--tuned"]),
    ("grpc-java", Build::Maven, "bench-server.jar", &["bench.BenchClient"]),
    ("grpc-java-tuned", Build::Maven, "bench-server.jar", &["bench.BenchClient", "--tuned"]),
];
/// Connections, calls at a time on each, and calls for each second that a run is to take (the
/// slower clients take longer).
const SHAPES: [(usize, usize, f64); 3] = [(1, 1, 10_000.0), (1, 100, 70_000.0), (10, 10, 70_000.0)];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) name: String,
    /// One for each shape: median, least and most CPU-µs of a call.
    pub(crate) figures: Vec<(f64, f64, f64)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Clients {
    pub(crate) shapes: Vec<String>,
    pub(crate) rows: Vec<Client>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Clients> {
    let null = contestants::all().into_iter().find(|contestant| contestant.name == FLOOR).context("no floor")?;
    let cell = cells::all().into_iter().find(|cell| cell.call == "hello").context("no unary cell")?;
    let server = Server::start(&null, &cell, options.port + 99)?;
    let takes_part = |(name, build, program, _): &&Contender| {
        build.path(program).exists() && options.contestants.iter().any(|contestant| contestant.name == *name)
    };
    let clients: Vec<_> = CLIENTS.iter().filter(takes_part).collect();
    let mut rows: Vec<Client> =
        clients.iter().map(|client| Client { name: client.0.to_owned(), figures: Vec::new() }).collect();
    for (connections, streams, calls_per_s) in SHAPES {
        let calls = (calls_per_s * options.duration.as_secs_f64()).ceil() as u64;
        let mut samples: Vec<Vec<f64>> = vec![Vec::new(); clients.len()];
        for _ in 0..options.rounds {
            for (client, samples) in clients.iter().zip(&mut samples) {
                eprint!(".");
                samples.push(measure(&server, client, connections, streams, calls)?);
            }
        }
        for (row, samples) in rows.iter_mut().zip(samples) {
            let (low, high) = range(samples.iter().copied());
            row.figures.push((median(samples), low, high));
        }
    }
    eprintln!();
    let shapes = SHAPES.iter().map(|(connections, streams, _)| format!("{connections}x{streams}")).collect();
    Ok(Clients { shapes, rows })
}

fn measure(
    server: &Server,
    (name, build, program, arguments): &Contender,
    connections: usize,
    streams: usize,
    calls: u64,
) -> anyhow::Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]);
    if *build == Build::Maven {
        command.args(["java", "-cp"]);
    }
    let output = command
        .arg(build.path(program))
        .args(*arguments)
        .args(["--addr", &server.addr.to_string(), "--connections", &connections.to_string()])
        .args(["--streams", &streams.to_string(), "--calls", &calls.to_string()])
        .output()
        .context("taskset")?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
