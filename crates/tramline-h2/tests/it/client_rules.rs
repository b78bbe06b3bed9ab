//! A client and a server that breaks the rules: the cases of h2spec's client side, by
//! the clause of RFC 9113 that each defends.

use tramline_h2::Reason;
use tramline_h2::frame::{FrameKind, flags};

use crate::peer::Expect::{Alive, Goaway, Reset};
use crate::peer::{Case, Peer, RESPONSE, judge};

const PROTOCOL: &[Reason] = &[Reason::PROTOCOL_ERROR];
const SIZE: &[Reason] = &[Reason::FRAME_SIZE_ERROR];
const FLOW: &[Reason] = &[Reason::FLOW_CONTROL_ERROR];
const CLOSED: &[Reason] = &[Reason::STREAM_CLOSED];
const COMPRESSION: &[Reason] = &[Reason::COMPRESSION_ERROR];

const END: u8 = flags::END_STREAM;
const WHOLE: u8 = flags::END_HEADERS;
const DUMMY: &[(&str, &str)] = &[("x-dummy0", "dummy")];

const FRAMES: &[Case] = &[
    ("3.4 the server's preface is SETTINGS", |p| p.settings(&[]), Alive),
    ("4.1 a frame of unknown type", |p| p.raw(FrameKind::Unknown(0xff), 0, 0, &[0; 8]), Alive),
    ("4.1 a flag without meaning", |p| p.raw(FrameKind::Ping, 0x16, 0, &[0; 8]), Alive),
    ("4.1 the reserved bit", |p| p.feed(&[0, 0, 8, 6, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Alive),
    ("4.2 DATA of 2^14 octets", |p| p.response(false).data(1, &[b'x'; 16_384], true), Alive),
    ("4.2 DATA above SETTINGS_MAX_FRAME_SIZE", |p| p.response(false).data(1, &[b'x'; 16_385], true), Goaway(SIZE)),
    ("4.2 HEADERS above SETTINGS_MAX_FRAME_SIZE", |p| p.raw(FrameKind::Headers, WHOLE, 1, &[0; 16_385]), Goaway(SIZE)),
    ("4.3 a malformed field block", |p| p.raw(FrameKind::Headers, END | WHOLE, 1, &[0x40]), Goaway(COMPRESSION)),
    ("5.5 an extension's frame", |p| p.raw(FrameKind::Unknown(0x16), 0, 0, &[0; 8]), Alive),
    ("5.4.1 a bad PING ends the connection", |p| p.raw(FrameKind::Ping, 0, 0, &[0; 7]), Goaway(SIZE)),
    ("5.4.1 GOAWAY goes out first", |p| p.raw(FrameKind::Ping, 0, 3, &[0; 8]), Goaway(PROTOCOL)),
];

const STREAMS: &[Case] = &[
    ("5.1 idle: DATA", |p| p.data(2, b"test", true), Goaway(PROTOCOL)),
    ("5.1 idle: RST_STREAM", |p| p.reset(2), Goaway(PROTOCOL)),
    ("5.1 idle: WINDOW_UPDATE", |p| p.window_update(2, 100), Goaway(PROTOCOL)),
    ("5.1 idle: CONTINUATION", |p| p.continuation(2, RESPONSE, WHOLE), Goaway(PROTOCOL)),
    ("5.1 closed: DATA after RST_STREAM", |p| p.response(false).reset(1).data(1, b"test", true), Reset(CLOSED)),
    ("5.1 closed: HEADERS after RST_STREAM", |p| p.response(false).reset(1).response(true), Reset(CLOSED)),
    (
        "5.1 closed: CONTINUATION after RST_STREAM",
        |p| p.response(false).reset(1).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
    ("5.1 closed: DATA", |p| p.response(true).data(1, b"test", true), Goaway(CLOSED)),
    ("5.1 closed: HEADERS", |p| p.response(true).response(true), Goaway(CLOSED)),
    ("5.1 closed: CONTINUATION", |p| p.response(true).continuation(1, DUMMY, WHOLE), Goaway(PROTOCOL)),
    ("5.1.1 a stream that nobody opened", |p| p.section(101, RESPONSE, true), Goaway(PROTOCOL)),
    ("5.1.1 a stream that only a server could open", |p| p.section(2, RESPONSE, true), Goaway(PROTOCOL)),
    ("8.4 PUSH_PROMISE", |p| p.raw(FrameKind::PushPromise, WHOLE, 1, &[0, 0, 0, 2]), Goaway(PROTOCOL)),
];

const DATA_AND_HEADERS: &[Case] = &[
    ("6.1 DATA on stream 0", |p| p.data(0, b"test", true), Goaway(PROTOCOL)),
    ("6.1 DATA on a stream that is not open", |p| p.response(true).data(1, b"test", true), Goaway(CLOSED)),
    (
        "6.1 padding longer than the payload",
        |p| p.response(false).raw(FrameKind::Data, END | flags::PADDED, 1, b"\x06Test"),
        Goaway(PROTOCOL),
    ),
    (
        "6.2 HEADERS without END_HEADERS, then PRIORITY",
        |p| p.headers(1, RESPONSE, 0).priority(1, 0, 255),
        Goaway(PROTOCOL),
    ),
    ("6.2 HEADERS on stream 0", |p| p.section(0, RESPONSE, true), Goaway(PROTOCOL)),
    (
        "6.2 padding longer than the block",
        |p| p.raw(FrameKind::Headers, END | WHOLE | flags::PADDED, 1, b"\x09\x88"),
        Goaway(PROTOCOL),
    ),
    (
        "6.10 several CONTINUATION frames",
        |p| p.headers(1, RESPONSE, END).continuation(1, DUMMY, 0).continuation(1, DUMMY, WHOLE),
        Alive,
    ),
    (
        "6.10 CONTINUATION, then another frame",
        |p| p.headers(1, RESPONSE, 0).continuation(1, DUMMY, 0).data(1, b"test", true),
        Goaway(PROTOCOL),
    ),
    ("6.10 CONTINUATION on stream 0", |p| p.headers(1, RESPONSE, END).continuation(0, DUMMY, WHOLE), Goaway(PROTOCOL)),
    (
        "6.10 CONTINUATION after HEADERS with END_HEADERS",
        |p| p.response(true).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
    (
        "6.10 CONTINUATION after CONTINUATION with END_HEADERS",
        |p| p.headers(1, RESPONSE, END).continuation(1, DUMMY, WHOLE).continuation(1, DUMMY, WHOLE),
        Goaway(PROTOCOL),
    ),
    (
        "6.10 CONTINUATION after DATA",
        |p| p.headers(1, RESPONSE, 0).data(1, b"test", true).continuation(1, DUMMY, 0),
        Goaway(PROTOCOL),
    ),
];

const CONTROL: &[Case] = &[
    ("6.3 PRIORITY on stream 0", |p| p.priority(0, 0, 255), Goaway(PROTOCOL)),
    ("6.3 PRIORITY of a wrong length", |p| p.raw(FrameKind::Priority, 0, 1, &[0; 4]), Goaway(SIZE)),
    ("6.4 RST_STREAM on stream 0", |p| p.reset(0), Goaway(PROTOCOL)),
    ("6.4 RST_STREAM on an idle stream", |p| p.reset(2), Goaway(PROTOCOL)),
    ("6.4 RST_STREAM of a wrong length", |p| p.raw(FrameKind::RstStream, 0, 1, &[0; 3]), Goaway(SIZE)),
    ("6.5 SETTINGS with ACK and a payload", |p| p.raw(FrameKind::Settings, flags::ACK, 0, &[0]), Goaway(SIZE)),
    ("6.5 SETTINGS on a stream", |p| p.raw(FrameKind::Settings, 0, 1, &[0, 3, 0, 0, 0, 1]), Goaway(PROTOCOL)),
    ("6.5 SETTINGS of a wrong length", |p| p.raw(FrameKind::Settings, 0, 0, &[0, 3, 0]), Goaway(SIZE)),
    ("6.5.2 ENABLE_PUSH from a server", |p| p.settings(&[(2, 1)]), Goaway(PROTOCOL)),
    ("6.5.2 INITIAL_WINDOW_SIZE above 2^31-1", |p| p.settings(&[(4, 1 << 31)]), Goaway(FLOW)),
    ("6.5.2 MAX_FRAME_SIZE below 2^14", |p| p.settings(&[(5, 16_383)]), Goaway(PROTOCOL)),
    ("6.5.2 MAX_FRAME_SIZE above 2^24-1", |p| p.settings(&[(5, 1 << 24)]), Goaway(PROTOCOL)),
    ("6.5.2 an unknown parameter", |p| p.settings(&[(0xff, 1)]), Alive),
    ("6.7 PING", |p| p.raw(FrameKind::Ping, 0, 0, b"h2spec\0\0"), Alive),
    ("6.7 PING with ACK is not answered", |p| p.raw(FrameKind::Ping, flags::ACK, 0, b"invalid\0"), Alive),
    ("6.7 PING on a stream", |p| p.raw(FrameKind::Ping, 0, 1, &[0; 8]), Goaway(PROTOCOL)),
    ("6.7 PING of a wrong length", |p| p.raw(FrameKind::Ping, 0, 0, &[0; 6]), Goaway(SIZE)),
    ("6.8 GOAWAY on a stream", |p| p.raw(FrameKind::GoAway, 0, 1, &[0; 8]), Goaway(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0", |p| p.window_update(0, 0), Goaway(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0 on a stream", |p| p.window_update(1, 0), Reset(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of a wrong length", |p| p.raw(FrameKind::WindowUpdate, 0, 0, &[0; 3]), Goaway(SIZE)),
    (
        "6.9.1 the connection's window above 2^31-1",
        |p| p.window_update(0, 0x7fff_ffff).window_update(0, 0x7fff_ffff),
        Goaway(FLOW),
    ),
    (
        "6.9.1 a stream's window above 2^31-1",
        |p| p.window_update(1, 0x7fff_ffff).window_update(1, 0x7fff_ffff),
        Reset(FLOW),
    ),
];

#[test]
fn frames() {
    judge(FRAMES, Peer::of_client);
}

#[test]
fn streams() {
    judge(STREAMS, Peer::of_client);
}

#[test]
fn data_and_headers() {
    judge(DATA_AND_HEADERS, Peer::of_client);
}

#[test]
fn control_frames() {
    judge(CONTROL, Peer::of_client);
}

#[test]
fn settings_are_acknowledged_each() {
    let mut peer = Peer::of_client();
    for _ in 0..3 {
        peer.settings(&[(4, 70_000)]);
    }
    let acks = peer.sent.iter().filter(|(head, _)| head.kind == FrameKind::Settings && head.has(flags::ACK));
    assert_eq!(acks.count(), 3);
}

#[test]
fn a_ping_with_ack_is_not_answered() {
    let mut peer = Peer::of_client();
    peer.raw(FrameKind::Ping, flags::ACK, 0, b"invalid\0");
    assert!(peer.sent.iter().all(|(head, _)| head.kind != FrameKind::Ping));
}
