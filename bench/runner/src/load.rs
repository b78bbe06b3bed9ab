//! Our own load client.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::cells::Cell;
use crate::contestants::binary_dir;
use crate::server::Server;
use crate::summary::Sample;

/// Runs the load client with these arguments beside the server's address, and returns its figures.
pub(crate) fn figures(server: &Server, arguments: &[String]) -> anyhow::Result<Value> {
    let output = Command::new("taskset")
        .args(["-c", "1"])
        .arg(binary_dir().join("load"))
        .args(["--addr", &server.addr.to_string(), "--watch", &server.pid().to_string()])
        .args(arguments)
        .output()
        .context("the load client cannot be started")?;
    ensure!(output.status.success(), "load: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What describes a cell.
pub(crate) fn arguments(cell: &Cell, warmup: Duration, duration: Duration) -> Vec<String> {
    let mut arguments = vec![
        "--call".to_owned(),
        cell.call.to_owned(),
        "--connections".to_owned(),
        cell.connections.to_string(),
        "--streams".to_owned(),
        cell.streams.to_string(),
        "--warmup".to_owned(),
        warmup.as_secs_f64().to_string(),
        "--duration".to_owned(),
        duration.as_secs_f64().to_string(),
    ];
    arguments.extend(cell.has_metadata.then(|| "--metadata".to_owned()));
    arguments.extend(cell.extra.iter().map(ToString::to_string));
    arguments
}

/// One run of a cell in a closed loop.
pub(crate) fn run(server: &Server, cell: &Cell, duration: Duration) -> anyhow::Result<Sample> {
    let figures = figures(server, &arguments(cell, duration / 8, duration))?;
    let number = |name: &str| figures[name].as_f64().with_context(|| format!("load printed no {name}"));
    Ok(Sample {
        cpu_us: number("server_cpu_us")?,
        user_us: number("server_user_us")?,
        system_us: number("server_system_us")?,
        voluntary_switches: number("server_voluntary_switches")?,
        involuntary_switches: number("server_involuntary_switches")?,
        operations_per_s: number("operations_per_s")?,
        client_cpu_us: number("client_cpu_us")?,
        stolen_share: number("stolen_share")?,
    })
}
