//! What idle connections and idle streams cost the server in memory.

use std::time::Duration;

use anyhow::Context;
use rig::meter::resident_len;
use serde_json::{Value, json};

use crate::generator::Generator;
use crate::options::Options;
use crate::script::Script;
use crate::tally::Tally;

/// Below every server's limit of concurrent streams.
const STREAMS_PER_CONNECTION: usize = 50;
/// Connections opened before the server gets a moment, so that its backlog holds them.
const BATCH: usize = 100;
/// Time for the server to be done with what was asked.
const REST: Duration = Duration::from_millis(500);

/// Opens `count` connections on which nothing happens after SETTINGS.
pub(crate) fn connections(options: &Options, count: usize) -> anyhow::Result<Value> {
    let pid = options.watch.context("--watch is missing")?;
    let mut generator = Generator::new()?;
    let mut tally = Tally::new()?;
    // The first few pay for what the server allocates once.
    connect(&mut generator, options, &mut tally, BATCH)?;
    let before = resident_len(pid)?;
    connect(&mut generator, options, &mut tally, count)?;
    let after = resident_len(pid)?;
    Ok(figures("connection", count, before, after))
}

/// Opens `count` bidirectional streams on which nothing is sent.
pub(crate) fn streams(options: &Options, count: usize) -> anyhow::Result<Value> {
    let pid = options.watch.context("--watch is missing")?;
    let mut generator = Generator::new()?;
    let mut tally = Tally::new()?;
    connect(&mut generator, options, &mut tally, count.div_ceil(STREAMS_PER_CONNECTION))?;
    let path = Script::ping_pong(0).path;
    let before = resident_len(pid)?;
    let now = generator.now();
    for connection in &mut generator.connections {
        for _ in 0..STREAMS_PER_CONNECTION {
            let _ = connection.start_idle(path, now)?;
        }
        connection.flush(now)?;
    }
    rest(&mut generator, options, &mut tally)?;
    let opened = generator.connections.len() * STREAMS_PER_CONNECTION;
    Ok(figures("stream", opened, before, resident_len(pid)?))
}

fn connect(generator: &mut Generator, options: &Options, tally: &mut Tally, count: usize) -> anyhow::Result<()> {
    for n in 0..count {
        generator.connect(options)?;
        if n % BATCH == BATCH - 1 {
            generator.settle(options, tally)?;
        }
    }
    generator.settle(options, tally)?;
    rest(generator, options, tally)
}

fn rest(generator: &mut Generator, options: &Options, tally: &mut Tally) -> anyhow::Result<()> {
    let end = generator.now() + REST;
    while generator.now() < end {
        let left = end.saturating_sub(generator.now());
        generator.turn(options, tally, Some(left))?;
    }
    Ok(())
}

fn figures(unit: &str, count: usize, before: u64, after: u64) -> Value {
    let each = after.saturating_sub(before) as f64 / count as f64;
    json!({ "unit": unit, "count": count, "resident_before": before, "resident_after": after, "octets_each": each })
}
