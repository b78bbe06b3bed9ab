//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

use crate::script::Script;

/// What is held open while nothing happens, to see what memory it costs the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Idle {
    Connections(usize),
    Streams(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `--addr HOST:PORT`
    pub(crate) addr: SocketAddr,
    /// `--connections C`
    pub(crate) connections: usize,
    /// `--streams S`: calls in flight on each connection, at most.
    pub(crate) streams: usize,
    /// `--warmup SECONDS`
    pub(crate) warmup: Duration,
    /// `--duration SECONDS`
    pub(crate) duration: Duration,
    /// `--rate CALLS_PER_SECOND`: open loop.
    pub(crate) rate: Option<f64>,
    /// `--watch PID`: the server, whose CPU time is read at both ends of the measured time.
    pub(crate) watch: Option<u32>,
    /// `--bulk N`: endless server streams beside the calls, on the first connection.
    pub(crate) bulk: usize,
    /// `--cancel-interval N`: beside every Nth call another one is opened that the server waits on,
    /// and is reset when the next octets come.
    pub(crate) cancel_interval: Option<u64>,
    /// `--metadata`: three metadata entries and a deadline on each call.
    pub(crate) has_metadata: bool,
    /// `--window OCTETS`: what a stream may receive before we give more.
    pub(crate) window_len: u32,
    /// `--idle-connections N`, `--idle-streams N`
    pub(crate) idle: Option<Idle>,
    /// `--call hello|echo:LEN|stream:COUNT:LEN|pingpong:LEN`
    pub(crate) script: Script,
}

impl Options {
    pub(crate) fn from_args() -> anyhow::Result<Self> {
        let mut addr = None;
        let mut options = Options {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections: 1,
            streams: 1,
            warmup: Duration::from_millis(500),
            duration: Duration::from_secs(3),
            rate: None,
            watch: None,
            bulk: 0,
            cancel_interval: None,
            has_metadata: false,
            window_len: 16 * 1024 * 1024,
            idle: None,
            script: Script::hello(),
        };
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("addr") => addr = Some(parser.value()?.parse()?),
                Arg::Long("connections") => options.connections = parser.value()?.parse()?,
                Arg::Long("streams") => options.streams = parser.value()?.parse()?,
                Arg::Long("warmup") => options.warmup = seconds(&mut parser)?,
                Arg::Long("duration") => options.duration = seconds(&mut parser)?,
                Arg::Long("rate") => options.rate = Some(parser.value()?.parse()?),
                Arg::Long("watch") => options.watch = Some(parser.value()?.parse()?),
                Arg::Long("bulk") => options.bulk = parser.value()?.parse()?,
                Arg::Long("cancel-interval") => options.cancel_interval = Some(parser.value()?.parse()?),
                Arg::Long("metadata") => options.has_metadata = true,
                Arg::Long("window") => options.window_len = parser.value()?.parse()?,
                Arg::Long("idle-connections") => options.idle = Some(Idle::Connections(parser.value()?.parse()?)),
                Arg::Long("idle-streams") => options.idle = Some(Idle::Streams(parser.value()?.parse()?)),
                Arg::Long("call") => options.script = script(&parser.value()?.string()?)?,
                _ => return Err(arg.unexpected().into()),
            }
        }
        options.addr = addr.context("--addr is missing")?;
        Ok(options)
    }
}

fn seconds(parser: &mut Parser) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs_f64(parser.value()?.parse()?))
}

fn script(text: &str) -> anyhow::Result<Script> {
    let mut words = text.split(':');
    let name = words.next().unwrap_or_default();
    let numbers: Vec<usize> = words.map(str::parse).collect::<Result<_, _>>()?;
    match (name, &numbers[..]) {
        ("hello", []) => Ok(Script::hello()),
        ("echo", [len]) => Ok(Script::echo(*len)),
        ("stream", [count, len]) => Ok(Script::stream(*count, *len)),
        ("pingpong", [len]) => Ok(Script::ping_pong(*len)),
        _ => bail!("call {text:?}: expected hello, echo:LEN, stream:COUNT:LEN or pingpong:LEN"),
    }
}
