//! The sans-IO engine alone: octets in, events out, answers encoded. The other side's
//! octets are recorded before the counted part begins.

use std::hint::black_box;
use std::time::Duration;

use tramline_h2::hpack::{Classified, Classifier, GroupKey};
use tramline_h2::{Config, Connection, Event, FieldWriter, Indexing, Role, StreamKey};

use crate::{Run, Scenario};

const NOW: Duration = Duration::ZERO;

/// What the calls of a scenario look like.
#[derive(Clone, Copy)]
struct Shape {
    /// Calls of one round, all open at once.
    depth: usize,
    heads: Heads,
    request_len: usize,
    reply_len: usize,
    /// Replies to each call.
    reply_count: usize,
}

/// The field sections of a scenario.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heads {
    /// Every section repeats the one before it.
    Repeated,
    /// Several methods by turns, each call with a timeout of its own.
    Mixed,
    /// Three entries of metadata: two that stay, and one that is never the same.
    Metadata,
    /// A long token in request and trailers, never the same, and in Huffman's code.
    Huffman,
}

const UNARY: Shape = Shape { depth: 1, heads: Heads::Repeated, request_len: 12, reply_len: 20, reply_count: 1 };
const UNARY_32: Shape = Shape { depth: 32, ..UNARY };
const MIXED: Shape = Shape { heads: Heads::Mixed, ..UNARY };
const MIXED_32: Shape = Shape { depth: 32, ..MIXED };
const METADATA: Shape = Shape { heads: Heads::Metadata, ..UNARY };
const HUFFMAN: Shape = Shape { heads: Heads::Huffman, ..UNARY };
const KIB: Shape = Shape { request_len: 1024, reply_len: 1024, ..UNARY };
const KIB_64: Shape = Shape { request_len: 64 * 1024, reply_len: 64 * 1024, ..UNARY };
const STREAM: Shape = Shape { reply_len: 105, reply_count: 1000, ..UNARY };

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "engine/server/unary-1", count: 1024, prepare: || server(UNARY, 1024) },
    Scenario { name: "engine/server/unary-32", count: 1024, prepare: || server(UNARY_32, 1024) },
    Scenario { name: "engine/server/mixed-1", count: 1024, prepare: || server(MIXED, 1024) },
    Scenario { name: "engine/server/mixed-32", count: 1024, prepare: || server(MIXED_32, 1024) },
    Scenario { name: "engine/server/metadata-1", count: 1024, prepare: || server(METADATA, 1024) },
    Scenario { name: "engine/server/huffman-1", count: 1024, prepare: || server(HUFFMAN, 1024) },
    Scenario { name: "engine/server/1KiB-1", count: 1024, prepare: || server(KIB, 1024) },
    Scenario { name: "engine/server/64KiB-1", count: 64, prepare: || server(KIB_64, 64) },
    Scenario { name: "engine/server/message-of-stream", count: 4000, prepare: || server(STREAM, 4) },
    Scenario { name: "engine/client/unary-1", count: 1024, prepare: || client(UNARY, 1024) },
    Scenario { name: "engine/client/unary-32", count: 1024, prepare: || client(UNARY_32, 1024) },
    Scenario { name: "engine/client/mixed-1", count: 1024, prepare: || client(MIXED, 1024) },
    Scenario { name: "engine/client/mixed-32", count: 1024, prepare: || client(MIXED_32, 1024) },
    Scenario { name: "engine/client/metadata-1", count: 1024, prepare: || client(METADATA, 1024) },
    Scenario { name: "engine/client/huffman-1", count: 1024, prepare: || client(HUFFMAN, 1024) },
    Scenario { name: "engine/client/1KiB-1", count: 1024, prepare: || client(KIB, 1024) },
    Scenario { name: "engine/client/64KiB-1", count: 64, prepare: || client(KIB_64, 64) },
    Scenario { name: "engine/client/message-of-stream", count: 4000, prepare: || client(STREAM, 4) },
];

/// Rounds before the counted ones.
const WARM_UP: usize = 10;
/// A driver flushes output of this length.
const FLUSH_LEN: usize = 32 * 1024;

/// What each side sent in one round.
struct Round {
    requests: Vec<u8>,
    replies: Vec<u8>,
}

