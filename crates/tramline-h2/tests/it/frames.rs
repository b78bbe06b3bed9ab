//! Single frames and their rules (RFC 9113 §4, §6).

use tramline_h2::frame::{FrameKind, PREFACE, flags};
use tramline_h2::{Config, ErrorKind, Indexing, Reason, Role};

use crate::wire::{REQUEST, Script, Seen, frame, settings, window_update};

#[track_caller]
fn ends_with(octets: &[u8], reason: Reason) {
    let mut script = Script::server();
    script.request(1, false);
    script.feed(octets);
    assert_eq!(script.error.map(|e| e.reason()), Some(reason));
    assert_eq!(script.sent_goaway(), Some(reason));
}

#[test]
fn connection_errors_row_by_row() {
    let protocol = Reason::PROTOCOL_ERROR;
    let size = Reason::FRAME_SIZE_ERROR;
    let cases: &[(FrameKind, u8, u32, &[u8], Reason)] = &[
        (FrameKind::Data, 0, 0, b"x", protocol),
        (FrameKind::Data, flags::PADDED, 1, &[4, 0, 0], protocol),
        (FrameKind::Data, 0, 5, b"x", protocol),
        (FrameKind::Headers, flags::END_HEADERS, 0, &[0x82], protocol),
        (FrameKind::Headers, flags::END_HEADERS, 2, &[0x82], protocol),
        (FrameKind::Headers, flags::END_HEADERS | flags::PADDED, 3, &[9, 0x82], protocol),
        (FrameKind::Headers, flags::END_HEADERS | flags::PRIORITY, 3, &[0, 0, 0], size),
        (FrameKind::Headers, flags::END_HEADERS | flags::PRIORITY, 3, &[0, 0, 0, 3, 0, 0x82], protocol),
        (FrameKind::Headers, flags::END_HEADERS, 3, &[0xff, 0xff, 0xff, 0xff, 0x0f], Reason::COMPRESSION_ERROR),
        (FrameKind::Headers, flags::END_HEADERS, 3, &[0xfe], Reason::COMPRESSION_ERROR),
        (FrameKind::Priority, 0, 0, &[0; 5], protocol),
        (FrameKind::Priority, 0, 1, &[0; 4], size),
        (FrameKind::Priority, 0, 1, &[0, 0, 0, 1, 0], protocol),
        (FrameKind::RstStream, 0, 0, &[0; 4], protocol),
        (FrameKind::RstStream, 0, 1, &[0; 3], size),
        (FrameKind::RstStream, 0, 7, &[0; 4], protocol),
        (FrameKind::Settings, 0, 1, &[], protocol),
        (FrameKind::Settings, 0, 0, &[0; 5], size),
        (FrameKind::Settings, flags::ACK, 0, &[0; 6], size),
        (FrameKind::Settings, 0, 0, &[0, 2, 0, 0, 0, 2], protocol),
        (FrameKind::PushPromise, 0, 1, &[0; 4], protocol),
        (FrameKind::Ping, 0, 1, &[0; 8], protocol),
        (FrameKind::Ping, 0, 0, &[0; 6], size),
        (FrameKind::GoAway, 0, 1, &[0; 8], protocol),
        (FrameKind::GoAway, 0, 0, &[0; 7], size),
        (FrameKind::WindowUpdate, 0, 0, &[0; 4], protocol),
        (FrameKind::WindowUpdate, 0, 0, &[0; 3], size),
        (FrameKind::WindowUpdate, 0, 9, &[0, 0, 0, 1], protocol),
        (FrameKind::Continuation, 0, 1, &[], protocol),
    ];
    for &(kind, flags, stream_id, payload, reason) in cases {
        ends_with(&frame(kind, flags, stream_id, payload), reason);
    }
}

#[test]
fn a_frame_above_our_limit_ends_the_connection_at_its_head() {
    let octets = frame(FrameKind::Data, 0, 1, &vec![0; 16_385]);
    ends_with(&octets[..9], Reason::FRAME_SIZE_ERROR);
}

#[test]
fn unknown_frames_and_settings_are_ignored() {
    let mut script = Script::server();
    script.feed(&frame(FrameKind::Unknown(0xbb), 0xff, 77, b"whatever"));
    script.feed(&settings(&[(0xffff, 1)]));
    script.request(1, true);
    assert!(script.error.is_none());
    assert!(matches!(script.seen.last(), Some(Seen::Headers(1, _, true))));
}

#[test]
fn nothing_may_stand_inside_a_field_block() {
    let mut script = Script::server();
    let block = script.block(REQUEST);
    script.feed(&frame(FrameKind::Headers, 0, 1, &block[..3]));
    script.feed(&frame(FrameKind::Unknown(0xbb), 0, 0, b""));
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::PROTOCOL_ERROR));
}

