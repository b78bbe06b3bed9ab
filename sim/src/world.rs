//! A client, a server, and the network between them, run until nothing is left to happen.

use std::fmt;
use std::time::Duration;

use tramline_h2::{Accounts, Config, Role};

use crate::client::{Client, End};
use crate::entropy::Entropy;
use crate::link::Link;
use crate::node::{Node, Wakes};
use crate::plan::{Manner, Plan};
use crate::server::Server;

/// Rounds after which a run is taken to be endless.
const ROUND_COUNT_MAX: usize = 200_000;

/// A run that broke an invariant.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The virtual time.
    pub at: Duration,
    /// The invariant.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} at {:?}: {}\nreplay: cargo run -p sim -- {}", self.seed, self.at, self.what, self.seed)
    }
}

impl std::error::Error for Failure {}

/// What happened in a run that kept all invariants.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Calls whose answers came whole.
    pub complete_count: usize,
    /// Calls that the server or GOAWAY ended.
    pub reset_count: usize,
    /// Calls that the client gave up.
    pub cancelled_count: usize,
    /// Calls that found the connection going away.
    pub not_opened_count: usize,
    /// Calls that a cut ended.
    pub lost_count: usize,
    /// Octets of the bodies of complete calls.
    pub octet_count: usize,
    /// Virtual time.
    pub elapsed: Duration,
}

impl Outcome {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Outcome) {
        self.complete_count += other.complete_count;
        self.reset_count += other.reset_count;
        self.cancelled_count += other.cancelled_count;
        self.not_opened_count += other.not_opened_count;
        self.lost_count += other.lost_count;
        self.octet_count += other.octet_count;
        self.elapsed += other.elapsed;
    }
}

/// What happens to the connection as a whole, and when.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Cut,
    Drain,
    ClientDrain,
    ClientWindow(u32),
    ServerWindow(u32),
    StreamLimit(u32),
    Ping,
}

struct World {
    rng: fastrand::Rng,
    client: Node<Client>,
    server: Node<Server>,
    to_server: Link,
    to_client: Link,
    turns: Vec<(Duration, Turn)>,
    is_cut: bool,
    now: Duration,
    is_traced: bool,
}

/// Runs one seed.
///
/// # Errors
/// The invariant that was broken, with the seed to replay it.
pub fn run(seed: u64, is_traced: bool) -> Result<Outcome, Failure> {
    let mut world = World::new(seed, is_traced);
    let result = world.run().and_then(|()| world.judge());
    result.map_err(|what| Failure { seed, at: world.now, what })
}

fn draw_config(rng: &mut impl Entropy) -> Config {
    let mut config = Config::default();
    if rng.chance(50) {
        config.stream_window_len = rng.pick(&[300, 5_000, 65_535, 1 << 20]);
        config.stream_window_len_max = config.stream_window_len.max(1 << 20);
        config.connection_window_len = rng.pick(&[65_535, 100_000, 1 << 20]);
    }
    config.adaptive_window = rng.chance(70);
    config.header_table_size = rng.pick(&[0, 64, 4_096, 8_192]);
    config.encoder_table_size_max = rng.pick(&[0, 100, 4_096, 16_384]);
    config.frame_len_max = rng.pick(&[16_384, 20_000, 1 << 20]);
    config.limits.concurrent_streams_max = rng.pick(&[1, 5, 100, 256]);
    config.limits.retained_len_max = rng.pick(&[20_000, 200_000, 16 << 20]);
    config.limits.send_queue_len_max = rng.pick(&[1_000, 65_536]);
    config
}

