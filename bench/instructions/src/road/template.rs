//! What the other side says, by the HTTP/2 engine, once.

use std::time::Duration;

use tramline_h2::hpack::{Classified, Classifier};
use tramline_h2::{Config, Connection, Event, FieldWriter, Indexing, Reason, Role, StreamKey};

/// What a call asks.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    path: &'static str,
    /// The request's message behind its prefix.
    envelope: &'static [u8],
}

pub(super) const HELLO: Asked = Asked { path: "/helloworld.Greeter/SayHello", envelope: b"\0\0\0\0\x07\x0a\x05world" };
/// Messages of one stream, which are together shorter than a stream's first window.
pub(super) const STREAM_COUNT: usize = 500;
/// A stream of them, of 100 octets each.
pub(super) const STREAM: Asked =
    Asked { path: "/bench.BenchmarkService/Stream", envelope: b"\0\0\0\0\x05\x08\xf4\x03\x10\x64" };
/// Calls whose messages go back and forth, of 100 octets each. All of them together are
/// shorter than a stream's first window.
const PING_PONG: Asked = Asked { path: "/bench.BenchmarkService/PingPong", envelope: &PING };
const PING: [u8; 107] = {
    let mut ping = [7; 107];
    ping.split_at_mut(7).0.copy_from_slice(&[0, 0, 0, 0, 102, 0x0a, 100]);
    ping
};
/// Batches whose calls differ in their deadlines.
const BATCH_COUNT: usize = 16;

const REPLY: &[u8] = b"\0\0\0\0\x0f\x0a\x0dHello, world!";
const NOW: Duration = Duration::ZERO;
/// A SETTINGS frame that acknowledges the other's.
const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
/// A WINDOW_UPDATE that makes the connection's window wide enough for everything.
const WINDOW_UPDATE: [u8; 13] = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x70, 0, 0, 0];

/// What a client says.
pub(super) struct Requests {
    /// Preface and settings.
    pub(super) opening: Vec<u8>,
    /// The first call, whose fields are not in any table yet.
    pub(super) first: Vec<u8>,
    /// From then on one of these after another.
    pub(super) batches: Vec<Vec<u8>>,
    /// Calls of a batch.
    pub(super) depth: u32,
    /// What belongs to a call in each batch.
    pub(super) each: Each,
}

/// What a batch has of each of its calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Each {
    /// A call of its own, in two frames, which ends.
    Call,
    /// One message of a call that goes on, in one frame.
    Message,
}

/// What a server answers.
#[derive(Clone)]
pub(super) struct Script {
    /// Preface and settings.
    pub(super) opening: Vec<u8>,
    /// The first exchange, whose fields are not in any table yet.
    pub(super) first: Vec<u8>,
    /// Every exchange from then on, of stream 1.
    pub(super) again: Vec<u8>,
}

struct Plain;

impl Classifier for Plain {
    type Token = ();

    fn classify(&self, _name: &[u8], _value: &[u8]) -> Classified<()> {
        Classified { token: (), keep: true }
    }
}

fn engine(role: Role) -> Connection<Plain> {
    Connection::new(role, Config::default(), Plain, NOW)
}

fn take(engine: &mut Connection<Plain>) -> Vec<u8> {
    let len = engine.poll_output(NOW).len();
    let octets = engine.output().slices().flatten().copied().collect();
    engine.advance_output(NOW, len);
    octets
}

fn write_request(fields: &mut FieldWriter<'_>, asked: Asked, timeout: Option<&str>) {
    fields.field(b":method", b"POST", Indexing::Incremental);
    fields.field(b":scheme", b"http", Indexing::Incremental);
    fields.field(b":path", asked.path.as_bytes(), Indexing::Incremental);
    fields.field(b":authority", b"localhost:50051", Indexing::Incremental);
    fields.field(b"user-agent", b"grpc-go/1.85.0", Indexing::Incremental);
    fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
    fields.field(b"te", b"trailers", Indexing::Incremental);
    if let Some(timeout) = timeout {
        fields.field(b"authorization", b"Bearer 4f8d1c06e2", Indexing::Incremental);
        fields.field(b"x-tenant", b"blue", Indexing::Incremental);
        fields.field(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Indexing::None);
        fields.field(b"grpc-timeout", timeout.as_bytes(), Indexing::None);
    }
}