#[test]
fn a_field_block_may_be_cut_anywhere() {
    let whole = Script::server().block(REQUEST);
    for cut in 0..whole.len() {
        let mut script = Script::server();
        script.feed(&frame(FrameKind::Headers, flags::END_STREAM, 1, &whole[..cut]));
        script.feed(&frame(FrameKind::Continuation, flags::END_HEADERS, 1, &whole[cut..]));
        assert!(matches!(&script.seen[..], [Seen::Headers(1, fields, true)] if fields.len() == REQUEST.len()));
    }
}

#[test]
fn input_may_be_cut_anywhere() {
    let mut octets = PREFACE.to_vec();
    octets.extend(settings(&[(4, 70_000)]));
    let mut source = Script::server();
    let block = source.block(REQUEST);
    octets.extend(frame(FrameKind::Headers, flags::END_HEADERS, 1, &block));
    octets.extend(frame(FrameKind::Data, flags::PADDED, 1, b"\x03hello\0\0\0"));
    octets.extend(frame(FrameKind::Data, flags::END_STREAM, 1, b" you"));
    for step in 1..40 {
        let mut script = Script::raw(Role::Server, Config::default());
        octets.chunks(step).for_each(|chunk| {
            script.feed(chunk);
        });
        assert!(script.error.is_none());
        let body: Vec<u8> = script
            .seen
            .iter()
            .flat_map(|seen| match seen {
                Seen::Data(1, bytes, _) => bytes.clone(),
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(body, b"hello you");
        let ends = script.seen.iter().filter(|seen| matches!(seen, Seen::Data(_, _, true))).count();
        assert_eq!(ends, 1);
    }
}

#[test]
fn the_preface_is_checked_octet_by_octet() {
    for n in 0..PREFACE.len() {
        let mut octets = *PREFACE;
        octets[n] ^= 0x20;
        let mut script = Script::raw(Role::Server, Config::default());
        script.feed(&octets[..=n]);
        assert_eq!(script.error.map(|e| e.reason()), Some(Reason::PROTOCOL_ERROR), "octet {n}");
    }
    let mut script = Script::raw(Role::Server, Config::default());
    script.feed(PREFACE);
    script.feed(&window_update(0, 1));
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::PROTOCOL_ERROR));
}

#[test]
fn pings_are_answered_with_their_payload() {
    let mut script = Script::server();
    script.feed(&frame(FrameKind::Ping, 0, 0, b"12345678"));
    let answers = script.output();
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0.kind, answers[0].0.flags), (FrameKind::Ping, flags::ACK));
    assert_eq!(answers[0].1, b"12345678");
}

#[test]
fn after_an_error_nothing_is_taken() {
    let mut script = Script::server();
    script.feed(&window_update(0, 0));
    let first = script.error.unwrap();
    script.seen.clear();
    script.request(1, true);
    assert!(script.seen.is_empty());
    assert_eq!(script.engine.handle_input(script.now, &mut &b"x"[..]).unwrap_err().reason(), first.reason());
    assert_eq!(script.output().iter().filter(|(head, _)| head.kind == FrameKind::GoAway).count(), 1);
}

/// Who asks for the next event first, and then for what comes next, learns of a failure what
/// others do.
#[test]
fn a_head_that_fails_the_connection_is_told_of_once() {
    let mut script = Script::server();
    let octets = frame(FrameKind::Headers, flags::END_HEADERS, 0, &[0x82]);
    let mut input = &octets[..];
    assert_eq!(script.engine.take_event(script.now, &mut input), None);
    let error = script.engine.handle_input(script.now, &mut input).unwrap_err();
    assert_eq!((error.kind(), error.detail()), (ErrorKind::Protocol, "HEADERS on stream 0"));
    assert!(input.is_empty());
    assert_eq!(script.output().iter().filter(|(head, _)| head.kind == FrameKind::GoAway).count(), 1);
}

/// RFC 9113 §6.5.2: a peer ends the connection for values outside these bounds.
#[test]
fn our_settings_are_within_their_bounds() {
    for (frame_len_max, expected) in [(0, 16_384), (1 << 20, 1 << 20), (u32::MAX, (1 << 24) - 1)] {
        let mut config = tramline_h2::Config::default();
        (config.frame_len_max, config.stream_window_len) = (frame_len_max, u32::MAX);
        config.connection_window_len = u32::MAX;
        let mut script = Script::raw(tramline_h2::Role::Server, config);
        let (_, payload) = script.output().remove(0);
        let value = |id: u16| {
            let pair = payload.chunks(6).find(|pair| pair[..2] == id.to_be_bytes()).unwrap();
            u32::from_be_bytes(pair[2..].try_into().unwrap())
        };
        assert_eq!((value(5), value(4)), (expected, 0x7fff_ffff));
        assert_eq!(script.engine.config().frame_len_max, expected);
    }
}

