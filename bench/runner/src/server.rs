//! A contestant's process.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cells::Cell;
use crate::contestants::Contestant;
use crate::options::Options;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server, ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    pub(crate) fn start(contestant: &Contestant, cell: &Cell, port: u16) -> anyhow::Result<Self> {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new("taskset");
        command.args(["-c", cpus(cell.cpus)]).args(contestant.command());
        command.args(["--addr", &addr.to_string(), "--threads", &cell.threads.to_string()]);
        if contestant.needs_mode {
            command.args(["--mode", cell.mode()]);
        }
        if cell.is_tls {
            command.arg("--tls");
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().context("taskset")?;
        let mut server = Server { child, addr };
        server.wait_ready(contestant.name)?;
        Ok(server)
    }

    fn wait_ready(&mut self, name: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < START_TIMEOUT {
            if TcpStream::connect(self.addr).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{name} ended at the start: {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{name} does not listen")
    }

    /// taskset becomes the server, so this is the server's own process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cpus(count: usize) -> &'static str {
    if count == 1 { "0" } else { "0,1" }
}

/// The servers that are up, each started when it is first asked for.
pub(crate) struct Servers {
    next_port: u16,
    up: BTreeMap<(&'static str, &'static str, usize, usize, bool), Server>,
}

impl Servers {
    pub(crate) fn new(options: &Options) -> Self {
        Servers { next_port: options.port, up: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, contestant: &Contestant, cell: &Cell) -> anyhow::Result<&Server> {
        let mode = if contestant.needs_mode { cell.mode() } else { "" };
        let key = (contestant.name, mode, cell.threads, cell.cpus, cell.is_tls);
        if !self.up.contains_key(&key) {
            let server = Server::start(contestant, cell, self.next_port)?;
            self.next_port += 1;
            self.up.insert(key, server);
        }
        self.up.get(&key).context("a server that was just started")
    }
}
