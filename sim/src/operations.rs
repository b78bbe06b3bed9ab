//! The operation fuzzer: two engines, and any command at any time. Whatever an
//! application does, its engine never panics, never makes the peer's engine end the
//! connection, and gives everything back once all streams are let go.

use std::time::Duration;

use bytes::Bytes;
use tramline_h2::hpack::Opaque;
use tramline_h2::{Config, Connection, Event, FieldWriter, Indexing, Reason, Role, StreamKey};

use crate::entropy::{Entropy, Octets};
use crate::node::Engine;

/// Keys that are used again after their streams are gone.
const KEY_COUNT_MAX: usize = 64;

struct Side {
    engine: Engine,
    keys: Vec<StreamKey>,
    /// Octets from the peer that the engine has not taken.
    inbox: Vec<u8>,
}

/// Runs the commands that `entropy` spells. Returns how many they were.
///
/// # Panics
/// If an invariant does not hold.
pub fn run(entropy: &[u8]) -> usize {
    let mut entropy = Octets::new(entropy);
    let mut pair = Pair::new(&mut entropy);
    let mut count = 0;
    while !entropy.is_empty() {
        pair.step(&mut entropy);
        count += 1;
    }
    pair.rest();
    count
}

struct Pair {
    sides: [Side; 2],
    now: Duration,
}

fn config(entropy: &mut Octets<'_>) -> Config {
    let mut config = Config::default();
    config.stream_window_len = entropy.pick(&[0, 1, 1_000, 65_535, 1 << 20]);
    config.connection_window_len = entropy.pick(&[65_535, 100_000, 1 << 20]);
    config.header_table_size = entropy.pick(&[0, 64, 4_096, 8_192]);
    config.encoder_table_size_max = entropy.pick(&[0, 100, 4_096, 16_384]);
    config.limits.concurrent_streams_max = entropy.pick(&[1, 4, 256]);
    config.limits.send_queue_len_max = entropy.pick(&[100, 65_536]);
    config.limits.retained_len_max = entropy.pick(&[1_000, 16 << 20]);
    // The application breaks rules on purpose, and its peer is not to mind.
    let limits = &mut config.limits;
    for burst in [
        &mut limits.reset_burst,
        &mut limits.ping_burst,
        &mut limits.settings_burst,
        &mut limits.empty_data_burst,
        &mut limits.ignored_burst,
        &mut limits.window_update_burst,
    ] {
        *burst = 1_000_000;
    }
    config
}

impl Pair {
    fn new(entropy: &mut Octets<'_>) -> Self {
        let side = |role, config| Side {
            engine: Connection::new(role, config, Opaque, Duration::ZERO),
            keys: Vec::new(),
            inbox: Vec::new(),
        };
        let sides = [side(Role::Client, config(entropy)), side(Role::Server, config(entropy))];
        Pair { sides, now: Duration::ZERO }
    }

    fn step(&mut self, entropy: &mut Octets<'_>) {
        let at = entropy.below(2);
        let now = self.now;
        let choice = entropy.below(16);
        let side = &mut self.sides[at];
        let key = side.pick(entropy);
        match choice {
            0 | 1 => {
                let end_stream = entropy.chance(50);
                let many = entropy.below(8);
                if let Ok(key) = side.engine.send_request(now, end_stream, |fields| write_request(fields, many)) {
                    side.remember(key);
                }
            }
            2 => side.with(key, |engine, key| {
                let _ = engine.send_headers(key, entropy.chance(60), |fields| write_response(fields, entropy));
            }),
            3 | 4 => side.with(key, |engine, key| {
                let data = Bytes::from(vec![7; length(entropy)]);
                let _ = engine.send_data(key, data, entropy.chance(30));
            }),
            5 => side.with(key, |engine, key| {
                let octets = vec![7; length(entropy)];
                let fails = entropy.chance(10);
                if entropy.chance(50) {
                    let _ = engine.send_copy(key, &octets, entropy.chance(30));
                    return;
                }
                let _ = engine.send_with(key, entropy.chance(30), |out| {
                    out.extend_from_slice(&octets);
                    if fails { Err(()) } else { Ok(()) }
                });
            }),
            6 => side.with(key, |engine, key| engine.reset(key, Reason(entropy.below(20) as u32))),
            7 => side.with(key, Engine::forget),
            8 => side.with(key, |engine, key| engine.release_capacity(key, length(entropy))),
            9 => side.with(key, |engine, key| {
                let _ = engine.poll_backpressure(key);
            }),
            10 => self.command(at, entropy),
            11 => {
                self.now += Duration::from_millis(entropy.below(20) as u64);
                let _ = self.sides[at].engine.handle_timeout(self.now);
            }
            _ => self.transfer(at, entropy),
        }
        self.check();
    }

