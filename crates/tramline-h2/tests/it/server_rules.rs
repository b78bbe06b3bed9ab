//! A server and a client that breaks the rules: the cases of h2spec for servers, by the
//! clause of RFC 9113 (or RFC 7541) that each defends.

use tramline_h2::Reason;
use tramline_h2::frame::{FrameKind, PREFACE, flags};

use crate::peer::Expect::{Alive, Answered, Goaway, Reset};
use crate::peer::{Case, Peer, judge};
use crate::wire::REQUEST;

const PROTOCOL: &[Reason] = &[Reason::PROTOCOL_ERROR];
const SIZE: &[Reason] = &[Reason::FRAME_SIZE_ERROR];
const FLOW: &[Reason] = &[Reason::FLOW_CONTROL_ERROR];
const CLOSED: &[Reason] = &[Reason::STREAM_CLOSED];
const COMPRESSION: &[Reason] = &[Reason::COMPRESSION_ERROR];

const END: u8 = flags::END_STREAM;
const WHOLE: u8 = flags::END_HEADERS;
const DUMMY: &[(&str, &str)] = &[("x-dummy0", "dummy")];

/// A request with one octet string of HPACK behind it.
fn with_block<'p>(peer: &'p mut Peer, more: &[u8]) -> &'p mut Peer {
    let mut block = peer.script.block(REQUEST);
    block.extend_from_slice(more);
    peer.raw(FrameKind::Headers, END | WHOLE, 1, &block)
}

/// A request with fields left out, and others added.
fn changed<'p>(peer: &'p mut Peer, without: &str, more: &[(&'static str, &'static str)]) -> &'p mut Peer {
    let kept = REQUEST.iter().filter(|(name, _)| *name != without).copied();
    let fields: Vec<_> = more.iter().filter(|(name, _)| name.starts_with(':')).copied().chain(kept).collect();
    let regular = more.iter().filter(|(name, _)| !name.starts_with(':')).copied();
    let fields: Vec<_> = fields.into_iter().chain(regular).collect();
    peer.section(1, &fields, true)
}

const STARTING: &[Case] = &[
    ("3.4 preface and SETTINGS", |p| p.preface().settings(&[]), Alive),
    ("3.4 a wrong preface", |p| p.feed(b"INVALID CONNECTION PREFACE\r\n\r\n"), Goaway(PROTOCOL)),
    ("3.4 no SETTINGS behind the preface", |p| p.preface().window_update(0, 1), Goaway(PROTOCOL)),
];

