//! The command lines of servers and clients.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// `--addr HOST:PORT`
    pub addr: SocketAddr,
    /// `--threads N`: threads that serve.
    pub threads: usize,
    /// `--runtime shared|percore`: one runtime with N workers, or N runtimes with one thread each.
    pub is_per_core: bool,
    /// `--tuned`: the settings that the contestant's documentation or users recommend for speed.
    pub is_tuned: bool,
    /// `--tls`: TLS with a certificate made at the start.
    pub is_tls: bool,
    /// `--interceptor`: an interceptor around each call.
    pub has_interceptor: bool,
    /// `--mode NAME`: what a server without handlers answers.
    pub mode: String,
}

impl ServerOptions {
    /// Reads the process's arguments.
    ///
    /// # Errors
    /// An argument is unknown or has a bad value.
    pub fn from_args() -> anyhow::Result<Self> {
        let mut options = ServerOptions {
            addr: SocketAddr::from(([127, 0, 0, 1], 50051)),
            threads: 1,
            is_per_core: false,
            is_tuned: false,
            is_tls: false,
            has_interceptor: false,
            mode: "hello".to_owned(),
        };
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("addr") => options.addr = parser.value()?.parse()?,
                Arg::Long("threads") => options.threads = parser.value()?.parse()?,
                Arg::Long("runtime") => options.is_per_core = is_per_core(&parser.value()?.string()?)?,
                Arg::Long("tuned") => options.is_tuned = true,
                Arg::Long("tls") => options.is_tls = true,
                Arg::Long("interceptor") => options.has_interceptor = true,
                Arg::Long("mode") => options.mode = parser.value()?.string()?,
                _ => return Err(arg.unexpected().into()),
            }
        }
        Ok(options)
    }
}

fn is_per_core(name: &str) -> anyhow::Result<bool> {
    match name {
        "shared" => Ok(false),
        "percore" => Ok(true),
        other => bail!("runtime {other:?}: expected shared or percore"),
    }
}

/// What a client under test is started with: `connections × streams` calls in flight.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `--addr HOST:PORT` of the server.
    pub addr: SocketAddr,
    /// `--connections C`
    pub connections: usize,
    /// `--streams S`: calls in flight on each connection.
    pub streams: usize,
    /// `--calls N`: calls that are measured, over all connections.
    pub calls: u64,
    /// `--tuned`: the settings that the contestant's documentation or users recommend for speed.
    pub is_tuned: bool,
}

impl ClientOptions {
    /// Reads the process's arguments.
    ///
    /// # Errors
    /// An argument is unknown, missing, or has a bad value.
    pub fn from_args() -> anyhow::Result<Self> {
        let mut addr = None;
        let mut options = ClientOptions {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections: 1,
            streams: 1,
            calls: 10_000,
            is_tuned: false,
        };
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("addr") => addr = Some(parser.value()?.parse()?),
                Arg::Long("connections") => options.connections = parser.value()?.parse()?,
                Arg::Long("streams") => options.streams = parser.value()?.parse()?,
                Arg::Long("calls") => options.calls = parser.value()?.parse()?,
                Arg::Long("tuned") => options.is_tuned = true,
                _ => return Err(arg.unexpected().into()),
            }
        }
        options.addr = addr.context("--addr is missing")?;
        Ok(options)
    }
}