fn draw_turns(rng: &mut impl Entropy) -> Vec<(Duration, Turn)> {
    let mut turns = Vec::new();
    let mut add =
        |rng: &mut dyn FnMut(usize) -> usize, turn| turns.push((Duration::from_millis(rng(600) as u64), turn));
    let sizes = [400, 1_000, 65_535, 1 << 20];
    for _ in 0..rng.below(4) {
        let turn = match rng.below(8) {
            0 => Turn::Cut,
            1 => Turn::Drain,
            2 => Turn::ClientDrain,
            3 => Turn::ClientWindow(rng.pick(&sizes)),
            4 => Turn::ServerWindow(rng.pick(&sizes)),
            5 => Turn::StreamLimit(1 + rng.below(20) as u32),
            _ => Turn::Ping,
        };
        add(&mut |bound| rng.below(bound), turn);
    }
    turns.sort_by_key(|(at, _)| *at);
    turns
}

impl World {
    fn new(seed: u64, is_traced: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = if rng.chance(80) { 1 + rng.below(12) } else { rng.below(60) };
        let mut plans: Vec<Plan> = (0..count).map(|_| Plan::draw(&mut rng)).collect();
        let (mut client_config, mut server_config) = (draw_config(&mut rng), draw_config(&mut rng));
        if rng.chance(3) {
            // The last identifiers of a connection (RFC 9113 §5.1.1).
            client_config.first_stream_id = 0x7fff_ffff - 2 * rng.below(20) as u32;
        }
        if rng.chance(5) {
            // Windows of a few octets, and messages that pass them in this life.
            client_config.stream_window_len = 1 + rng.below(10) as u32;
            server_config.stream_window_len = 1 + rng.below(10) as u32;
            plans.iter_mut().for_each(|plan| plan.shorten(200));
        }
        let mut wakes = Wakes::default();
        let app = Client::new(&plans, &mut wakes);
        let mut client = Node::new(Role::Client, client_config, app);
        client.wakes = wakes;
        let server = Node::new(Role::Server, server_config, Server::new(&plans));
        let turns = draw_turns(&mut rng);
        if is_traced {
            eprintln!("client {:#?}\nserver {:#?}\n{turns:#?}", client.engine.config(), server.engine.config());
            plans.iter().enumerate().for_each(|(n, plan)| eprintln!("call {n}: {plan:?}"));
        }
        World {
            rng,
            client,
            server,
            to_server: Link::default(),
            to_client: Link::default(),
            turns,
            is_cut: false,
            now: Duration::ZERO,
            is_traced,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..ROUND_COUNT_MAX {
            self.take_turns();
            self.client.step(&mut self.rng, self.now, &mut self.to_client, &mut self.to_server);
            self.server.step(&mut self.rng, self.now, &mut self.to_server, &mut self.to_client);
            self.check()?;
            let Some(next) = self.next() else { return Ok(()) };
            self.now = self.now.max(next);
            self.trace();
        }
        Err("no end is in sight".into())
    }

    fn next(&self) -> Option<Duration> {
        let turn = self.turns.first().map(|(at, _)| *at);
        let times = [
            turn,
            self.to_client.next_arrival(),
            self.to_server.next_arrival(),
            self.client.next(),
            self.server.next(),
        ];
        times.into_iter().flatten().min()
    }

    fn take_turns(&mut self) {
        while let Some((_, turn)) = self.turns.first().copied().filter(|(at, _)| *at <= self.now) {
            self.turns.remove(0);
            if self.is_traced {
                eprintln!("{:?} {turn:?}", self.now);
            }
            self.take_turn(turn);
        }
    }

    fn take_turn(&mut self, turn: Turn) {
        let now = self.now;
        match turn {
            Turn::Cut => {
                self.is_cut = true;
                self.to_client.cut();
                self.to_server.cut();
                self.client.end();
                self.server.end();
            }
            Turn::Drain => self.server.engine.drain(now),
            Turn::ClientDrain => self.client.engine.drain(now),
            Turn::ClientWindow(len) => self.client.engine.set_stream_window_len(now, len),
            Turn::ServerWindow(len) => self.server.engine.set_stream_window_len(now, len),
            Turn::StreamLimit(count) => self.server.engine.set_concurrent_streams_max(now, count),
            Turn::Ping => self.client.engine.ping(*b"are you?"),
        }
    }

    fn trace(&self) {
        if self.is_traced {
            let (client, server) = (self.client.engine.accounts(), self.server.engine.accounts());
            eprintln!("{:?}\n  client {client:?}\n  server {server:?}", self.now);
        }
    }

    /// What must hold at any time.
    fn check(&self) -> Result<(), String> {
        for (name, error) in [("client", self.client.error), ("server", self.server.error)] {
            if let Some(error) = error {
                return Err(format!("the {name} says: {error}"));
            }
        }
        match self.client.app.fault.as_ref().or(self.server.app.fault.as_ref()) {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// What must hold when nothing happens any more.
    fn judge(&self) -> Result<Outcome, String> {
        let mut outcome = Outcome { elapsed: self.now, ..Outcome::default() };
        for (n, call) in self.client.app.calls.iter().enumerate() {
            let [end] = call.ends[..] else {
                return Err(format!("call {n} ended {} times: {:?}\n{:?}", call.ends.len(), call.ends, call.plan));
            };
            self.judge_call(n, call.plan, end, &mut outcome)?;
        }
        if !self.is_cut {
            judge_rest("client", self.client.engine.accounts(), self.server.engine.accounts())?;
            judge_rest("server", self.server.engine.accounts(), self.client.engine.accounts())?;
        }
        Ok(outcome)
    }

    fn judge_call(&self, n: usize, plan: Plan, end: End, outcome: &mut Outcome) -> Result<(), String> {
        let handler = &self.server.app.handlers[n];
        if handler.accepted_count > 1 {
            return Err(format!("call {n} reached the server {} times", handler.accepted_count));
        }
        match end {
            End::Complete => {
                outcome.complete_count += 1;
                outcome.octet_count += plan.response_len + handler.received_len;
                let is_whole = handler.is_whole || plan.manner != Manner::Unary;
                if !is_whole || handler.accepted_count == 0 || matches!(plan.manner, Manner::Reset(_)) {
                    return Err(format!("call {n} completed, and should not have"));
                }
            }
            End::Reset { unprocessed: true } => {
                outcome.reset_count += 1;
                // REFUSED_STREAM of the handler's own making promises what the handler promises.
                let is_planned = plan.reason == tramline_h2::Reason::REFUSED_STREAM;
                if handler.accepted_count > 0 && !is_planned {
                    return Err(format!("call {n} was processed, and the client was told that it was not"));
                }
            }
            End::Reset { unprocessed: false } => {
                outcome.reset_count += 1;
                if !matches!(plan.manner, Manner::Reset(_)) {
                    return Err(format!("call {n} was reset, and nobody wanted that"));
                }
            }
            End::Cancelled => {
                outcome.cancelled_count += 1;
                if plan.cancel_after.is_none() {
                    return Err(format!("call {n} was cancelled, and nobody wanted that"));
                }
            }
            End::NotOpened => outcome.not_opened_count += 1,
            End::Lost => {
                outcome.lost_count += 1;
                if !self.is_cut {
                    return Err(format!("call {n} was lost on a whole connection"));
                }
            }
        }
        Ok(())
    }
}

/// A side at rest holds nothing, and its windows are what its peer believes them to be.
fn judge_rest(name: &str, own: Accounts, peer: Accounts) -> Result<(), String> {
    let is_empty = own.stream_count == 0
        && own.local_stream_count == 0
        && own.retained_len == 0
        && own.withheld_len == 0
        && own.unsent_len == 0;
    let is_level = own.receive_window + i64::from(own.receive_window_owed) == i64::from(own.receive_window_target);
    if !is_empty || !is_level || own.receive_window != peer.send_window {
        return Err(format!("the {name} does not come to rest: {own:?}, peer {peer:?}"));
    }
    Ok(())
}