/// What is right is answered.
const EXCHANGES: &[Case] = &[
    ("8.1 a request", |p| p.request(1, true), Answered(1)),
    ("8.1 a request with a body", |p| p.request(1, false).data(1, b"test", true), Answered(1)),
    (
        "8.1 a request with trailers",
        |p| p.request(1, false).data(1, b"test", false).section(1, DUMMY, true),
        Answered(1),
    ),
    ("5.1 idle: PRIORITY", |p| p.priority(1, 0, 255).request(1, true), Answered(1)),
    ("5.1 half-closed: WINDOW_UPDATE", |p| p.request(1, true).window_update(1, 1), Answered(1)),
    ("5.1 half-closed: PRIORITY", |p| p.request(1, true).priority(1, 0, 255), Answered(1)),
    ("5.1 half-closed: RST_STREAM", |p| p.request(1, true).reset(1), Alive),
    ("5.1 closed: PRIORITY", |p| p.request(1, true).priority(1, 0, 255), Answered(1)),
    ("5.1 closed: WINDOW_UPDATE", |p| p.request(1, true).window_update(1, 1), Answered(1)),
    ("6.1 several DATA frames", |p| p.request(1, false).data(1, b"test", false).data(1, b"test", true), Answered(1)),
    (
        "6.1 DATA with padding",
        |p| p.request(1, false).raw(FrameKind::Data, END | flags::PADDED, 1, b"\x04test\0\0\0\0"),
        Answered(1),
    ),
    (
        "6.2 HEADERS with padding",
        |p| {
            let block = [&[4][..], &p.script.block(REQUEST), &[0; 4]].concat();
            p.raw(FrameKind::Headers, END | WHOLE | flags::PADDED, 1, &block)
        },
        Answered(1),
    ),
    (
        "6.2 HEADERS with priority",
        |p| {
            let block = [&[0, 0, 0, 0, 255][..], &p.script.block(REQUEST)].concat();
            p.raw(FrameKind::Headers, END | WHOLE | flags::PRIORITY, 1, &block)
        },
        Answered(1),
    ),
    ("6.3 PRIORITY 1", |p| p.priority(1, 0, 0).request(1, true), Answered(1)),
    ("6.3 PRIORITY 256", |p| p.priority(1, 0, 255).request(1, true), Answered(1)),
    ("6.3 PRIORITY with a dependency", |p| p.priority(1, 0, 255).priority(3, 1, 255).request(1, true), Answered(1)),
    ("6.3 PRIORITY, exclusive", |p| p.priority(1, 1 << 31, 255).request(1, true), Answered(1)),
    ("6.3 PRIORITY on a higher idle stream", |p| p.priority(3, 0, 255).request(1, true), Answered(1)),
    ("6.4 RST_STREAM", |p| p.request(1, false).reset(1), Alive),
    ("6.5 SETTINGS", |p| p.settings(&[(3, 100), (4, 65_535)]), Alive),
    ("6.8 GOAWAY", |p| p.raw(FrameKind::GoAway, 0, 0, &[0; 8]), Alive),
    ("6.9 WINDOW_UPDATE on stream 0", |p| p.window_update(0, 1), Alive),
    ("6.9 WINDOW_UPDATE on a stream", |p| p.request(1, true).window_update(1, 1), Answered(1)),
    ("6.10 CONTINUATION", |p| p.headers(1, REQUEST, END).continuation(1, DUMMY, WHOLE), Answered(1)),
    (
        "6.10 several CONTINUATION frames",
        |p| p.headers(1, REQUEST, END).continuation(1, DUMMY, 0).continuation(1, DUMMY, WHOLE),
        Answered(1),
    ),
    ("7 GOAWAY with an unknown code", |p| p.raw(FrameKind::GoAway, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff]), Alive),
    (
        "7 RST_STREAM with an unknown code",
        |p| p.request(1, false).raw(FrameKind::RstStream, 0, 1, &[0, 0, 0, 0xff]),
        Alive,
    ),
];

