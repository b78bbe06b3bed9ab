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
    /// Threads of the server.
    pub(crate) threads: usize,
    pub(crate) is_tls: bool,
    pub(crate) is_quick: bool,
}

const fn unary(name: &'static str, connections: usize, streams: usize) -> Cell {
    Cell {
        name,
        tool: Tool::H2load,
        call: "hello",
        connections,
        streams,
        extra: &[],
        threads: 1,
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
        quick(unary("unary 1x100", 1, 100)),
        quick(unary("unary 100x100", 100, 100)),
        quick(other("stream 1000x100B 1x4", "stream:1000:100", 1, 4)),
        quick(other("pingpong 100B 1x100", "pingpong:100", 1, 100)),
        other("pingpong 100B 1x1", "pingpong:100", 1, 1),
        other("echo 0B 10x10", "echo:0", 10, 10),
        other("echo 100B 10x10", "echo:100", 10, 10),
        quick(other("echo 1KiB 10x10", "echo:1024", 10, 10)),
        other("echo 64KiB 4x4", "echo:65536", 4, 4),
        other("echo 1MiB 2x2", "echo:1048576", 2, 2),
        Cell { extra: &["--metadata"], ..other("metadata and deadline 10x10", "hello", 10, 10) },
        Cell { extra: &["--metadata"], ..other("metadata and deadline 1x100", "hello", 1, 100) },
        Cell { is_tls: true, ..unary("TLS unary 10x10", 10, 10) },
        Cell { threads: 2, ..unary("two threads unary 64x4", 64, 4) },
    ]
}

impl Cell {
    /// Whether `contestant` can serve it.
    pub(crate) fn suits(&self, contestant: &Contestant) -> bool {
        if self.is_tls && !contestant.has_tls {
            return false;
        }
        contestant.scope == Scope::All || self.is_small_unary()
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
