//! The road of unary calls inside the engine, for callgrind: `unary COUNT DEPTH [client] [mixed]`.
//!
//! A server engine reads recorded requests and answers each with a head, one message
//! and trailers; with `client`, a client engine sends requests and reads recorded
//! answers. With `mixed`, calls of several methods come by turns, each with a timeout of
//! its own, so that no section repeats another. The other side's octets are recorded before the counted part begins.

use std::hint::black_box;
use std::time::Duration;

use tramline_h2::hpack::{Classified, Classifier};
use tramline_h2::{Config, Connection, Event, Indexing, Role, StreamKey};

const NOW: Duration = Duration::ZERO;
const REQUEST: &[u8] = b"\0\0\0\0\x07\x0a\x05Alice";
const REPLY: &[u8] = b"\0\0\0\0\x0f\x0a\x0dHello, Alice!";

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
        let is_known = name[0] == b':' || matches!(name, b"content-type" | b"te" | b"grpc-status" | b"user-agent");
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

const TIMEOUTS: [&[u8]; 7] = [b"99998u", b"99871u", b"99543u", b"98765u", b"99012u", b"97531u", b"99999u"];

/// The `n`th request; if `mixed`, unlike those before it.
fn request(client: &mut Engine, n: usize, mixed: bool) -> StreamKey {
    let path = if mixed { PATHS[n % PATHS.len()] } else { PATHS[0] };
    let timeout = TIMEOUTS[n % TIMEOUTS.len()];
    let key = client
        .send_request(NOW, false, |fields| {
            fields.field(b":method", b"POST", Indexing::Incremental);
            fields.field(b":scheme", b"http", Indexing::Incremental);
            fields.field(b":path", path, Indexing::Incremental);
            fields.field(b":authority", b"localhost:50051", Indexing::Incremental);
            fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
            fields.field(b"user-agent", b"grpc-rust-tramline/0.1.0", Indexing::Incremental);
            fields.field(b"te", b"trailers", Indexing::Incremental);
            if mixed {
                fields.field(b"grpc-timeout", timeout, Indexing::None);
            }
        })
        .expect("a stream");
    let sent = client.send_with(key, true, |out| {
        out.extend_from_slice(REQUEST);
        Ok::<(), ()>(())
    });
    assert!(sent.is_ok());
    key
}

fn answer(server: &mut Engine, key: StreamKey) {
    let head = server.send_headers(key, false, |fields| {
        fields.field(b":status", b"200", Indexing::Incremental);
        fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
    });
    let message = server.send_with(key, false, |out| {
        out.extend_from_slice(REPLY);
        Ok::<(), ()>(())
    });
    let trailers = server.send_headers(key, true, |fields| {
        fields.field(b"grpc-status", b"0", Indexing::Incremental);
    });
    server.forget(key);
    assert!(head.is_ok() && message.is_ok() && trailers.is_ok());
}

/// A server takes one batch of requests.
fn serve(server: &mut Engine, batch: &[u8]) {
    let mut input = batch;
    while let Some(event) = server.handle_input(NOW, &mut input).expect("valid input") {
        match event {
            Event::Headers { .. } => {
                black_box(server.fields().len());
            }
            Event::Data { stream, bytes, end_stream } => {
                black_box(bytes);
                server.release_capacity(stream, bytes.len());
                if end_stream {
                    answer(server, stream);
                }
            }
            _ => {}
        }
    }
    assert!(input.is_empty());
}

/// A client takes one batch of answers.
fn receive(client: &mut Engine, batch: &[u8]) {
    let mut input = batch;
    while let Some(event) = client.handle_input(NOW, &mut input).expect("valid input") {
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
    let len = engine.poll_output(NOW).len();
    black_box(engine.output().first());
    engine.advance_output(NOW, len);
}

/// What each side sent in each round. The first round holds the prefaces.
fn record(round_count: usize, depth: usize, mixed: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut client, mut server) = (engine(Role::Client), engine(Role::Server));
    let mut rounds = Vec::new();
    for n in 0..round_count {
        (0..if n == 0 { 0 } else { depth }).for_each(|at| {
            request(&mut client, n * depth + at, mixed);
        });
        let sent = client.take_output();
        serve(&mut server, &sent);
        let answered = server.take_output();
        receive(&mut client, &answered);
        rounds.push((sent, answered));
    }
    rounds
}

fn serve_all(server: &mut Engine, rounds: &[(Vec<u8>, Vec<u8>)]) {
    for (sent, _) in rounds {
        serve(server, sent);
        flush(server);
    }
}

fn call_all(client: &mut Engine, rounds: &[(Vec<u8>, Vec<u8>)], depth: usize, mixed: bool) {
    for (n, (_, answered)) in rounds.iter().enumerate() {
        (0..depth).for_each(|at| {
            request(client, n * depth + at, mixed);
        });
        flush(client);
        receive(client, answered);
    }
}

/// What callgrind counts: `--toggle-collect='*measured*'`.
#[inline(never)]
fn measured(engine: &mut Engine, rounds: &[(Vec<u8>, Vec<u8>)], depth: usize, mixed: bool) {
    match engine.role() {
        Role::Server => serve_all(engine, rounds),
        Role::Client => call_all(engine, rounds, depth, mixed),
    }
}

/// Rounds before the counted ones.
const WARM_UP: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |n: usize| arguments.get(n).and_then(|text| text.parse().ok());
    let (count, depth): (usize, usize) = (number(1).unwrap_or(10_000), number(2).unwrap_or(1));
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let (role, mixed) = (if has("client") { Role::Client } else { Role::Server }, has("mixed"));
    let rounds = record(1 + WARM_UP + count / depth, depth, mixed);
    let mut engine = engine(role);
    match role {
        Role::Server => serve_all(&mut engine, &rounds[..=WARM_UP]),
        Role::Client => {
            call_all(&mut engine, &rounds[..1], 0, mixed);
            call_all(&mut engine, &rounds[1..=WARM_UP], depth, mixed);
        }
    }
    let counted = &rounds[WARM_UP + 1..];
    measured(&mut engine, counted, depth, mixed);
    let calls = counted.len() * depth;
    println!("{calls} calls");
}
