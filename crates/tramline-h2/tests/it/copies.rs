//! A copy as one command, against a payload that somebody writes.

use bytes::Bytes;
use tramline_h2::{Indexing, Reason, StreamKey};

use crate::wire::{Frames, Script, payload_len, rst_stream, settings, window_update, writer};

/// Lengths of windows and of payloads: around the frame's, and the lane's for small messages.
const LENS: [usize; 8] = [0, 1, 100, 2_047, 2_048, 2_049, 16_384, 16_385];

/// Frames, and how much waited after each payload.
type Sent = (Frames, Vec<Option<usize>>);

/// What is done to a stream, by its name.
type Way = (&'static str, fn(&mut Script));

fn copy(script: &mut Script, key: StreamKey, payload: &[u8], end_stream: bool) -> Option<usize> {
    script.engine.send_copy(key, payload, end_stream).ok()
}

fn write(script: &mut Script, key: StreamKey, payload: &[u8], end_stream: bool) -> Option<usize> {
    script.engine.send_with(key, end_stream, writer(payload)).ok()
}

/// Both ways send three payloads on the last stream: the same goes out, waits, and is told.
fn compare(what: &str, prepare: impl Fn(&mut Script), payload: &[u8], after: impl Fn(&mut Script)) -> Sent {
    let run = |send: fn(&mut Script, StreamKey, &[u8], bool) -> Option<usize>| {
        let mut script = Script::server();
        prepare(&mut script);
        let key = *script.keys.last().unwrap();
        let mut waiting = vec![send(&mut script, key, payload, false), send(&mut script, key, b"short", false)];
        let accounts = script.engine.accounts();
        let mut sent = script.output();
        after(&mut script);
        sent.extend(script.output());
        waiting.push(send(&mut script, key, payload, true));
        waiting.push(send(&mut script, key, payload, false));
        sent.extend(script.output());
        assert_eq!(script.error, None, "{what}");
        ((sent, waiting), accounts, script.engine.accounts())
    };
    let (copied, written) = (run(copy), run(write));
    assert_eq!(copied, written, "{what}");
    copied.0
}

fn answer(script: &mut Script) {
    let key = *script.keys.last().unwrap();
    script.engine.send_headers(key, false, |fields| fields.field(b":status", b"200", Indexing::Never)).unwrap();
}

#[test]
fn the_windows_hold_for_a_copy() {
    for window_len in LENS {
        for len in LENS {
            let of_stream = |script: &mut Script| {
                script.feed(&settings(&[(4, window_len as u32)]));
                script.request(1, false);
                answer(script);
            };
            let of_connection = |script: &mut Script| {
                script.request(1, false).request(3, false);
                let first = script.keys[0];
                script.engine.send_data(first, Bytes::from(vec![1; 65_535 - window_len]), true).unwrap();
                script.output();
                answer(script);
            };
            let payload = vec![7; len];
            let what = format!("window {window_len}, payload {len}");
            let sent = compare(&what, of_stream, &payload, |script| {
                script.feed(&settings(&[(4, 70_000)]));
            });
            assert_eq!(payload_len(&sent.0, 1), 2 * len + 5, "{what}");
            let sent = compare(&what, of_connection, &payload, |script| {
                script.feed(&window_update(0, 100_000));
            });
            assert_eq!(payload_len(&sent.0, 3), 2 * len + 5, "{what}");
        }
    }
}

#[test]
fn bulk_is_passed_by_small_copies_alone() {
    for bulk_len in [1, 60_000, 70_000] {
        for len in LENS {
            let prepare = |script: &mut Script| {
                script.feed(&settings(&[(4, 1 << 20)])).feed(&window_update(0, 1 << 20));
                script.request(1, false).request(3, false);
                let bulk = script.keys[0];
                script.engine.send_data(bulk, Bytes::from(vec![1; bulk_len]), true).unwrap();
                answer(script);
            };
            compare(&format!("bulk {bulk_len}, payload {len}"), prepare, &vec![7; len], |_| {});
        }
    }
}

#[test]
fn an_output_that_is_full_takes_no_copy() {
    for len in LENS {
        let prepare = |script: &mut Script| {
            script.feed(&settings(&[(4, 1 << 20)])).feed(&window_update(0, 1 << 20));
            script.request(1, false);
            answer(script);
            let key = script.keys[0];
            while script.engine.output().len() < 64 * 1024 {
                assert_eq!(write(script, key, &[2; 2_000], false), Some(0));
            }
        };
        let sent = compare(&format!("payload {len}"), prepare, &vec![7; len], |_| {});
        assert!(len == 0 || sent.1[0] > Some(0));
    }
}

#[test]
fn a_stream_that_is_over_takes_no_copy() {
    let ways: [Way; 4] = [
        ("reset by the peer", |script| {
            script.feed(&rst_stream(1, Reason::CANCEL));
        }),
        ("reset by us", |script| script.engine.reset(script.keys[0], Reason::CANCEL)),
        ("ended", |script| {
            let key = script.keys[0];
            script.engine.send_data(key, Bytes::from_static(b"end"), true).unwrap();
        }),
        ("forgotten", |script| script.engine.forget(script.keys[0])),
    ];
    for (what, end) in ways {
        let prepare = |script: &mut Script| {
            script.request(1, false);
            answer(script);
            script.output();
            end(script);
        };
        let sent = compare(what, prepare, b"payload", |_| {});
        assert_eq!(sent.1[0], None, "{what}");
    }
}

#[test]
fn a_connection_that_failed_takes_no_copy() {
    for way in [copy, write] {
        let mut script = Script::server();
        script.request(1, false);
        answer(&mut script);
        script.feed(&window_update(0, 0));
        assert!(script.error.is_some());
        let key = script.keys[0];
        assert_eq!(way(&mut script, key, b"payload", false), None);
    }
}
