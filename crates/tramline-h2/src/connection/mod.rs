//! One connection: the owner of every room below.

mod control;
mod field_writer;
mod lifecycle;
mod receive;
mod receive_data;
mod receive_headers;
mod respond;
mod send;
mod transmit;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

pub use field_writer::{FieldWriter, GroupStart};
pub use send::{OpenError, SendError, StreamClosed};

use crate::bdp::Estimator;
use crate::budget::Ledger;
use crate::closed::ClosedStreams;
use crate::error::ConnectionError;
use crate::event::{Event, StreamKey};
use crate::flow::{ReceiveWindow, WINDOW_DEFAULT, WINDOW_MAX, Window};
use crate::frame::{FRAME_LEN_DEFAULT, FRAME_LEN_MAX, PREFACE, write_settings};
use crate::hpack::{Classifier, Decoder, Encoder, FieldBlock};
use crate::limits::Limits;
use crate::output::Output;
use crate::schedule::Schedule;
use crate::settings::{self, OfferedWindow, PeerSettings};
use crate::store::Store;
use crate::timer::{Timer, TimerTable};
use receive::Partial;
use receive_headers::{OpenBlock, Sections};

/// Which side of the connection this engine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Opens streams with odd identifiers.
    Client,
    /// Answers them.
    Server,
}

/// What a connection is made with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Budgets against abuse.
    pub limits: Limits,
    /// Receive window of a stream at the start, in octets: at most 2³¹ − 1.
    pub stream_window_len: u32,
    /// How far a stream's window may grow, in octets.
    pub stream_window_len_max: u32,
    /// Receive window of the connection at the start, in octets.
    pub connection_window_len: u32,
    /// How far the connection's window may grow, in octets.
    pub connection_window_len_max: u32,
    /// Whether windows follow the bandwidth-delay product.
    pub adaptive_window: bool,
    /// The HPACK table that the peer may use, in octets (RFC 7541 §4.2).
    pub header_table_size: u32,
    /// The HPACK table that we use at most, whatever the peer allows, in octets.
    pub encoder_table_size_max: usize,
    /// The largest frame payload that the peer may send, in octets: 16,384 to 2²⁴ − 1.
    pub frame_len_max: u32,
    /// Identifier of the first stream that a client opens: odd (RFC 9113 §5.1.1).
    pub first_stream_id: u32,
}

impl Config {
    /// What lies outside the bounds of RFC 9113 §6.5.2 takes the nearest value inside: the
    /// peer would end the connection for it.
    fn clamp(mut self) -> Self {
        let window_len_max = WINDOW_MAX as u32;
        self.frame_len_max = self.frame_len_max.clamp(FRAME_LEN_DEFAULT, FRAME_LEN_MAX);
        for len in [
            &mut self.stream_window_len,
            &mut self.stream_window_len_max,
            &mut self.connection_window_len,
            &mut self.connection_window_len_max,
        ] {
            *len = (*len).min(window_len_max);
        }
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            limits: Limits::default(),
            stream_window_len: 256 * 1024,
            stream_window_len_max: 4 * 1024 * 1024,
            connection_window_len: 1024 * 1024,
            connection_window_len_max: 16 * 1024 * 1024,
            adaptive_window: true,
            header_table_size: 4096,
            encoder_table_size_max: 4096,
            frame_len_max: FRAME_LEN_DEFAULT,
            first_stream_id: 1,
        }
    }
}

/// A connection's counters, all in octets but the two counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Accounts {
    /// Streams that have a slot.
    pub stream_count: usize,
    /// Streams of ours that count against the peer's limit.
    pub local_stream_count: usize,
    /// What we may send on the connection.
    pub send_window: i64,
    /// What the peer may send on the connection.
    pub receive_window: i64,
    /// Window that is due to the peer, and not announced yet.
    pub receive_window_owed: u32,
    /// What the peer may send when nothing is in flight, retained or owed.
    pub receive_window_target: u32,
    /// Delivered and not yet released.
    pub retained_len: usize,
    /// Window that is kept back while too much is retained.
    pub withheld_len: usize,
    /// Queued for want of window, or until its turn comes.
    pub unsent_len: usize,
}

/// How far the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// A server waits for the client's preface (RFC 9113 §3.4).
    Preface,
    /// The first frame must be SETTINGS.
    FirstSettings,
    Open,
    /// An error was sent; no more input is taken.
    Failed(ConnectionError),
}

/// How far a graceful end is (RFC 9113 §6.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drain {
    No,
    /// GOAWAY(2³¹−1) is out; streams in flight still count.
    Announced,
    /// GOAWAY with the last stream that is served is out.
    Final {
        last_stream_id: u32,
    },
}

/// The HTTP/2 engine of one connection.
#[derive(Debug)]
pub struct Connection<C: Classifier> {
    role: Role,
    config: Config,
    now: Duration,
    phase: Phase,
    drain: Drain,

    peer: PeerSettings,
    offered_window: OfferedWindow,
    timers: TimerTable,
    ledger: Ledger,
    estimator: Estimator,

    decoder: Decoder<C>,
    encoder: Encoder,
    sections: Sections<C::Token>,
    open_block: Option<OpenBlock>,
    partial: Option<Partial>,

    store: Store,
    closed: ClosedStreams,
    /// Highest identifier that the peer opened.
    last_peer_id: u32,
    /// Identifier of the next stream that we open.
    next_id: u32,
    /// Streams of ours that are not closed.
    local_active: u32,
    /// The last stream that the peer will process, once it sent GOAWAY.
    goaway_received: Option<u32>,

    /// PING frames of ours that the peer has not answered.
    pings_unacked: u32,

