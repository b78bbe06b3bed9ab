//! The octet fuzzer: one engine, and a peer that sends anything. Whatever comes, and
//! however it is cut, the engine never panics, tells the same events, stays within its
//! limits, and speaks whole frames.

use std::time::Duration;

use bytes::Bytes;
use tramline_h2::frame::{FrameHead, FrameKind, HEAD_LEN, PREFACE};
use tramline_h2::hpack::{BlockLimits, Decoder, Encoder, FieldBlock, FieldKind, Opaque};
use tramline_h2::{Config, Connection, Event, Indexing, Role, StreamKey};

use crate::entropy::{Entropy, Octets};
use crate::node::Engine;

/// What the application saw, DATA of one stream joined however it was cut.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    Data(u32, Vec<u8>, bool),
    Other(String),
}

/// Runs one input. Its first octet chooses the role and the kind of input: octets as
/// they are, or frames made of them.
///
/// # Panics
/// If an invariant does not hold.
pub fn run(input: &[u8]) {
    let mut entropy = Octets::new(input);
    let choice = entropy.below(256);
    let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
    let mut wire = Vec::new();
    if choice & 2 == 0 {
        if role == Role::Server {
            wire.extend_from_slice(PREFACE);
        }
        write_frame(&mut wire, FrameKind::Settings, 0, 0, &[]);
        write_frame(&mut wire, FrameKind::Settings, 1, 0, &[]);
    }
    if choice & 4 == 0 {
        write_frames(&mut wire, &mut entropy);
    } else {
        wire.extend_from_slice(entropy.take(usize::MAX));
    }
    let whole = feed(role, &wire, wire.len());
    let step = 1 + (choice >> 3) * 3;
    assert_eq!(whole, feed(role, &wire, step), "the events depend on how the input is cut");
}

/// Decodes one input as field blocks, some of them again, encodes what came out, and
/// decodes that.
///
/// # Panics
/// If it does not come out the same, or not the same as in a block of its own.
pub fn run_hpack(input: &[u8]) {
    let limits = BlockLimits { list_len_max: 16_384, list_len_hard_max: 65_536, field_count_max: 128 };
    let (mut decoder, mut plain) = (Decoder::new(Opaque, 4096), Decoder::new(Opaque, 4096));
    let (mut encoder, mut mirror) = (Encoder::new(4096), Decoder::new(Opaque, 4096));
    let (mut block, mut again) = (FieldBlock::new(), FieldBlock::new());
    let mut entropy = Octets::new(input);
    let mut octets: &[u8] = &[];
    while !entropy.is_empty() {
        if entropy.chance(60) || octets.is_empty() {
            let len = entropy.below(256);
            octets = entropy.take(len);
        }
        let mut fresh = FieldBlock::new();
        let outcome = decoder.decode(octets, limits, &mut block);
        assert_eq!(outcome, plain.decode(octets, limits, &mut fresh));
        if outcome.is_err() {
            return;
        }
        assert_eq!(pairs(&block), pairs(&fresh));
        assert_eq!((block.list_len(), block.field_count()), (fresh.list_len(), fresh.field_count()));
        assert!(block.list_len() <= 65_536 && decoder.table_size() <= 4096);
        let mut wire = Vec::new();
        encoder.begin_block(&mut wire);
        block.iter().for_each(|field| encoder.encode(field.name, field.value, Indexing::Incremental, &mut wire));
        assert_eq!(mirror.decode(&wire, limits, &mut again), Ok(()));
        assert_eq!(pairs(&block), pairs(&again));
    }
}

fn pairs(block: &FieldBlock<()>) -> Vec<(Vec<u8>, Vec<u8>, FieldKind)> {
    block.iter().map(|field| (field.name.to_vec(), field.value.to_vec(), field.kind)).collect()
}

fn write_frame(wire: &mut Vec<u8>, kind: FrameKind, flags: u8, stream_id: u32, payload: &[u8]) {
    let head = FrameHead { len: payload.len() as u32, kind, flags, stream_id };
    wire.extend_from_slice(&head.to_octets());
    wire.extend_from_slice(payload);
}

