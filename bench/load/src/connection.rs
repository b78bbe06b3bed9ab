//! One connection: the engine, its socket, and the calls in flight.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mio::net::TcpStream;
use tramline_h2::{
    Config, Connection as Engine, Event, FieldWriter, Indexing, Limits, OpenError, Reason, Role, StreamKey,
};

use crate::classify::{ReplyFields, Token};
use crate::options::Options;
use crate::script::Script;
use crate::tally::Tally;

/// Requests up to this length are written straight into the output.
const DIRECT_LEN_MAX: usize = 8 * 1024;
const SLICE_COUNT_MAX: usize = 64;

/// One call in flight.
#[derive(Debug)]
struct Flight {
    /// When it was due, or its last ping.
    since: Duration,
    received_len: usize,
    is_bulk: bool,
}

pub(crate) struct Connection {
    socket: TcpStream,
    engine: Engine<ReplyFields>,
    authority: String,
    has_metadata: bool,
    cancels: Option<Cancels>,
    /// By the slot of the stream.
    flights: Vec<Option<Flight>>,
    in_flight: usize,
    /// The front of a frame whose rest has not come.
    carry: Vec<u8>,
    is_readable: bool,
}

/// Calls that are cancelled while the server waits for their messages.
struct Cancels {
    interval: u64,
    count: u64,
    doomed: Vec<StreamKey>,
}

impl Cancels {
    fn new(interval: u64) -> Self {
        Cancels { interval, count: 0, doomed: Vec::new() }
    }

    /// True for each `interval`th call.
    fn is_due(&mut self) -> bool {
        self.count += 1;
        self.count.is_multiple_of(self.interval)
    }
}

/// What a connection works on.
pub(crate) struct Work<'a> {
    pub(crate) script: &'a Script,
    pub(crate) bulk: &'a Script,
    /// Whether an ended call is followed by another at once.
    pub(crate) is_closed_loop: bool,
    pub(crate) tally: &'a mut Tally,
}