    send_window: Window,
    receive_window: ReceiveWindow,
    /// Octets delivered and not yet released, over all streams.
    retained_len: usize,
    /// Octets of the connection window that are not given back while the ledger is full.
    withheld_len: u32,

    /// Octets that wait in the queues of all streams.
    queued_len: usize,
    schedule: Schedule,
    pending: VecDeque<Event<'static>>,
    output: Output,
    /// Answers to frames of the peer's that the output holds, or held not long ago.
    control_unsent: usize,
    /// The driver could not write all of the output.
    is_congested: bool,
    /// Where in the output the last of them ends.
    control_end: u64,
}

impl<C: Classifier> Connection<C> {
    /// A connection whose preface and SETTINGS are already in the output. Values of `config`
    /// outside their bounds take the nearest one inside; [`config`](Self::config) tells.
    pub fn new(role: Role, config: Config, classifier: C, now: Duration) -> Self {
        let config = config.clamp();
        let mut connection = Connection {
            role,
            now,
            phase: if role == Role::Server { Phase::Preface } else { Phase::FirstSettings },
            drain: Drain::No,
            peer: PeerSettings::default(),
            offered_window: OfferedWindow::new(config.stream_window_len),
            timers: TimerTable::default(),
            ledger: Ledger::new(&config.limits, now),
            estimator: Estimator::new(config.stream_window_len, config.stream_window_len_max),
            decoder: Decoder::new(classifier, config.header_table_size as usize),
            encoder: Encoder::new(config.encoder_table_size_max),
            sections: Sections::default(),
            open_block: None,
            partial: None,
            store: Store::default(),
            closed: ClosedStreams::new(if role == Role::Client { config.first_stream_id | 1 } else { 1 }),
            last_peer_id: 0,
            next_id: config.first_stream_id | 1,
            local_active: 0,
            goaway_received: None,
            pings_unacked: 0,
            send_window: Window::new(WINDOW_DEFAULT),
            receive_window: ReceiveWindow::new(WINDOW_DEFAULT),
            retained_len: 0,
            withheld_len: 0,
            queued_len: 0,
            schedule: Schedule::default(),
            pending: VecDeque::new(),
            output: Output::default(),
            control_unsent: 0,
            is_congested: false,
            control_end: 0,
            config,
        };
        connection.write_preface();
        connection
    }

    fn write_preface(&mut self) {
        let limits = &self.config.limits;
        let out = self.output.tail();
        if self.role == Role::Client {
            out.extend_from_slice(PREFACE);
        }
        let header_list_len_max = u32::try_from(limits.header_list_len_max).unwrap_or(u32::MAX);
        let pairs = [
            (settings::INITIAL_WINDOW_SIZE, self.config.stream_window_len),
            (settings::MAX_FRAME_SIZE, self.config.frame_len_max),
            (settings::MAX_HEADER_LIST_SIZE, header_list_len_max),
            (settings::HEADER_TABLE_SIZE, self.config.header_table_size),
            match self.role {
                Role::Client => (settings::ENABLE_PUSH, 0),
                Role::Server => (settings::MAX_CONCURRENT_STREAMS, limits.concurrent_streams_max),
            },
        ];
        write_settings(out, &pairs);
        self.receive_window.raise(self.config.connection_window_len);
        self.timers.set(Timer::Preface, self.now + limits.preface_timeout);
        self.timers.set(Timer::SettingsAck, self.now + limits.settings_ack_timeout);
    }

    /// The fields of the last [`Event::Headers`] or [`Event::Trailers`].
    #[must_use]
    pub fn fields(&self) -> &FieldBlock<C::Token> {
        self.sections.last()
    }

    /// The classifier that was given at the start.
    #[must_use]
    pub fn classifier(&self) -> &C {
        self.decoder.classifier()
    }

    /// The side that this engine is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The length of a field section that the peer accepts (RFC 9113 §6.5.2).
    #[must_use]
    pub fn peer_header_list_len_max(&self) -> usize {
        self.peer.header_list_len_max as usize
    }

    /// Streams that have a slot: open ones, and closed ones that the driver still holds.
    #[must_use]
    pub fn stream_count(&self) -> usize {
        self.store.len()
    }

    /// Octets delivered and not yet released, over all streams.
    #[must_use]
    pub fn retained_len(&self) -> usize {
        self.retained_len
    }

    /// Octets that wait for window or for their turn, in the queues of all streams.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.queued_len
    }

    /// What the connection holds and may still send: for statistics, and for tests that
    /// nothing leaks.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        Accounts {
            stream_count: self.store.len(),
            local_stream_count: self.local_active as usize,
            send_window: self.send_window.value(),
            receive_window: self.receive_window.window().value(),
            receive_window_owed: self.receive_window.owed(),
            receive_window_target: self.receive_window.target(),
            retained_len: self.retained_len,
            withheld_len: self.withheld_len as usize,
            unsent_len: self.queued_len,
        }
    }

    /// Whether the peer's first SETTINGS have arrived.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Open
    }

    /// All octets that wait, copied out and taken: for tests and simulations.
    pub fn take_output(&mut self) -> Vec<u8> {
        let now = self.now;
        let mut all = Vec::new();
        loop {
            let output = self.poll_output(now);
            let before = all.len();
            output.slices().for_each(|slice| all.extend_from_slice(slice));
            let count = all.len() - before;
            if count == 0 {
                return all;
            }
            self.advance_output(now, count);
        }
    }

    fn push_chunk(&mut self, key: StreamKey, chunk: Bytes) {
        if let Some(stream) = self.store.get_mut(key) {
            self.queued_len += chunk.len();
            stream.queue.push(chunk);
        }
    }
}
