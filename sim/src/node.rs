//! One engine with the loop that a driver would run around it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tramline_h2::hpack::Opaque;
use tramline_h2::{Config, Connection, ConnectionError, Event, Role};

use crate::entropy::Entropy;
use crate::link::Link;

pub(crate) type Engine = Connection<Opaque>;

/// What an application does with events and wakes.
pub(crate) trait Application {
    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, wakes: &mut Wakes, now: Duration);
    fn handle_wake(&mut self, engine: &mut Engine, token: usize, wakes: &mut Wakes, now: Duration);
    fn handle_end(&mut self);
}

/// Times at which an application wants to be called.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    heap: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl Wakes {
    pub(crate) fn add(&mut self, at: Duration, token: usize) {
        self.heap.push(Reverse((at, token)));
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    fn take_due(&mut self, now: Duration) -> Option<usize> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((_, token))| token)
    }
}

/// An engine, its application, and octets read and not yet taken.
pub(crate) struct Node<A> {
    pub(crate) engine: Engine,
    pub(crate) app: A,
    pub(crate) wakes: Wakes,
    carry: Vec<u8>,
    /// The socket takes nothing before this time.
    stalled_until: Duration,
    pub(crate) error: Option<ConnectionError>,
    pub(crate) is_ended: bool,
}

impl<A: Application> Node<A> {
    pub(crate) fn new(role: Role, config: Config, app: A) -> Self {
        Node {
            engine: Connection::new(role, config, Opaque, Duration::ZERO),
            app,
            wakes: Wakes::default(),
            carry: Vec::new(),
            stalled_until: Duration::ZERO,
            error: None,
            is_ended: false,
        }
    }

    /// The time of the next thing that this side does by itself.
    pub(crate) fn next(&self) -> Option<Duration> {
        let is_stalled = self.stalled_until > Duration::ZERO;
        [self.wakes.next(), is_stalled.then_some(self.stalled_until)].into_iter().flatten().min()
    }

    /// Everything that can be done now.
    pub(crate) fn step(&mut self, rng: &mut impl Entropy, now: Duration, input: &mut Link, output: &mut Link) {
        if self.is_ended {
            return;
        }
        while let Some(token) = self.wakes.take_due(now) {
            self.app.handle_wake(&mut self.engine, token, &mut self.wakes, now);
        }
        loop {
            let before = self.carry.len();
            while let Some(octets) = input.receive(now) {
                self.carry.extend_from_slice(&octets);
            }
            let has_read = self.read(rng, now) || self.carry.len() != before;
            let has_written = self.write(rng, now, output);
            if self.error.is_some() {
                self.end();
                return;
            }
            if !has_read && !has_written {
                return;
            }
        }
    }

    /// Gives the engine what came, in pieces of any size.
    fn read(&mut self, rng: &mut impl Entropy, now: Duration) -> bool {
        let carry = std::mem::take(&mut self.carry);
        let mut given = 0;
        let mut taken = 0;
        while given < carry.len() && self.error.is_none() && !self.engine.is_read_paused() {
            given = if rng.chance(70) { carry.len() } else { given + 1 + rng.below(carry.len() - given) };
            let mut input = &carry[taken..given];
            self.take_events(&mut input, now);
            taken = given - input.len();
        }
        self.carry = carry[taken..].to_vec();
        while let Some(event) = self.engine.poll_event() {
            self.app.handle_event(&mut self.engine, event, &mut self.wakes, now);
        }
        taken > 0
    }

    fn take_events(&mut self, input: &mut &[u8], now: Duration) {
        loop {
            match self.engine.handle_input(now, input) {
                Ok(Some(event)) => self.app.handle_event(&mut self.engine, event, &mut self.wakes, now),
                Ok(None) => return,
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    /// Writes, sometimes a part only, sometimes after a while.
    fn write(&mut self, rng: &mut impl Entropy, now: Duration, link: &mut Link) -> bool {
        if self.stalled_until > now {
            return false;
        }
        self.stalled_until = Duration::ZERO;
        let output = self.engine.poll_output(now);
        if output.is_empty() {
            return false;
        }
        let mut octets: Vec<u8> = output.slices().flatten().copied().collect();
        if rng.chance(30) {
            octets.truncate(1 + rng.below(octets.len()));
            self.stalled_until = now + Duration::from_millis(1 + rng.below(20) as u64);
        }
        let count = octets.len();
        link.send(now + Duration::from_micros(100 + 100 * rng.below(300) as u64), octets);
        self.engine.advance_output(now, count);
        true
    }

    /// The byte stream ended.
    pub(crate) fn end(&mut self) {
        if !self.is_ended {
            self.is_ended = true;
            self.wakes = Wakes::default();
            self.stalled_until = Duration::ZERO;
            self.app.handle_end();
        }
    }
}
