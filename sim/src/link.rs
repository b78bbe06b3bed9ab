//! One direction of a byte stream: order is kept, and nothing else is promised.

use std::collections::VecDeque;
use std::time::Duration;

/// Octets under way, each chunk with the time of its arrival.
#[derive(Debug, Default)]
pub(crate) struct Link {
    chunks: VecDeque<(Duration, Vec<u8>)>,
    last_arrival: Duration,
    is_cut: bool,
}

impl Link {
    /// Sends a chunk that arrives at `at`, but not before those in front of it.
    pub(crate) fn send(&mut self, at: Duration, octets: Vec<u8>) {
        if !self.is_cut {
            self.last_arrival = self.last_arrival.max(at);
            self.chunks.push_back((self.last_arrival, octets));
        }
    }

    /// When the next chunk arrives.
    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.chunks.front().map(|(at, _)| *at)
    }

    /// The next chunk that has arrived.
    pub(crate) fn receive(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.next_arrival().filter(|at| *at <= now)?;
        self.chunks.pop_front().map(|(_, octets)| octets)
    }

    /// Loses what is under way and whatever comes later.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.chunks.clear();
    }
}