/// Frames that are mostly right: wrong ones alone would seldom get far.
fn write_frames(wire: &mut Vec<u8>, entropy: &mut Octets<'_>) {
    let mut encoder = Encoder::new(4096);
    while !entropy.is_empty() {
        let stream_id = entropy.below(12) as u32;
        let flags = if entropy.chance(80) { entropy.pick(&[0, 1, 4, 5]) } else { entropy.below(256) as u8 };
        match entropy.below(16) {
            0..5 => {
                let block = field_block(&mut encoder, entropy);
                let flags = if entropy.chance(90) { flags | 4 } else { flags };
                write_frame(wire, FrameKind::Headers, flags, stream_id | 1, &block);
            }
            5..9 => {
                let len = entropy.pick(&[0, 1, 100, 16_384]);
                write_frame(wire, FrameKind::Data, flags, stream_id | 1, &vec![entropy.below(256) as u8; len]);
            }
            9 => write_frame(wire, FrameKind::RstStream, flags, stream_id | 1, &[0, 0, 0, entropy.below(16) as u8]),
            10 => {
                let increment = (entropy.below(65_536) as u32) << entropy.below(16);
                write_frame(wire, FrameKind::WindowUpdate, flags, stream_id, &increment.to_be_bytes());
            }
            11 => {
                let mut payload = vec![0, entropy.below(8) as u8];
                payload.extend_from_slice(&((entropy.below(65_536) as u32) << entropy.below(16)).to_be_bytes());
                write_frame(wire, FrameKind::Settings, flags & 1, 0, if flags & 1 == 0 { &payload } else { &[] });
            }
            12 => write_frame(wire, FrameKind::Ping, flags & 1, 0, &[entropy.below(256) as u8; 8]),
            13 => write_frame(wire, FrameKind::Continuation, flags, stream_id, entropy.take(8)),
            14 => write_frame(wire, FrameKind::GoAway, flags, 0, &[0, 0, 0, entropy.below(12) as u8, 0, 0, 0, 0]),
            _ => {
                let kind = FrameHead::parse(&[0, 0, 0, entropy.below(256) as u8, 0, 0, 0, 0, 0]).map(|head| head.kind);
                let len = entropy.below(64);
                write_frame(wire, kind.unwrap_or(FrameKind::Data), flags, stream_id, entropy.take(len));
            }
        }
    }
}

fn field_block(encoder: &mut Encoder, entropy: &mut Octets<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin_block(&mut block);
    let mut add = |name: &[u8], value: &[u8]| encoder.encode(name, value, Indexing::Incremental, &mut block);
    match entropy.below(4) {
        0 => add(b":status", entropy.pick(&[b"200", b"103", b"2x0"])),
        1 => add(b"x-trailer", b"1"),
        _ => {
            add(b":method", entropy.pick(&[&b"POST"[..], b"CONNECT", b""]));
            add(b":scheme", b"http");
            add(b":path", entropy.pick(&[&b"/"[..], b"/a/b", b""]));
        }
    }
    match entropy.below(8) {
        0 => add(b"content-length", entropy.pick(&[&b"0"[..], b"100", b"16384", b"x"])),
        1 => add(b"Upper", b"1"),
        2 => block.extend_from_slice(entropy.take(4)),
        3 => add(b"x-long", &vec![b'l'; entropy.below(65_536)]),
        _ => {}
    }
    block
}