/// A server engine that reads recorded requests and answers them.
fn server(shape: Shape, call_count: usize) -> Run {
    let rounds = record(shape, call_count);
    let mut server = engine(Role::Server);
    let mut serve_all = move |rounds: &[Round]| {
        for round in rounds {
            serve(&mut server, &round.requests, shape, &mut flush);
            flush(&mut server);
        }
    };
    serve_all(&rounds[..=WARM_UP]);
    Box::new(move || serve_all(&rounds[WARM_UP + 1..]))
}

/// A client engine that calls and reads recorded replies.
fn client(shape: Shape, call_count: usize) -> Run {
    let rounds = record(shape, call_count);
    let mut client = engine(Role::Client);
    flush(&mut client);
    receive(&mut client, &rounds[0].replies);
    let mut number = 0;
    let mut call_all = move |rounds: &[Round]| {
        for round in rounds {
            call(&mut client, shape, &mut number);
            flush(&mut client);
            receive(&mut client, &round.replies);
        }
    };
    call_all(&rounds[1..=WARM_UP]);
    Box::new(move || call_all(&rounds[WARM_UP + 1..]))
}

/// The first round holds the prefaces.
fn record(shape: Shape, call_count: usize) -> Vec<Round> {
    let (mut client, mut server) = (engine(Role::Client), engine(Role::Server));
    let mut number = 0;
    let mut rounds = Vec::new();
    for n in 0..=WARM_UP + call_count / shape.depth {
        if n > 0 {
            call(&mut client, shape, &mut number);
        }
        let requests = client.take_output();
        let mut replies = Vec::new();
        serve(&mut server, &requests, shape, &mut |server| replies.extend(server.take_output()));
        replies.extend(server.take_output());
        receive(&mut client, &replies);
        rounds.push(Round { requests, replies });
    }
    rounds
}

/// A classifier as a call layer has it: tokens for all that it knows.
struct Known;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Token {
    #[default]
    Other,
    Known(u32),
}

impl Classifier for Known {
    type Token = Token;

    fn classify(&self, name: &[u8], value: &[u8]) -> Classified<Token> {
        let is_known = match name {
            b"content-type" | b"te" | b"grpc-status" | b"user-agent" | b"grpc-timeout" => true,
            _ => name.first() == Some(&b':'),
        };
        let token = if is_known { Token::Known(value.len() as u32) } else { Token::Other };
        Classified { token, keep: !is_known }
    }
}

type Engine = Connection<Known>;

fn engine(role: Role) -> Engine {
    let mut config = Config::default();
    config.limits.concurrent_streams_max = 1000;
    Connection::new(role, config, Known, NOW)
}

const PATHS: [&[u8]; 5] = [
    b"/helloworld.Greeter/SayHello",
    b"/helloworld.Greeter/SayHelloAgain",
    b"/grpc.health.v1.Health/Check",
    b"/routeguide.RouteGuide/GetFeature",
    b"/greeter.Greeter/SayHello",
];

const AUTHORITY: &[u8] = b"localhost:50051";
const USER_AGENT: &[u8] = b"grpc-rust-tramline/0.1.0";
const TIMEOUTS: [&[u8]; 7] = [b"99998u", b"99871u", b"99543u", b"98765u", b"99012u", b"97531u", b"99999u"];

/// Opens the calls of one round.
fn call(client: &mut Engine, shape: Shape, number: &mut usize) {
    for _ in 0..shape.depth {
        let stream = client.send_request(NOW, false, |fields| write_request(fields, shape.heads, *number));
        let sent = send_message(client, stream.expect("a stream"), shape.request_len, true);
        assert!(sent);
        *number += 1;
    }
}

