//! The matrix: what is called, on how many connections, how many at a time.

use crate::contestants::{Contestant, Scope};

/// Which load client drives a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    /// The neutral one, for unary calls.
    H2load,
    /// Our own, which checks every octet.
    Load,
}

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) tool: Tool,
    /// In the words of the load client's `--call`.
    pub(crate) call: &'static str,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    /// More arguments for the load client.
    pub(crate) extra: &'static [&'static str],
    /// Three metadata entries and a deadline on each call.
    pub(crate) has_metadata: bool,
    /// Threads of the server.
    pub(crate) threads: usize,
    /// CPUs of the server; the load is always on the second.
    pub(crate) cpus: usize,
    pub(crate) is_tls: bool,
    pub(crate) is_quick: bool,
}

/// What two threads are compared with: the same CPUs, so that the load takes its share of them, too.
pub(crate) const ONE_THREAD: &str = "one thread on two CPUs unary 64x4";
pub(crate) const TWO_THREADS: &str = "two threads unary 64x4";

const fn unary(name: &'static str, connections: usize, streams: usize) -> Cell {
    Cell {
        name,
        tool: Tool::H2load,
        call: "hello",
        connections,
        streams,
        extra: &[],
        has_metadata: false,
        threads: 1,
        cpus: 1,
        is_tls: false,
        is_quick: false,
    }
}

const fn other(name: &'static str, call: &'static str, connections: usize, streams: usize) -> Cell {
    Cell { tool: Tool::Load, call, ..unary(name, connections, streams) }
}

const fn quick(cell: Cell) -> Cell {
    Cell { is_quick: true, ..cell }
}

pub(crate) fn all() -> Vec<Cell> {
    vec![
        quick(unary("unary 1x1", 1, 1)),
        unary("unary 50x1", 50, 1),
        unary("unary 1x10", 1, 10),
        quick(unary("unary 10x10", 10, 10)),
        unary("unary 64x4", 64, 4),
        unary("unary 256x100", 256, 100),
        quick(unary("unary 1x100", 1, 100)),
        quick(unary("unary 100x100", 100, 100)),
        quick(other("stream 1000x100B 1x4", "stream:1000:100", 1, 4)),
        other("stream 10000x100B 1x4", "stream:10000:100", 1, 4),
        quick(other("pingpong 100B 1x100", "pingpong:100", 1, 100)),
        other("pingpong 100B 1x1", "pingpong:100", 1, 1),
        other("echo 0B 10x10", "echo:0", 10, 10),
        other("echo 100B 10x10", "echo:100", 10, 10),
        quick(other("echo 1KiB 10x10", "echo:1024", 10, 10)),
        other("echo 64KiB 4x4", "echo:65536", 4, 4),
        other("echo 1MiB 2x2", "echo:1048576", 2, 2),
        Cell { has_metadata: true, ..unary("metadata and deadline 10x10", 10, 10) },
        Cell { has_metadata: true, ..unary("metadata and deadline 1x100", 1, 100) },
        Cell { extra: &["--cancel-interval", "10"], ..other("one call in ten cancelled 10x10", "hello", 10, 10) },
        Cell { extra: &["--bulk", "4", "--window", "65535"], ..other("beside 4 bulk streams 1x10", "hello", 1, 10) },
        Cell { is_tls: true, ..unary("TLS unary 10x10", 10, 10) },
        Cell { cpus: 2, ..unary(ONE_THREAD, 64, 4) },
        Cell { threads: 2, cpus: 2, ..unary(TWO_THREADS, 64, 4) },
    ]
}

impl Cell {
    /// Whether `contestant` can serve it.
    pub(crate) fn suits(&self, contestant: &Contestant) -> bool {
        if self.is_tls && !contestant.has_tls || contestant.is_laden && !self.is_bare() {
            return false;
        }
        if !self.extra.is_empty() {
            return contestant.scope == Scope::All && !contestant.needs_mode;
        }
        contestant.scope == Scope::All || self.is_small_unary()
    }

    /// Whether an interceptor and metadata could make a difference to it.
    fn is_bare(&self) -> bool {
        !self.is_tls && !self.has_metadata && self.cpus == 1 && self.extra.is_empty()
    }

    /// The cell as `contestant` meets it.
    pub(crate) fn seen_by(&self, contestant: &Contestant) -> Self {
        Cell { has_metadata: self.has_metadata || contestant.is_laden, ..self.clone() }
    }

    fn is_small_unary(&self) -> bool {
        self.call == "hello" || matches!(self.call, "echo:100" | "echo:1024")
    }

    /// What the null responder must answer.
    pub(crate) fn mode(&self) -> &'static str {
        match self.call.split(':').next() {
            Some("echo" | "pingpong") => "echo",
            Some("stream") => self.call,
            _ => "hello",
        }
    }
}