/// RFC 9113 §4.2: no frame is longer than the peer takes.
#[test]
fn a_long_goaway_is_cut() {
    let mut script = Script::server();
    script.engine.go_away(Reason::NO_ERROR, &[b'x'; 20_000]);
    assert_eq!(script.output()[0].0.len, 16_384);
}

/// What DATA frames lead to: payloads of each stream, resets, the error, and what was sent when
/// all was read.
type Outcome = (Vec<(u32, Vec<u8>, usize)>, Vec<Seen>, Option<Reason>, Vec<Vec<u8>>);

fn outcome_of_data(fields: &[(&str, &str)], frames: &[Vec<u8>], is_whole: bool) -> Outcome {
    let mut config = Config::default();
    config.stream_window_len = 4000;
    let mut script = Script::server_with(config);
    script.headers(1, fields, false).request(3, true).request(5, false).request(7, false);
    let (reset, answered) = (script.keys[2], script.keys[3]);
    script.engine.reset(reset, Reason::CANCEL);
    script.engine.send_headers(answered, true, |fields| fields.field(b":status", b"200", Indexing::Never)).unwrap();
    script.output();
    for octets in frames {
        octets.chunks(if is_whole { octets.len() } else { 10 }).for_each(|piece| {
            script.feed(piece);
        });
    }
    let payload = |id: u32| {
        let pieces = script.seen.iter().filter_map(|seen| match seen {
            Seen::Data(of, bytes, is_end) if *of == id => Some((bytes, *is_end)),
            _ => None,
        });
        pieces.fold((id, Vec::new(), 0), |(id, mut all, ends), (bytes, is_end)| {
            all.extend_from_slice(bytes);
            (id, all, ends + usize::from(is_end))
        })
    };
    let payloads = vec![payload(1), payload(3), payload(5), payload(7)];
    for (&key, (_, bytes, _)) in script.keys.iter().zip(&payloads) {
        script.engine.release_capacity(key, bytes.len());
    }
    let others = script.seen.iter().filter(|seen| !matches!(seen, Seen::Data(..))).cloned().collect();
    let sent = script.output().into_iter().map(|(head, payload)| [&head.to_octets()[..], &payload].concat()).collect();
    (payloads, others, script.error.map(|error| error.reason()), sent)
}

/// A DATA frame that comes whole goes a short way of its own, which must lead where the long one
/// does.
#[test]
fn data_that_comes_whole_is_as_data_that_comes_in_pieces() {
    let data = |flags, stream_id, len| frame(FrameKind::Data, flags, stream_id, &vec![7; len]);
    let of_length = [REQUEST, &[("content-length", "300")]].concat();
    let cases: &[(&str, Vec<Vec<u8>>)] = &[
        ("plain", vec![data(0, 1, 100), data(0, 1, 1), data(0, 1, 200)]),
        ("a window's worth", vec![data(0, 1, 1000), data(0, 1, 3000)]),
        ("more than a window", vec![data(0, 1, 3999), data(0, 1, 2)]),
        ("empty", vec![data(0, 1, 0), data(0, 1, 5), data(flags::END_STREAM, 1, 0)]),
        ("padded", vec![data(0, 1, 50), frame(FrameKind::Data, flags::PADDED, 1, b"\x03hello\0\0\0")]),
        ("ended", vec![data(flags::END_STREAM, 1, 50), data(0, 1, 5)]),
        ("too much for its length", vec![data(0, 1, 299), data(0, 1, 2)]),
        ("too little for its length", vec![data(0, 1, 299), data(flags::END_STREAM, 1, 0)]),
        ("half-closed", vec![data(0, 3, 5)]),
        ("reset by us", vec![data(0, 5, 5), data(0, 1, 5)]),
        ("ended when it is answered", vec![data(0, 7, 5), data(flags::END_STREAM, 7, 5), data(0, 7, 5)]),
        ("idle", vec![data(0, 1, 5), data(0, 9, 5)]),
        ("the connection itself", vec![data(0, 0, 5)]),
    ];
    for (name, frames) in cases {
        for fields in [REQUEST, &of_length] {
            let whole = outcome_of_data(fields, frames, true);
            assert_eq!(whole, outcome_of_data(fields, frames, false), "{name}");
        }
    }
}