impl Connection {
    pub(crate) fn connect(addr: SocketAddr, options: &Options) -> anyhow::Result<Self> {
        let socket = std::net::TcpStream::connect(addr).with_context(|| format!("no server at {addr}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut connection = Connection {
            socket: TcpStream::from_std(socket),
            engine: Engine::new(Role::Client, config(options), ReplyFields, Duration::ZERO),
            authority: addr.to_string(),
            has_metadata: options.has_metadata,
            cancels: options.cancel_interval.map(Cancels::new),
            flights: Vec::new(),
            in_flight: 0,
            carry: Vec::new(),
            is_readable: false,
        };
        connection.flush(Duration::ZERO)?;
        Ok(connection)
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.engine.is_settled()
    }

    /// Opens a call that was due at `since`. False if the server takes no more now.
    pub(crate) fn start(
        &mut self,
        script: &Script,
        is_bulk: bool,
        since: Duration,
        now: Duration,
    ) -> anyhow::Result<bool> {
        let (authority, has_metadata) = (&self.authority, self.has_metadata);
        let opened = self.engine.send_request(now, false, |fields| {
            write_request(fields, script.path, authority, has_metadata);
        });
        let key = match opened {
            Ok(key) => key,
            Err(OpenError::AtCapacity) => return Ok(false),
            Err(error) => bail!("no call can be opened: {error}"),
        };
        if self.flights.len() <= key.index() {
            self.flights.resize_with(key.index() + 1, || None);
        }
        self.flights[key.index()] = Some(Flight { since, received_len: 0, is_bulk });
        self.in_flight += usize::from(!is_bulk);
        self.send_message(key, script, !script.is_ping_pong)?;
        Ok(true)
    }

    /// Opens a call and sends nothing, so that it stays open.
    pub(crate) fn start_idle(&mut self, path: &str, now: Duration) -> anyhow::Result<StreamKey> {
        let authority = &self.authority;
        Ok(self.engine.send_request(now, false, |fields| write_request(fields, path, authority, false))?)
    }

    /// Opens a call that will be cancelled, if it is time for one.
    fn start_doomed(&mut self, now: Duration) -> anyhow::Result<()> {
        if !self.cancels.as_mut().is_some_and(Cancels::is_due) {
            return Ok(());
        }
        let key = self.start_idle(Script::ping_pong(0).path, now)?;
        self.cancels.iter_mut().for_each(|cancels| cancels.doomed.push(key));
        Ok(())
    }

    /// Cancels what was opened before the server's last octets.
    fn cancel_doomed(&mut self) {
        let Some(cancels) = &mut self.cancels else { return };
        for key in cancels.doomed.drain(..) {
            self.engine.reset(key, Reason::CANCEL);
            self.engine.forget(key);
        }
    }

    fn send_message(&mut self, key: StreamKey, script: &Script, end_stream: bool) -> anyhow::Result<()> {
        if script.request.len() > DIRECT_LEN_MAX {
            self.engine.send_data(key, script.request.clone(), end_stream)?;
            return Ok(());
        }
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&script.request);
            Ok::<(), ()>(())
        };
        ensure!(self.engine.send_with(key, end_stream, write).is_ok(), "the server closed a stream that it must not");
        Ok(())
    }

    /// Reads all there is, and answers it.
    pub(crate) fn handle_readable(
        &mut self,
        buffer: &mut [u8],
        work: &mut Work<'_>,
        now: Duration,
    ) -> anyhow::Result<()> {
        self.is_readable = true;
        while self.is_readable {
            match self.socket.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(len) => {
                    // A short read has emptied the socket: what comes next is a new event.
                    self.is_readable = len == buffer.len();
                    self.cancel_doomed();
                    self.handle_octets(&buffer[..len], work, now)?;
                    self.flush(now)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn handle_octets(&mut self, octets: &[u8], work: &mut Work<'_>, now: Duration) -> anyhow::Result<()> {
        if self.carry.is_empty() {
            let mut input = octets;
            self.handle_input(&mut input, work, now)?;
            self.carry.extend_from_slice(input);
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(octets);
        let mut input = &carry[..];
        self.handle_input(&mut input, work, now)?;
        let taken_len = carry.len() - input.len();
        carry.drain(..taken_len);
        self.carry = carry;
        Ok(())
    }

    fn handle_input(&mut self, input: &mut &[u8], work: &mut Work<'_>, now: Duration) -> anyhow::Result<()> {
        while let Some(event) = self.engine.handle_input(now, input)? {
            self.handle_event(event, work, now)?;
        }
        while let Some(event) = self.engine.poll_event() {
            self.handle_event(event, work, now)?;
        }
        Ok(())
    }

    fn handle_event(&mut self, event: Event<'_>, work: &mut Work<'_>, now: Duration) -> anyhow::Result<()> {
        match event {
            Event::Headers { stream, end_stream: false, .. } => {
                let _ = stream;
                self.check_field(Token::HttpOk)
            }
            Event::Headers { stream, .. } | Event::Trailers { stream, .. } => {
                self.check_field(Token::GrpcOk)?;
                self.finish(stream, work, now)
            }
            Event::Data { stream, bytes, end_stream } => {
                ensure!(!end_stream, "a reply ended without trailers");
                self.handle_data(stream, bytes, work, now)
            }
            Event::Reset { reason, .. } => bail!("the server reset a stream: {reason:?}"),
            Event::GoAway { reason, debug, .. } => {
                bail!("the server goes away: {reason:?} {}", String::from_utf8_lossy(debug))
            }
            Event::Writable { .. } | Event::Settled | Event::Ping | Event::PingAck { .. } => Ok(()),
        }
    }

    fn check_field(&self, wanted: Token) -> anyhow::Result<()> {
        if self.engine.fields().iter().any(|field| field.token == wanted) {
            return Ok(());
        }
        let text: Vec<String> = self
            .engine
            .fields()
            .iter()
            .map(|field| format!("{}: {}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value)))
            .collect();
        bail!("expected {wanted:?}, got [{}]", text.join(", "))
    }

    fn handle_data(&mut self, key: StreamKey, octets: &[u8], work: &mut Work<'_>, now: Duration) -> anyhow::Result<()> {
        self.engine.release_capacity(key, octets.len());
        let flight =
            self.flights.get_mut(key.index()).and_then(Option::as_mut).context("data of a call that is over")?;
        let script = if flight.is_bulk { work.bulk } else { work.script };
        ensure!(script.matches(flight.received_len, octets), "a reply has wrong octets");
        let messages_before = flight.received_len / script.reply.len();
        flight.received_len += octets.len();
        if flight.is_bulk {
            work.tally.record_bulk(octets.len());
            return Ok(());
        }
        let count = flight.received_len / script.reply.len() - messages_before;
        if script.is_ping_pong && count > 0 {
            work.tally.record(count, now.saturating_sub(flight.since));
            flight.since = now;
            return self.answer_pong(key, work, now);
        }
        if script.reply_count > 1 {
            work.tally.record(count, now.saturating_sub(flight.since));
        }
        Ok(())
    }

    /// The next ping, or the end of the stream.
    fn answer_pong(&mut self, key: StreamKey, work: &Work<'_>, _now: Duration) -> anyhow::Result<()> {
        let script = work.script;
        let is_over = self.flights[key.index()].as_ref().is_none_or(|flight| flight.received_len == script.reply_len());
        if is_over {
            self.engine.send_data(key, bytes::Bytes::new(), true)?;
            return Ok(());
        }
        self.send_message(key, script, false)
    }

    /// A call has ended well, if all of its reply came.
    fn finish(&mut self, key: StreamKey, work: &mut Work<'_>, now: Duration) -> anyhow::Result<()> {
        let flight = self.flights.get_mut(key.index()).and_then(Option::take).context("end of a call that is over")?;
        self.engine.forget(key);
        let script = if flight.is_bulk { work.bulk } else { work.script };
        ensure!(flight.received_len == script.reply_len(), "a reply is too short");
        self.in_flight -= usize::from(!flight.is_bulk);
        if script.reply_count == 1 && !script.is_ping_pong {
            work.tally.record(1, now.saturating_sub(flight.since));
        }
        if work.is_closed_loop || flight.is_bulk {
            ensure!(self.start(script, flight.is_bulk, now, now)?, "the server takes fewer calls than before");
            self.start_doomed(now)?;
        }
        Ok(())
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self, now: Duration) -> anyhow::Result<()> {
        loop {
            let output = self.engine.poll_output(now);
            if output.is_empty() {
                return Ok(());
            }
            let mut slices = [IoSlice::new(&[]); SLICE_COUNT_MAX];
            let mut count = 0;
            for (slot, slice) in slices.iter_mut().zip(output.slices()) {
                *slot = IoSlice::new(slice);
                count += 1;
            }
            match self.socket.write_vectored(&slices[..count]) {
                Ok(len) => self.engine.advance_output(now, len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Windows that never hold a server back, and no budget against it: this side measures.
fn config(options: &Options) -> Config {
    let mut config = Config::default();
    config.stream_window_len = options.window_len;
    config.stream_window_len_max = options.window_len;
    config.connection_window_len = options.window_len.saturating_mul(16).min(1 << 30);
    config.connection_window_len_max = config.connection_window_len;
    config.adaptive_window = false;
    config.limits = unlimited(Limits::default());
    config
}

fn unlimited(mut limits: Limits) -> Limits {
    for budget in [
        &mut limits.reset_burst,
        &mut limits.ping_burst,
        &mut limits.settings_burst,
        &mut limits.empty_data_burst,
        &mut limits.ignored_burst,
        &mut limits.window_update_burst,
    ] {
        *budget = u32::MAX / 2;
    }
    limits.output_len_max = usize::MAX / 2;
    limits.send_queue_len_max = usize::MAX / 2;
    limits.retained_len_max = usize::MAX / 2;
    limits
}

fn write_request(fields: &mut FieldWriter<'_>, path: &str, authority: &str, has_metadata: bool) {
    fields.field(b":method", b"POST", Indexing::Incremental);
    fields.field(b":scheme", b"http", Indexing::Incremental);
    fields.field(b":path", path.as_bytes(), Indexing::Incremental);
    fields.field(b":authority", authority.as_bytes(), Indexing::Incremental);
    fields.field(b"te", b"trailers", Indexing::Incremental);
    fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
    if has_metadata {
        fields.field(b"grpc-timeout", b"10S", Indexing::Incremental);
        fields.field(b"authorization", b"Bearer 0123456789abcdef0123456789abcdef", Indexing::Incremental);
        fields.field(b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Indexing::Incremental);
        fields.field(b"x-request-id", b"7b2f0f0e-6c1f-4a51-9f0e-1d2c3b4a5968", Indexing::Incremental);
    }
}
