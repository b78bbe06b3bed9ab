//! A response as one command, against the three commands that it stands for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use tramline_h2::frame::FrameKind;
use tramline_h2::{FieldWriter, Indexing, Reason, SendError, StreamKey};

use crate::wire::{Frames, Script, payload_len, rst_stream, settings, window_update, writer};

/// Windows, of the stream or of the connection, and lengths that meet them and the frames'.
const LENS: [usize; 9] = [0, 1, 5, 100, 2_047, 2_048, 16_383, 16_384, 16_385];

fn head(fields: &mut FieldWriter<'_>) {
    fields.field(b":status", b"200", Indexing::Incremental);
    fields.field(b"content-type", b"application/grpc", Indexing::Incremental);
}

fn trailers(fields: &mut FieldWriter<'_>) {
    fields.field(b"grpc-status", b"0", Indexing::Incremental);
}

fn whole(script: &mut Script, key: StreamKey, payload: &[u8]) {
    let _ = script.engine.send_response(key, head, writer(payload), trailers);
    script.engine.forget(key);
}

fn in_three(script: &mut Script, key: StreamKey, payload: &[u8]) {
    let _ = script.engine.send_headers(key, false, head);
    let _ = script.engine.send_with(key, false, writer(payload));
    let _ = script.engine.send_headers(key, true, trailers);
    script.engine.forget(key);
}

/// What is sent by both ways, step by step, is the same, and so is what is left.
fn compare(what: &str, prepare: impl Fn(&mut Script), payload: &[u8], after: impl Fn(&mut Script)) -> Frames {
    let run = |respond: fn(&mut Script, StreamKey, &[u8])| {
        let mut script = Script::server();
        prepare(&mut script);
        let key = *script.keys.last().unwrap();
        respond(&mut script, key, payload);
        let accounts = script.engine.accounts();
        let mut sent = script.output();
        after(&mut script);
        sent.extend(script.output());
        script.request(101, true);
        let key = *script.keys.last().unwrap();
        respond(&mut script, key, b"the next");
        sent.extend(script.output());
        assert_eq!(script.error, None, "{what}");
        (sent, accounts, script.engine.accounts())
    };
    let (one, three) = (run(whole), run(in_three));
    assert_eq!(one, three, "{what}");
    one.0
}

#[test]
fn the_octets_are_those_of_three_commands_whatever_the_stream_window() {
    for window_len in LENS {
        for len in LENS {
            for is_request_over in [true, false] {
                let sent = compare(
                    &format!("window {window_len}, message {len}, request over: {is_request_over}"),
                    |script| {
                        script.feed(&settings(&[(4, window_len as u32)]));
                        script.request(1, is_request_over);
                    },
                    &vec![7; len],
                    |script| {
                        script.feed(&settings(&[(4, 70_000)]));
                    },
                );
                if is_request_over {
                    assert_eq!(payload_len(&sent, 1), len);
                }
            }
        }
    }
}

#[test]
fn the_octets_are_those_of_three_commands_whatever_the_connection_window() {
    for window_len in LENS {
        for len in LENS {
            let sent = compare(
                &format!("window {window_len}, message {len}"),
                |script| {
                    script.request(1, true).request(3, true);
                    let first = script.keys[0];
                    script.engine.send_headers(first, false, head).unwrap();
                    script.engine.send_data(first, Bytes::from(vec![1; 65_535 - window_len]), true).unwrap();
                    script.output();
                },
                &vec![7; len],
                |script| {
                    script.feed(&window_update(0, 70_000));
                },
            );
            assert_eq!(payload_len(&sent, 3), len);
        }
    }
}

#[test]
fn bulk_that_waits_is_passed_by_small_messages_alone() {
    for len in LENS {
        compare(
            &format!("message {len}"),
            |script| {
                script.feed(&window_update(0, 1 << 20));
                script.request(1, true).request(3, true);
                let bulk = script.keys[0];
                script.engine.send_headers(bulk, false, head).unwrap();
                script.engine.send_data(bulk, Bytes::from(vec![1; 60_000]), true).unwrap();
            },
            &vec![7; len],
            |_| {},
        );
    }
}

#[test]
fn a_stream_that_the_peer_resets_takes_no_more() {
    for len in LENS {
        for window_len in [0, 100, 65_535] {
            let what = format!("window {window_len}, message {len}");
            let prepare = |script: &mut Script| {
                script.feed(&settings(&[(4, window_len)]));
                script.request(1, true);
            };
            let reset = |script: &mut Script| {
                script.feed(&rst_stream(1, Reason::CANCEL));
            };
            let before = compare(
                &what,
                |script| {
                    prepare(script);
                    reset(script);
                },
                &vec![7; len],
                |_| {},
            );
            assert!(before.iter().all(|(head, _)| head.stream_id != 1), "{what}");
            compare(&what, prepare, &vec![7; len], reset);
        }
    }
}

#[test]
fn a_payload_that_fails_leaves_the_stream_behind_its_head() {
    let mut script = Script::server();
    script.request(1, true);
    let key = script.keys[0];
    let failing = |out: &mut Vec<u8>| {
        out.extend_from_slice(b"half");
        Err("why")
    };
    assert_eq!(script.engine.send_response(key, head, failing, trailers), Err(SendError::Payload("why")));
    script.engine.send_headers(key, true, trailers).unwrap();
    let kinds: Vec<_> = script.output().iter().map(|(head, _)| head.kind).collect();
    assert_eq!(kinds, [FrameKind::Headers, FrameKind::Headers]);
}

#[test]
fn a_payload_that_panics_leaves_nothing_in_the_output() {
    let mut script = Script::server();
    script.request(1, true).request(3, true);
    let (first, second) = (script.keys[0], script.keys[1]);
    let panicking = |out: &mut Vec<u8>| -> Result<(), ()> {
        out.extend_from_slice(b"half");
        panic!("an encoder of a user's");
    };
    for is_whole in [true, false] {
        let key = if is_whole { first } else { second };
        let send = || match is_whole {
            true => script.engine.send_response(key, head, panicking, trailers),
            false => script.engine.send_with(key, false, panicking).map(drop),
        };
        catch_unwind(AssertUnwindSafe(send)).unwrap_err();
    }
    script.engine.send_headers(first, true, trailers).unwrap();
    let frames: Vec<_> = script.output().iter().map(|(head, _)| (head.kind, head.stream_id)).collect();
    assert_eq!(frames.iter().filter(|(kind, _)| *kind != FrameKind::Settings).count(), 2, "{frames:?}");
    assert_eq!(frames.last(), Some(&(FrameKind::Headers, 1)));
}

#[test]
fn a_head_cannot_follow_data_that_waits() {
    let mut script = Script::server();
    script.feed(&settings(&[(4, 0)]));
    script.request(1, true);
    let key = script.keys[0];
    script.engine.send_data(key, Bytes::from_static(b"early"), false).unwrap();
    let sent = script.engine.send_response(key, head, |_| Ok::<(), ()>(()), trailers);
    assert_eq!(sent, Err(SendError::Closed));
    assert!(script.output().iter().all(|(head, _)| head.kind == FrameKind::Settings));
}