    fn command(&mut self, at: usize, entropy: &mut Octets<'_>) {
        let (engine, now) = (&mut self.sides[at].engine, self.now);
        match entropy.below(12) {
            0 => engine.drain(now),
            1 => engine.go_away(Reason::NO_ERROR, b"bye"),
            2..5 => engine.ping([entropy.below(256) as u8; 8]),
            5..8 => engine.set_stream_window_len(now, entropy.pick(&[0, 1, 100, 65_535, 1 << 24])),
            8..10 => engine.set_concurrent_streams_max(now, entropy.below(6) as u32),
            _ => while engine.poll_event().is_some() {},
        }
    }

    /// Some of what one side has to send goes to the other, which takes some of it.
    fn transfer(&mut self, from: usize, entropy: &mut Octets<'_>) {
        let now = self.now;
        let output = self.sides[from].engine.poll_output(now);
        let mut octets: Vec<u8> = output.slices().flatten().copied().collect();
        if entropy.chance(30) {
            octets.truncate(entropy.below(octets.len() + 1));
        }
        self.sides[from].engine.advance_output(now, octets.len());
        let to = &mut self.sides[1 - from];
        to.inbox.extend_from_slice(&octets);
        let given = if entropy.chance(70) { to.inbox.len() } else { entropy.below(to.inbox.len() + 1) };
        to.take(given, now);
    }

    fn check(&self) {
        for side in &self.sides {
            assert!(!side.engine.is_failed());
            let accounts = side.engine.accounts();
            assert!(accounts.withheld_len <= accounts.retained_len, "{accounts:?}");
        }
    }

    /// Lets everything go, and looks at what is left.
    fn rest(&mut self) {
        self.sides.iter_mut().for_each(Side::let_go);
        for _ in 0..1_000 {
            let mut moved = 0;
            for from in [0, 1] {
                let octets = self.sides[from].engine.take_output();
                moved += octets.len();
                let to = &mut self.sides[1 - from];
                to.inbox.extend_from_slice(&octets);
                to.take(to.inbox.len(), self.now);
                to.let_go();
            }
            if moved == 0 {
                break;
            }
        }
        for at in [0, 1] {
            let own = self.sides[at].engine.accounts();
            let peer = self.sides[1 - at].engine.accounts();
            assert_eq!((own.stream_count, own.local_stream_count), (0, 0), "{own:?}");
            assert_eq!((own.retained_len, own.withheld_len, own.unsent_len), (0, 0, 0), "{own:?}");
            assert_eq!(own.receive_window + i64::from(own.receive_window_owed), i64::from(own.receive_window_target));
            assert_eq!(own.receive_window, peer.send_window);
        }
    }
}

impl Side {
    fn pick(&self, entropy: &mut Octets<'_>) -> Option<StreamKey> {
        self.keys.get(entropy.below(self.keys.len())).copied()
    }

    fn with(&mut self, key: Option<StreamKey>, command: impl FnOnce(&mut Engine, StreamKey)) {
        if let Some(key) = key {
            command(&mut self.engine, key);
        }
    }

    fn remember(&mut self, key: StreamKey) {
        if self.keys.len() == KEY_COUNT_MAX {
            let old = self.keys.remove(0);
            self.engine.forget(old);
        }
        self.keys.push(key);
    }

    fn take(&mut self, given: usize, now: Duration) {
        let inbox = std::mem::take(&mut self.inbox);
        let mut input = &inbox[..given];
        loop {
            match self.engine.handle_input(now, &mut input) {
                Ok(Some(Event::Headers { stream, .. })) if self.engine.role() == Role::Server => self.remember(stream),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => panic!("{:?} ends the connection: {error}", self.engine.role()),
            }
        }
        self.inbox = inbox[given - input.len()..].to_vec();
    }

    fn let_go(&mut self) {
        for key in std::mem::take(&mut self.keys) {
            self.engine.forget(key);
        }
    }
}

fn length(entropy: &mut Octets<'_>) -> usize {
    match entropy.below(4) {
        0 => 0,
        1 => entropy.below(256),
        2 => entropy.below(20_000),
        _ => entropy.below(65_536) * 2,
    }
}

fn write_request(fields: &mut FieldWriter<'_>, many: usize) {
    fields.field(b":method", b"POST", Indexing::Incremental);
    fields.field(b":scheme", b"http", Indexing::Incremental);
    fields.field(b":path", b"/fuzz", Indexing::Incremental);
    (0..many).for_each(|n| fields.field(b"x-many", &[b'a' + n as u8; 40], Indexing::Incremental));
}

fn write_response(fields: &mut FieldWriter<'_>, entropy: &mut Octets<'_>) {
    if entropy.chance(70) {
        fields.field(b":status", entropy.pick(&[b"200", b"103", b"404"]), Indexing::Incremental);
    }
    let len = entropy.below(600);
    fields.field(b"x-value", &vec![b'v'; len], entropy.pick(&[Indexing::Incremental, Indexing::None, Indexing::Never]));
}
