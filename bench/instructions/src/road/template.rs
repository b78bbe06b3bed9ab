//! What the other side says, by the HTTP/2 engine, once.

use std::time::Duration;

use tramline_h2::hpack::{Classified, Classifier};
use tramline_h2::{Config, Connection, Event, FieldWriter, Indexing, Role};

const REQUEST: &[u8] = b"\0\0\0\0\x07\x0a\x05world";
const REPLY: &[u8] = b"\0\0\0\0\x0f\x0a\x0dHello, world!";
const NOW: Duration = Duration::ZERO;
/// A SETTINGS frame that acknowledges the other's.
const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
/// A WINDOW_UPDATE that makes the connection's window wide enough for everything.
const WINDOW_UPDATE: [u8; 13] = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x70, 0, 0, 0];

/// Octets of one side.
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

fn write_request(fields: &mut FieldWriter<'_>, has_metadata: bool) {
    fields.field(b":method", b"POST", Indexing::Incremental);
    fields.field(b":scheme", b"http", Indexing::Incremental);
    fields.field(b":path", b"/helloworld.Greeter/SayHello", Indexing::Incremental);
    fields.field(b":authority", b"localhost:50051", Indexing::Incremental);
    fields.field(b"user-agent", b"grpc-go/1.85.0", Indexing::Incremental);
    fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
    fields.field(b"te", b"trailers", Indexing::Incremental);
    if has_metadata {
        fields.field(b"authorization", b"Bearer 4f8d1c06e2", Indexing::Incremental);
        fields.field(b"x-tenant", b"blue", Indexing::Incremental);
        fields.field(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Indexing::None);
        fields.field(b"grpc-timeout", b"99998u", Indexing::None);
    }
}

fn ask(client: &mut Connection<Plain>, has_metadata: bool) -> Vec<u8> {
    let key = client.send_request(NOW, false, |fields| write_request(fields, has_metadata)).expect("a stream");
    let sent = client.send_with(key, true, |out| {
        out.extend_from_slice(REQUEST);
        Ok::<(), ()>(())
    });
    assert!(sent.is_ok());
    take(client)
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

/// What a client says.
pub(super) fn requests(depth: usize, has_metadata: bool) -> Script {
    let mut client = engine(Role::Client);
    let mut opening = take(&mut client);
    opening.extend(WINDOW_UPDATE);
    opening.extend(SETTINGS_ACK);
    let first = ask(&mut client, has_metadata);
    Script { opening, first, again: ask(&mut client, has_metadata).repeat(depth) }
}

/// What a server answers.
pub(super) fn answers() -> Script {
    let (mut client, mut server) = (engine(Role::Client), engine(Role::Server));
    let mut opening = take(&mut server);
    opening.extend(WINDOW_UPDATE);
    opening.extend(SETTINGS_ACK);
    // The server's acknowledgement of these settings is in its opening.
    answer(&mut server, &take(&mut client));
    let first = answer(&mut server, &ask(&mut client, false));
    let again = answer(&mut server, &ask(&mut client, false));
    Script { opening, first, again }
}