/// RFC 7541: each representation, and what is wrong in one.
const HPACK: &[Case] = &[
    ("6.1 indexed", |p| with_block(p, &[0x90]), Answered(1)),
    ("6.2.1 incremental, indexed name", |p| with_block(p, b"\x7a\x04test"), Answered(1)),
    ("6.2.1 incremental, indexed name, Huffman", |p| with_block(p, b"\x7a\x83\x49\x50\x9f"), Answered(1)),
    ("6.2.1 incremental, new name", |p| with_block(p, b"\x40\x04test\x04test"), Answered(1)),
    ("6.2.1 incremental, new name, Huffman", |p| with_block(p, b"\x40\x83\x49\x50\x9f\x83\x49\x50\x9f"), Answered(1)),
    ("6.2.2 without indexing, indexed name", |p| with_block(p, b"\x0f\x2b\x04test"), Answered(1)),
    ("6.2.2 without indexing, indexed name, Huffman", |p| with_block(p, b"\x0f\x2b\x83\x49\x50\x9f"), Answered(1)),
    ("6.2.2 without indexing, new name", |p| with_block(p, b"\x00\x04test\x04test"), Answered(1)),
    (
        "6.2.2 without indexing, new name, Huffman",
        |p| with_block(p, b"\x00\x83\x49\x50\x9f\x83\x49\x50\x9f"),
        Answered(1),
    ),
    ("6.2.3 never indexed, indexed name", |p| with_block(p, b"\x1f\x2b\x04test"), Answered(1)),
    ("6.2.3 never indexed, indexed name, Huffman", |p| with_block(p, b"\x1f\x2b\x83\x49\x50\x9f"), Answered(1)),
    ("6.2.3 never indexed, new name", |p| with_block(p, b"\x10\x04test\x04test"), Answered(1)),
    ("6.2.3 never indexed, new name, Huffman", |p| with_block(p, b"\x10\x83\x49\x50\x9f\x83\x49\x50\x9f"), Answered(1)),
    ("6.3 a size update", |p| sized(p, &[0x3f, 0x61]), Answered(1)),
    ("6.3 several size updates", |p| sized(p, &[0x20, 0x3f, 0x61]), Answered(1)),
    ("2.3.3 an index beyond the table", |p| with_block(p, &[0xff, 0x60]), Goaway(COMPRESSION)),
    ("4.2 a size update at the end of a block", |p| with_block(p, &[0x20]), Goaway(COMPRESSION)),
    (
        "5.2 Huffman padding longer than 7 bits",
        |p| with_block(p, b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),
        Goaway(COMPRESSION),
    ),
    (
        "5.2 Huffman padding of zeros",
        |p| with_block(p, b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"),
        Goaway(COMPRESSION),
    ),
    (
        "5.2 Huffman with EOS",
        |p| with_block(p, b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"),
        Goaway(COMPRESSION),
    ),
    ("6.1 index 0", |p| with_block(p, &[0x80]), Goaway(COMPRESSION)),
    ("6.3 a size update above our limit", |p| sized(p, &[0x3f, 0xe2, 0x1f]), Goaway(COMPRESSION)),
];

/// Size updates, then a request on stream 1.
fn sized<'p>(peer: &'p mut Peer, updates: &[u8]) -> &'p mut Peer {
    let block = [updates, &peer.script.block(REQUEST)].concat();
    peer.raw(FrameKind::Headers, END | WHOLE, 1, &block)
}

