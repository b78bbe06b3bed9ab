//! Memory allocations of the server for each unary call, by a counting allocator.
//!
//! Starts the server in this process and h2load beside it; `--addr` says where to listen.

mod proto;
mod service;

use std::alloc::System;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use rig::ServerOptions;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

const REQUEST: &[u8] = b"\0\0\0\0\x07\x0a\x05world";
const CALL_COUNT: u64 = 50_000;
const SHAPES: [(u64, u64); 4] = [(1, 1), (1, 10), (10, 10), (1, 100)];

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::from_args()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let _handle = service::builder().bind(&options.addr.to_string())?.start()?;
    println!("| connections × calls | allocations | octets |\n|---|--:|--:|");
    for (connections, streams) in SHAPES {
        load(&options, connections, streams)?;
        let region = Region::new(ALLOCATOR);
        load(&options, connections, streams)?;
        let change = region.change();
        let each = |total: usize| total as f64 / CALL_COUNT as f64;
        println!(
            "| {connections}x{streams} | {:.3} | {:.1} |",
            each(change.allocations + change.reallocations),
            each(change.bytes_allocated)
        );
    }
    Ok(())
}

fn load(options: &ServerOptions, connections: u64, streams: u64) -> anyhow::Result<()> {
    let body = std::env::temp_dir().join("bench-allocations-request.bin");
    std::fs::write(&body, REQUEST)?;
    let status = Command::new("h2load")
        .args(["-t", "1", "-n", &CALL_COUNT.to_string()])
        .args(["-c", &connections.to_string(), "-m", &streams.to_string(), "-d"])
        .arg(body)
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .arg(format!("http://{}/helloworld.Greeter/SayHello", options.addr))
        .stdout(Stdio::null())
        .status()
        .context("h2load (Debian: nghttp2-client) cannot be started")?;
    ensure!(status.success(), "h2load: {status}");
    Ok(())
}