fn ask(client: &mut Connection<Plain>, asked: Asked, timeout: Option<&str>) -> Vec<u8> {
    let key = client.send_request(NOW, false, |fields| write_request(fields, asked, timeout)).expect("a stream");
    let sent = client.send_with(key, true, |out| {
        out.extend_from_slice(asked.envelope);
        Ok::<(), ()>(())
    });
    assert!(sent.is_ok());
    let octets = take(client);
    // Nobody answers here: the stream makes room for the next one.
    client.reset(key, Reason::CANCEL);
    client.forget(key);
    take(client);
    octets
}

fn answer(server: &mut Connection<Plain>, mut input: &[u8]) -> Vec<u8> {
    while let Some(event) = server.handle_input(NOW, &mut input).expect("valid input") {
        let Event::Data { stream, .. } = event else { continue };
        let head = server.send_headers(stream, false, |fields| {
            fields.field(b":status", b"200", Indexing::Incremental);
            fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
        });
        let message = server.send_with(stream, false, |out| {
            out.extend_from_slice(REPLY);
            Ok::<(), ()>(())
        });
        let trailers = server.send_headers(stream, true, |fields| {
            fields.field(b"grpc-status", b"0", Indexing::Incremental);
        });
        assert!(head.is_ok() && message.is_ok() && trailers.is_ok());
    }
    take(server)
}

/// What a client says. With metadata, every call has a deadline of its own.
pub(super) fn requests(depth: usize, has_metadata: bool, asked: Asked) -> Requests {
    let mut client = engine(Role::Client);
    let mut opening = take(&mut client);
    opening.extend(WINDOW_UPDATE);
    opening.extend(SETTINGS_ACK);
    let mut micros = 99_999;
    let mut next = || {
        micros -= 1;
        ask(&mut client, asked, has_metadata.then(|| format!("{micros}u")).as_deref())
    };
    let first = next();
    let batches = (0..BATCH_COUNT).map(|_| (0..depth).flat_map(|_| next()).collect()).collect();
    Requests { opening, first, batches, depth: depth as u32, each: Each::Call }
}

/// What a client says that has `depth` calls open, and sends a message on each by turns.
pub(super) fn pings(depth: usize) -> Requests {
    let mut client = engine(Role::Client);
    let mut opening = take(&mut client);
    opening.extend(WINDOW_UPDATE);
    opening.extend(SETTINGS_ACK);
    let asked = PING_PONG;
    let mut open = || client.send_request(NOW, false, |fields| write_request(fields, asked, None)).expect("a stream");
    let keys: Vec<StreamKey> = (0..depth).map(|_| open()).collect();
    let first = ping(&mut client, &keys);
    let again = ping(&mut client, &keys);
    Requests { opening, first, batches: vec![again], depth: depth as u32, each: Each::Message }
}

/// What waits, and a message on each of `keys`.
fn ping(client: &mut Connection<Plain>, keys: &[StreamKey]) -> Vec<u8> {
    for key in keys {
        let sent = client.send_with(*key, false, |out| {
            out.extend_from_slice(PING_PONG.envelope);
            Ok::<(), ()>(())
        });
        assert!(sent.is_ok());
    }
    take(client)
}

/// What a server answers.
pub(super) fn answers() -> Script {
    let (mut client, mut server) = (engine(Role::Client), engine(Role::Server));
    let mut opening = take(&mut server);
    opening.extend(WINDOW_UPDATE);
    opening.extend(SETTINGS_ACK);
    // The server's acknowledgement of these settings is in its opening.
    answer(&mut server, &take(&mut client));
    let first = answer(&mut server, &ask(&mut client, HELLO, None));
    let again = answer(&mut server, &ask(&mut client, HELLO, None));
    Script { opening, first, again }
}