/// As a call layer writes it: what a method's calls have in common as groups, and what is the
/// call's own between and behind them.
fn write_request(fields: &mut FieldWriter<'_>, heads: Heads, number: usize) {
    let path = if heads == Heads::Mixed { PATHS[number % PATHS.len()] } else { PATHS[0] };
    let target = GroupKey { place: 0, kind: 0, texts: [path, AUTHORITY] };
    if let Some(group) = fields.begin_group(&target) {
        fields.field(b":method", b"POST", Indexing::Incremental);
        fields.field(b":scheme", b"http", Indexing::Incremental);
        fields.field(b":path", path, Indexing::Incremental);
        fields.field(b":authority", AUTHORITY, Indexing::Incremental);
        fields.end_group(&target, group);
    }
    if heads == Heads::Mixed {
        fields.field(b"grpc-timeout", TIMEOUTS[number % TIMEOUTS.len()], Indexing::None);
    }
    let format = GroupKey { place: 1, kind: 0, texts: [b"", USER_AGENT] };
    if let Some(group) = fields.begin_group(&format) {
        fields.field(b"te", b"trailers", Indexing::Incremental);
        fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
        fields.field(b"user-agent", USER_AGENT, Indexing::Incremental);
        fields.end_group(&format, group);
    }
    match heads {
        Heads::Repeated | Heads::Mixed => {}
        Heads::Metadata => {
            fields.field(b"authorization", b"Bearer 9c1f6a0e7d3b4c58", Indexing::Incremental);
            fields.field(b"x-tenant", b"tramline-benchmark", Indexing::Incremental);
            let number = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let digits = number.map(|octet| b"0123456789abcdef"[usize::from(octet >> 4)]);
            fields.field(b"x-request-id", &digits, Indexing::None);
        }
        Heads::Huffman => fields.field(b"authorization", &token(number as u32), Indexing::Never),
    }
}

/// Octets as many as make an encoder use Huffman's code.
fn token(number: u32) -> [u8; 72] {
    let mut state = number;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state >> 26) as usize]
    })
}

/// Of this every message is a front.
static MESSAGE: [u8; 64 * 1024] = [b'a'; 64 * 1024];

/// A message of `len` octets.
fn send_message(engine: &mut Engine, stream: StreamKey, len: usize, end_stream: bool) -> bool {
    let sent = engine.send_with(stream, end_stream, |out| {
        out.extend_from_slice(&MESSAGE[..len]);
        Ok::<(), ()>(())
    });
    sent.is_ok()
}

/// The next event, as a driver asks for it.
#[inline(always)]
fn next_event<'i>(engine: &mut Engine, input: &mut &'i [u8]) -> Option<Event<'i>> {
    engine.take_event(NOW, input).or_else(|| engine.handle_input(NOW, input).expect("valid input"))
}

/// A server takes the requests of one round, and flushes as its driver would.
fn serve(server: &mut Engine, requests: &[u8], shape: Shape, flush: &mut impl FnMut(&mut Engine)) {
    let mut input = requests;
    while let Some(event) = next_event(server, &mut input) {
        match event {
            Event::Headers { .. } => {
                black_box(server.fields().len());
            }
            Event::Data { stream, bytes, end_stream } => {
                black_box(bytes);
                server.release_capacity(stream, bytes.len());
                if end_stream {
                    answer(server, stream, shape, flush);
                }
            }
            _ => {}
        }
    }
    assert!(input.is_empty());
}

fn answer(server: &mut Engine, stream: StreamKey, shape: Shape, flush: &mut impl FnMut(&mut Engine)) {
    let head = server.send_headers(stream, false, |fields| {
        let key = GroupKey { place: 0, kind: 200, texts: [b"", b""] };
        if let Some(group) = fields.begin_group(&key) {
            fields.field(b":status", b"200", Indexing::Incremental);
            fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
            fields.end_group(&key, group);
        }
    });
    for _ in 0..shape.reply_count {
        assert!(send_message(server, stream, shape.reply_len, false));
        if server.output().len() > FLUSH_LEN {
            flush(server);
        }
    }
    let trailers = server.send_headers(stream, true, |fields| {
        fields.field(b"grpc-status", b"0", Indexing::Incremental);
        if shape.heads == Heads::Huffman {
            fields.field(b"x-receipt", &token(stream.id()), Indexing::None);
        }
    });
    server.forget(stream);
    assert!(head.is_ok() && trailers.is_ok());
}

/// A client takes the replies of one round.
fn receive(client: &mut Engine, replies: &[u8]) {
    let mut input = replies;
    while let Some(event) = next_event(client, &mut input) {
        match event {
            Event::Headers { .. } => {
                black_box(client.fields().len());
            }
            Event::Data { stream, bytes, .. } => {
                black_box(bytes);
                client.release_capacity(stream, bytes.len());
            }
            Event::Trailers { stream, .. } => client.forget(stream),
            _ => {}
        }
    }
    assert!(input.is_empty());
}

/// Takes the output without a copy.
fn flush(engine: &mut Engine) {
    loop {
        let output = engine.poll_output(NOW);
        let len = output.slices().map(<[u8]>::len).sum();
        black_box(output.first());
        engine.advance_output(NOW, len);
        if !engine.has_data_ready() {
            return;
        }
    }
}