const FRAMES: &[Case] = &[
    ("4.1 a frame of unknown type", |p| p.raw(FrameKind::Unknown(0x16), 0, 0, &[0; 8]), Alive),
    ("4.1 a flag without meaning", |p| p.raw(FrameKind::Ping, 0x16, 0, &[0; 8]), Alive),
    ("4.1 the reserved bit", |p| p.feed(&[0, 0, 8, 6, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Alive),
    ("4.2 DATA of 2^14 octets", |p| p.request(1, false).data(1, &[b'x'; 16_384], true), Answered(1)),
    ("4.2 DATA above SETTINGS_MAX_FRAME_SIZE", |p| p.request(1, false).data(1, &[0; 16_385], true), Goaway(SIZE)),
    (
        "4.2 HEADERS above SETTINGS_MAX_FRAME_SIZE",
        |p| p.raw(FrameKind::Headers, END | WHOLE, 1, &[0; 16_385]),
        Goaway(SIZE),
    ),
    ("4.3 a malformed field block", |p| p.raw(FrameKind::Headers, END | WHOLE, 1, &[0x40]), Goaway(COMPRESSION)),
    ("4.3 PRIORITY inside a field block", |p| p.headers(1, REQUEST, END).priority(1, 0, 255), Goaway(PROTOCOL)),
    (
        "4.3 HEADERS of another stream inside a field block",
        |p| p.headers(1, REQUEST, END).request(3, true),
        Goaway(PROTOCOL),
    ),
    ("5.4.1 a bad PING ends the connection", |p| p.raw(FrameKind::Ping, 0, 0, &[0; 7]), Goaway(SIZE)),
    ("5.4.1 GOAWAY goes out first", |p| p.raw(FrameKind::Ping, 0, 3, &[0; 8]), Goaway(PROTOCOL)),
    ("5.5 an extension's frame", |p| p.raw(FrameKind::Unknown(0xee), 0xff, 0, &[0; 8]), Alive),
    (
        "5.5 an extension's frame inside a field block",
        |p| p.headers(1, REQUEST, END).raw(FrameKind::Unknown(0xee), 0, 0, &[0; 8]),
        Goaway(PROTOCOL),
    ),
];

const STREAMS: &[Case] = &[
    ("5.1 idle: DATA", |p| p.data(1, b"test", true), Goaway(PROTOCOL)),
    ("5.1 idle: RST_STREAM", |p| p.reset(1), Goaway(PROTOCOL)),
    ("5.1 idle: WINDOW_UPDATE", |p| p.window_update(1, 100), Goaway(PROTOCOL)),
    ("5.1 idle: CONTINUATION", |p| p.continuation(1, REQUEST, WHOLE), Goaway(PROTOCOL)),
    ("5.1 closed: DATA after RST_STREAM", |p| p.request(1, false).reset(1).data(1, b"test", true), Reset(CLOSED)),
    ("5.1 closed: HEADERS after RST_STREAM", |p| p.request(1, false).reset(1).request(1, true), Reset(CLOSED)),
    (
        "5.1 closed: CONTINUATION after RST_STREAM",
        |p| p.request(1, false).reset(1).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
    ("5.1 closed: DATA", |p| p.request(1, true).data(1, b"test", true), Goaway(CLOSED)),
    ("5.1 closed: HEADERS", |p| p.request(1, true).request(1, true), Goaway(CLOSED)),
    ("5.1 closed: CONTINUATION", |p| p.request(1, true).continuation(1, DUMMY, WHOLE), Goaway(PROTOCOL)),
    ("5.1.1 an even identifier", |p| p.request(2, true), Goaway(PROTOCOL)),
    ("5.1.1 a smaller identifier", |p| p.request(5, true).request(3, true), Goaway(PROTOCOL)),
    (
        "5.3.1 HEADERS that depend on themselves",
        |p| {
            let block = [&[0, 0, 0, 1, 255][..], &p.script.block(REQUEST)].concat();
            p.raw(FrameKind::Headers, END | WHOLE | flags::PRIORITY, 1, &block)
        },
        Goaway(PROTOCOL),
    ),
    ("5.3.1 PRIORITY that depends on itself", |p| p.priority(2, 2, 255), Goaway(PROTOCOL)),
    ("8.4 PUSH_PROMISE", |p| p.raw(FrameKind::PushPromise, WHOLE, 1, &[0, 0, 0, 2]), Goaway(PROTOCOL)),
];

const DATA_AND_HEADERS: &[Case] = &[
    ("6.1 DATA on stream 0", |p| p.data(0, b"test", true), Goaway(PROTOCOL)),
    ("6.1 DATA on a stream that is not open", |p| p.request(1, true).data(1, b"test", true), Goaway(CLOSED)),
    (
        "6.1 padding longer than the payload",
        |p| p.request(1, false).raw(FrameKind::Data, END | flags::PADDED, 1, b"\x06Test"),
        Goaway(PROTOCOL),
    ),
    (
        "6.2 HEADERS without END_HEADERS, then PRIORITY",
        |p| p.headers(1, REQUEST, 0).priority(1, 0, 255),
        Goaway(PROTOCOL),
    ),
    ("6.2 HEADERS of another stream inside", |p| p.headers(1, REQUEST, 0).headers(3, REQUEST, WHOLE), Goaway(PROTOCOL)),
    ("6.2 HEADERS on stream 0", |p| p.request(0, true), Goaway(PROTOCOL)),
    (
        "6.2 padding longer than the block",
        |p| p.raw(FrameKind::Headers, END | WHOLE | flags::PADDED, 1, b"\x09\x82"),
        Goaway(PROTOCOL),
    ),
    (
        "6.10 CONTINUATION, then another frame",
        |p| p.headers(1, REQUEST, 0).continuation(1, DUMMY, 0).data(1, b"test", true),
        Goaway(PROTOCOL),
    ),
    ("6.10 CONTINUATION on stream 0", |p| p.headers(1, REQUEST, END).continuation(0, DUMMY, WHOLE), Goaway(PROTOCOL)),
    (
        "6.10 CONTINUATION after HEADERS with END_HEADERS",
        |p| p.request(1, true).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
    (
        "6.10 CONTINUATION after CONTINUATION with END_HEADERS",
        |p| p.headers(1, REQUEST, END).continuation(1, DUMMY, WHOLE).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
    (
        "6.10 CONTINUATION after DATA",
        |p| p.request(1, false).data(1, b"test", true).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
];

const CONTROL: &[Case] = &[
    ("6.3 PRIORITY on stream 0", |p| p.priority(0, 0, 255), Goaway(PROTOCOL)),
    ("6.3 PRIORITY of a wrong length", |p| p.raw(FrameKind::Priority, 0, 1, &[0; 4]), Goaway(SIZE)),
    ("6.4 RST_STREAM on stream 0", |p| p.reset(0), Goaway(PROTOCOL)),
    ("6.4 RST_STREAM on an idle stream", |p| p.reset(1), Goaway(PROTOCOL)),
    (
        "6.4 RST_STREAM of a wrong length",
        |p| p.request(1, false).raw(FrameKind::RstStream, 0, 1, &[0; 3]),
        Goaway(SIZE),
    ),
    ("6.5 SETTINGS with ACK and a payload", |p| p.raw(FrameKind::Settings, flags::ACK, 0, &[0]), Goaway(SIZE)),
    ("6.5 SETTINGS on a stream", |p| p.raw(FrameKind::Settings, 0, 1, &[0, 3, 0, 0, 0, 1]), Goaway(PROTOCOL)),
    ("6.5 SETTINGS of a wrong length", |p| p.raw(FrameKind::Settings, 0, 0, &[0, 3, 0]), Goaway(SIZE)),
    ("6.5.2 ENABLE_PUSH other than 0 or 1", |p| p.settings(&[(2, 2)]), Goaway(PROTOCOL)),
    ("6.5.2 INITIAL_WINDOW_SIZE above 2^31-1", |p| p.settings(&[(4, 1 << 31)]), Goaway(FLOW)),
    ("6.5.2 MAX_FRAME_SIZE below 2^14", |p| p.settings(&[(5, 16_383)]), Goaway(PROTOCOL)),
    ("6.5.2 MAX_FRAME_SIZE above 2^24-1", |p| p.settings(&[(5, 1 << 24)]), Goaway(PROTOCOL)),
    ("6.5.2 an unknown parameter", |p| p.settings(&[(0xff, 1)]), Alive),
    ("6.7 PING", |p| p.raw(FrameKind::Ping, 0, 0, b"h2spec\0\0"), Alive),
    ("6.7 PING on a stream", |p| p.raw(FrameKind::Ping, 0, 1, &[0; 8]), Goaway(PROTOCOL)),
    ("6.7 PING of a wrong length", |p| p.raw(FrameKind::Ping, 0, 0, &[0; 6]), Goaway(SIZE)),
    ("6.8 GOAWAY on a stream", |p| p.raw(FrameKind::GoAway, 0, 1, &[0; 8]), Goaway(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0", |p| p.window_update(0, 0), Goaway(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0 on a stream", |p| p.request(1, false).window_update(1, 0), Reset(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of a wrong length", |p| p.raw(FrameKind::WindowUpdate, 0, 0, &[0; 3]), Goaway(SIZE)),
    (
        "6.9.1 the connection's window above 2^31-1",
        |p| p.window_update(0, 0x7fff_ffff).window_update(0, 0x7fff_ffff),
        Goaway(FLOW),
    ),
    (
        "6.9.1 a stream's window above 2^31-1",
        |p| p.request(1, false).window_update(1, 0x7fff_ffff).window_update(1, 0x7fff_ffff),
        Reset(FLOW),
    ),
    (
        "6.9.2 open windows above 2^31-1 by SETTINGS",
        |p| p.request(1, false).window_update(1, 1).settings(&[(4, 0x7fff_ffff)]),
        Goaway(FLOW),
    ),
];

/// RFC 9113 §8: malformed messages are stream errors, and the connection lives.
const MESSAGES: &[Case] = &[
    ("8.2.1 a name in upper case", |p| changed(p, "", &[("X-TEST", "ok")]), Reset(PROTOCOL)),
    ("8.3 an unknown pseudo-header", |p| changed(p, "", &[(":test", "ok")]), Reset(PROTOCOL)),
    ("8.3 a pseudo-header of responses", |p| changed(p, "", &[(":status", "200")]), Reset(PROTOCOL)),
    (
        "8.1 a pseudo-header in trailers",
        |p| p.request(1, false).data(1, b"test", false).section(1, &[(":method", "GET")], true),
        Reset(PROTOCOL),
    ),
    (
        "8.3 a pseudo-header behind a field",
        |p| p.section(1, &[(":method", "GET"), (":scheme", "http"), ("x-test", "ok"), (":path", "/")], true),
        Reset(PROTOCOL),
    ),
    ("8.2.2 connection", |p| changed(p, "", &[("connection", "keep-alive")]), Reset(PROTOCOL)),
    ("8.2.2 te other than trailers", |p| changed(p, "te", &[("te", "trailers, deflate")]), Reset(PROTOCOL)),
    ("8.3.1 an empty path", |p| changed(p, ":path", &[(":path", "")]), Reset(PROTOCOL)),
    ("8.3.1 no method", |p| changed(p, ":method", &[]), Reset(PROTOCOL)),
    ("8.3.1 no scheme", |p| changed(p, ":scheme", &[]), Reset(PROTOCOL)),
    ("8.3.1 no path", |p| changed(p, ":path", &[]), Reset(PROTOCOL)),
    ("8.3.1 a method twice", |p| changed(p, "", &[(":method", "GET")]), Reset(PROTOCOL)),
    ("8.3.1 a scheme twice", |p| changed(p, "", &[(":scheme", "http")]), Reset(PROTOCOL)),
    ("8.3.1 a path twice", |p| changed(p, "", &[(":path", "/")]), Reset(PROTOCOL)),
    // Which host a request is for is the business of the layer above, that of a wrong one too.
    ("8.3.1 a host beside the authority", |p| changed(p, "", &[("host", "elsewhere")]), Answered(1)),
    ("8.5 CONNECT", |p| p.section(1, &[(":method", "CONNECT"), (":authority", "h")], true), Reset(PROTOCOL)),
    ("8.6 Upgrade", |p| changed(p, "", &[("upgrade", "h2c")]), Reset(PROTOCOL)),
    ("8.1.1 content-length other than the body", |p| with_length(p).data(1, b"test!", true), Reset(PROTOCOL)),
    (
        "8.1.1 content-length other than several bodies",
        |p| with_length(p).data(1, b"te", false).data(1, b"s", true),
        Reset(PROTOCOL),
    ),
    ("8.1.1 content-length of the body", |p| with_length(p).data(1, b"te", false).data(1, b"st", true), Answered(1)),
    (
        "8.1.1 content-length other than the body, with trailers",
        |p| with_length(p).data(1, b"te", false).section(1, DUMMY, true),
        Reset(PROTOCOL),
    ),
    ("8.1 a second section without END_STREAM", |p| p.request(1, false).section(1, DUMMY, false), Reset(PROTOCOL)),
];

fn with_length(peer: &mut Peer) -> &mut Peer {
    let fields: Vec<_> = REQUEST.iter().copied().chain([("content-length", "4")]).collect();
    peer.section(1, &fields, false)
}

#[test]
fn starting() {
    judge(STARTING, Peer::of_new_server);
}

#[test]
fn exchanges() {
    judge(EXCHANGES, Peer::of_server);
}

#[test]
fn field_compression() {
    judge(HPACK, Peer::of_server);
}

#[test]
fn frames() {
    judge(FRAMES, Peer::of_server);
}

#[test]
fn streams() {
    judge(STREAMS, Peer::of_server);
}

#[test]
fn data_and_headers() {
    judge(DATA_AND_HEADERS, Peer::of_server);
}

#[test]
fn control_frames() {
    judge(CONTROL, Peer::of_server);
}

#[test]
fn messages() {
    judge(MESSAGES, Peer::of_server);
}

/// RFC 9113 §5.1, half-closed (remote), while the handler is still at work.
#[test]
fn half_closed_streams_take_nothing_more() {
    let mut handler = crate::wire::Script::server();
    handler.request(1, true).data(1, b"test", true);
    assert_eq!(handler.sent_reset(), Some((1, Reason::STREAM_CLOSED)));
    let mut handler = crate::wire::Script::server();
    handler.request(1, true).headers(1, DUMMY, true);
    assert_eq!(handler.sent_reset(), Some((1, Reason::STREAM_CLOSED)));
    let mut handler = crate::wire::Script::server();
    let block = handler.block(DUMMY);
    handler.request(1, true).feed(&crate::wire::frame(FrameKind::Continuation, WHOLE, 1, &block));
    assert_eq!(handler.error.map(|e| e.reason()), Some(Reason::PROTOCOL_ERROR));
}

/// RFC 9113 §5.1.2, §6.5.2.
#[test]
fn streams_above_the_advertised_limit_are_refused() {
    let mut peer = Peer::of_new_server();
    peer.feed(PREFACE).settings(&[]);
    let (_, payload) = peer.sent.iter().find(|(head, _)| head.kind == FrameKind::Settings).unwrap();
    let limit = payload.chunks(6).find(|pair| pair[..2] == [0, 3]).map(|pair| &pair[2..]);
    let limit = u32::from_be_bytes(limit.expect("a limit").try_into().unwrap());
    (0..=limit).for_each(|n| {
        peer.request(2 * n + 1, false);
    });
    let resets: Vec<_> = peer.sent.iter().filter(|(head, _)| head.kind == FrameKind::RstStream).collect();
    assert_eq!(resets.len(), 1);
    assert_eq!((resets[0].0.stream_id, &resets[0].1[..]), (2 * limit + 1, &Reason::REFUSED_STREAM.0.to_be_bytes()[..]));
}

/// RFC 9113 §6.5.3: values take effect in their order, and each SETTINGS is acknowledged.
#[test]
fn settings_take_effect_in_order() {
    let mut peer = Peer::of_server();
    peer.settings(&[(4, 100), (4, 1)]).request(1, true);
    assert_eq!(peer.data_sent(1), [1]);
    let acks = peer.sent.iter().filter(|(head, _)| head.kind == FrameKind::Settings && head.has(flags::ACK));
    assert_eq!(acks.count(), 1);
}

/// RFC 9113 §6.9.2: the window of an open stream follows SETTINGS, below zero too.
#[test]
fn windows_follow_settings() {
    let mut peer = Peer::of_server();
    peer.settings(&[(4, 0)]).request(1, true);
    assert!(peer.data_sent(1).is_empty());
    peer.settings(&[(4, 1)]);
    assert_eq!(peer.data_sent(1), [1]);
    let mut peer = Peer::of_server();
    peer.settings(&[(4, 3)]).request(1, true).settings(&[(4, 2)]).window_update(1, 2);
    assert_eq!(peer.data_sent(1), [3, 1], "from -1 by 2 to 1");
}

#[test]
fn a_ping_with_ack_is_not_answered() {
    let mut peer = Peer::of_server();
    peer.raw(FrameKind::Ping, flags::ACK, 0, b"invalid\0");
    assert!(peer.sent.iter().all(|(head, _)| head.kind != FrameKind::Ping));
}
