//! The loop over all connections.

use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;

use crate::connection::{Connection, Work};
use crate::options::Options;
use crate::script::Script;
use crate::tally::Tally;

const READ_LEN: usize = 256 * 1024;
/// How long a server may be silent before the run is given up.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Messages of 16 KiB: a bulk stream lasts longer than any run.
pub(crate) const BULK_LEN: usize = 16 * 1024;
const BULK_COUNT: usize = 10_000_000;

/// All connections and what tells that one of them can be read.
pub(crate) struct Generator {
    poll: Poll,
    events: Events,
    pub(crate) connections: Vec<Connection>,
    buffer: Vec<u8>,
    epoch: Instant,
    bulk: Script,
}

impl Generator {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Generator {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            buffer: vec![0; READ_LEN],
            epoch: Instant::now(),
            bulk: Script::stream(BULK_COUNT, BULK_LEN),
        })
    }

    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Adds a connection, without waiting for the server's SETTINGS.
    pub(crate) fn connect(&mut self, options: &Options) -> anyhow::Result<()> {
        let mut connection = Connection::connect(options.addr, options)?;
        let token = Token(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(connection.socket(), token, interest)?;
        self.connections.push(connection);
        Ok(())
    }

    /// Waits until every server has sent its SETTINGS.
    pub(crate) fn settle(&mut self, options: &Options, tally: &mut Tally) -> anyhow::Result<()> {
        let deadline = self.now() + SILENCE_MAX;
        while !self.connections.iter().all(Connection::is_settled) {
            anyhow::ensure!(self.now() < deadline, "the server sends no SETTINGS");
            self.turn(options, tally, Some(SILENCE_MAX))?;
        }
        Ok(())
    }

    /// One wait for sockets, and all that it brings.
    pub(crate) fn turn(
        &mut self,
        options: &Options,
        tally: &mut Tally,
        timeout: Option<Duration>,
    ) -> anyhow::Result<()> {
        self.poll.poll(&mut self.events, timeout)?;
        let mut work =
            Work { script: &options.script, bulk: &self.bulk, is_closed_loop: options.rate.is_none(), tally };
        for event in &self.events {
            let Some(connection) = self.connections.get_mut(event.token().0) else { continue };
            let now = self.epoch.elapsed();
            if event.is_readable() {
                connection.handle_readable(&mut self.buffer, &mut work, now)?;
            }
            if event.is_writable() {
                connection.flush(now)?;
            }
        }
        Ok(())
    }

    fn start_bulk(&mut self, options: &Options) -> anyhow::Result<()> {
        let now = self.now();
        let first = self.connections.first_mut().context("no connection")?;
        for _ in 0..options.bulk {
            anyhow::ensure!(first.start(&self.bulk, true, now, now)?, "the server takes no more streams");
        }
        first.flush(now)
    }

    fn start_closed(&mut self, options: &Options) -> anyhow::Result<()> {
        let now = self.now();
        for connection in &mut self.connections {
            for _ in 0..options.streams {
                let is_taken = connection.start(&options.script, false, now, now)?;
                anyhow::ensure!(is_taken, "the server takes fewer streams than --streams");
            }
            connection.flush(now)?;
        }
        Ok(())
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    let mut generator = Generator::new()?;
    let mut tally = Tally::new()?;
    for _ in 0..options.connections {
        generator.connect(options)?;
    }
    generator.settle(options, &mut tally)?;
    generator.start_bulk(options)?;
    let begin = generator.now();
    let mut pace = options.rate.map(|rate| Pace { interval: 1.0 / rate, begin, started: 0, turn: 0 });
    if pace.is_none() {
        generator.start_closed(options)?;
    }
    drive(&mut generator, options, &mut tally, pace.as_mut(), begin + options.warmup)?;
    tally.open(options, generator.now())?;
    let end = generator.now() + options.duration;
    drive(&mut generator, options, &mut tally, pace.as_mut(), end)?;
    tally.close(options, generator.now())
}

/// Works until `end`.
fn drive(
    generator: &mut Generator,
    options: &Options,
    tally: &mut Tally,
    mut pace: Option<&mut Pace>,
    end: Duration,
) -> anyhow::Result<()> {
    loop {
        let now = generator.now();
        if now >= end {
            return Ok(());
        }
        // The open loop spins: a sleep would be late by more than it measures.
        let timeout = match &mut pace {
            Some(pace) => {
                pace.start_due(generator, options, now)?;
                Duration::ZERO
            }
            None => end - now,
        };
        generator.turn(options, tally, Some(timeout))?;
    }
}

/// When the next call of the open loop is due.
struct Pace {
    interval: f64,
    begin: Duration,
    started: u64,
    /// The connection whose turn it is.
    turn: usize,
}

impl Pace {
    fn next_due(&self) -> Duration {
        self.begin + Duration::from_secs_f64(self.started as f64 * self.interval)
    }

    /// Starts what is due. A call for which no stream is free waits, and its wait counts.
    fn start_due(&mut self, generator: &mut Generator, options: &Options, now: Duration) -> anyhow::Result<()> {
        let count = generator.connections.len();
        let mut full = 0;
        while self.next_due() <= now && full < count {
            let connection = &mut generator.connections[self.turn % count];
            self.turn += 1;
            if connection.in_flight() >= options.streams {
                full += 1;
                continue;
            }
            if !connection.start(&options.script, false, self.next_due(), now)? {
                full += 1;
                continue;
            }
            connection.flush(now)?;
            self.started += 1;
            full = 0;
        }
        Ok(())
    }
}