/// Feeds a fresh engine `step` octets at a time. Returns what its application saw.
fn feed(role: Role, wire: &[u8], step: usize) -> Vec<Seen> {
    let mut engine = Connection::new(role, Config::default(), Opaque, Duration::ZERO);
    if role == Role::Client {
        for _ in 0..3 {
            let _ = engine.send_request(Duration::ZERO, true, |fields| {
                fields.field(b":method", b"POST", Indexing::Incremental);
                fields.field(b":scheme", b"http", Indexing::Incremental);
                fields.field(b":path", b"/", Indexing::Incremental);
            });
        }
    }
    let mut seen = Vec::new();
    let mut taken = 0;
    let mut given = 0;
    check_output(&engine.take_output());
    while given < wire.len() || engine.is_read_paused() {
        given = (given + step).min(wire.len());
        let mut input = &wire[taken..given];
        loop {
            match engine.handle_input(Duration::ZERO, &mut input) {
                Ok(Some(event)) => answer(&mut engine, event, &mut seen),
                Ok(None) if engine.is_read_paused() => check_output(&engine.take_output()),
                Ok(None) => break,
                Err(error) => {
                    seen.push(Seen::Other(format!("{error:?}")));
                    let again = engine.handle_input(Duration::ZERO, &mut &b"more"[..]);
                    assert_eq!(again.map_err(|again| again.reason()), Err(error.reason()), "an engine must stay dead");
                    check_output(&engine.take_output());
                    return seen;
                }
            }
        }
        taken = given - input.len();
        check_limits(&engine);
    }
    check_output(&engine.take_output());
    seen
}

fn check_limits(engine: &Engine) {
    let (accounts, limits) = (engine.accounts(), &engine.config().limits);
    assert!(accounts.stream_count <= limits.concurrent_streams_max as usize);
    assert!(accounts.retained_len <= limits.retained_len_max + (2 << 20), "{accounts:?}");
    assert!(accounts.receive_window <= 0x7fff_ffff && accounts.send_window <= 0x7fff_ffff);
    assert!(engine.fields().list_len() <= 4 * limits.header_list_len_max + 16_384 + 64);
}

/// What goes out is whole frames of their right sizes.
fn check_output(octets: &[u8]) {
    let mut rest = octets.strip_prefix(&PREFACE[..]).unwrap_or(octets);
    while !rest.is_empty() {
        let head = FrameHead::parse(rest).expect("the output ends inside a frame head");
        assert!(head.len <= 16_384 && rest.len() >= HEAD_LEN + head.len as usize, "{head:?}");
        let fixed_len = match head.kind {
            FrameKind::RstStream | FrameKind::WindowUpdate => Some(4),
            FrameKind::Ping => Some(8),
            _ => None,
        };
        assert!(fixed_len.is_none_or(|len| len == head.len), "{head:?}");
        rest = &rest[HEAD_LEN + head.len as usize..];
    }
}

/// An application that echoes: enough to move streams through all of their states.
fn answer(engine: &mut Engine, event: Event<'_>, seen: &mut Vec<Seen>) {
    match event {
        Event::Data { stream, bytes, end_stream } => {
            match seen.last_mut() {
                Some(Seen::Data(id, before, ended)) if *id == stream.id() && !*ended => {
                    before.extend_from_slice(bytes);
                    *ended = end_stream;
                }
                _ => seen.push(Seen::Data(stream.id(), bytes.to_vec(), end_stream)),
            }
            engine.release_capacity(stream, bytes.len());
            if engine.role() == Role::Server {
                let _ = engine.send_data(stream, Bytes::copy_from_slice(bytes), false);
            }
            if end_stream {
                finish(engine, stream);
            }
        }
        Event::Headers { stream, end_stream, .. } => {
            seen.push(Seen::Other(format!("{event:?} {:?}", engine.fields())));
            if engine.role() == Role::Server {
                let _ = engine.send_headers(stream, false, |fields| {
                    fields.field(b":status", b"200", Indexing::Incremental);
                });
            }
            if end_stream {
                finish(engine, stream);
            }
        }
        Event::Trailers { stream, .. } => {
            seen.push(Seen::Other(format!("{event:?} {:?}", engine.fields())));
            finish(engine, stream);
        }
        Event::Reset { stream, .. } => {
            seen.push(Seen::Other(format!("{event:?}")));
            engine.forget(stream);
        }
        Event::Writable { .. } => {}
        _ => seen.push(Seen::Other(format!("{event:?}"))),
    }
}

fn finish(engine: &mut Engine, stream: StreamKey) {
    if engine.role() == Role::Server {
        let _ = engine.send_headers(stream, true, |fields| fields.field(b"x-end", b"1", Indexing::Incremental));
    }
    engine.forget(stream);
}
