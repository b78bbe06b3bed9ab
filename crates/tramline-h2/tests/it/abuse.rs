//! Peers that cost more than they give: each flood ends, and memory stays bounded.

use std::time::Duration;

use tramline_h2::Indexing::Incremental;
use tramline_h2::Reason;
use tramline_h2::frame::{FrameKind, flags};

use crate::wire::{REQUEST, Script, frame, rst_stream, settings, window_update};

/// Repeats `attack` until the engine gives up; fails if it never does.
fn floods(script: &mut Script, budget: &str, mut attack: impl FnMut(&mut Script, u32)) {
    for n in 0..1_000_000 {
        attack(script, n);
        script.output();
        if let Some(error) = script.error {
            assert_eq!((error.reason(), error.detail()), (Reason::ENHANCE_YOUR_CALM, budget));
            return;
        }
    }
    panic!("a million rounds, and no end");
}

#[test]
fn rapid_reset_ends_and_live_streams_stay_bounded() {
    let mut script = Script::server();
    floods(&mut script, "too many resets", |script, n| {
        script.request(2 * n + 1, false).feed(&rst_stream(2 * n + 1, Reason::CANCEL));
        assert!(script.engine.stream_count() <= 256);
    });
}

#[test]
fn cancels_of_a_busy_client_are_no_attack() {
    let mut script = Script::server();
    let mut id = 1;
    for second in 0..5u64 {
        script.now = Duration::from_secs(second);
        for _ in 0..1000 {
            script.request(id, false).feed(&rst_stream(id, Reason::CANCEL));
            let key = *script.keys.last().unwrap();
            script.engine.forget(key);
            id += 2;
            for _ in 0..5 {
                script.request(id, true);
                let key = *script.keys.last().unwrap();
                script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
                script.engine.forget(key);
                id += 2;
            }
            script.output();
            script.keys.clear();
        }
    }
    assert!(script.error.is_none());
}

#[test]
fn resets_that_the_peer_provokes_are_charged_to_it() {
    let provocations: [fn(&mut Script, u32); 5] = [
        |script, id| {
            script.request(id, false).feed(&window_update(id, 0));
        },
        |script, id| {
            script.request(id, false).feed(&window_update(id, 0x7fff_ffff));
        },
        |script, id| {
            script.request(id, true).data(id, b"x", false);
        },
        |script, id| {
            script.request(id, true).headers(id, &[("x", "y")], true);
        },
        |script, id| {
            let fields: Vec<_> = REQUEST.iter().copied().chain([("content-length", "1")]).collect();
            script.headers(id, &fields, false).data(id, b"xx", false);
        },
    ];
    for provoke in provocations {
        let mut script = Script::server();
        floods(&mut script, "too many resets", |script, n| {
            provoke(script, 2 * n + 1);
            if let Some(key) = script.keys.pop() {
                script.engine.forget(key);
            }
        });
    }
}

#[test]
fn floods_of_control_frames_end() {
    floods(&mut Script::server(), "too_many_pings", |script, _| {
        script.feed(&frame(FrameKind::Ping, 0, 0, &[0; 8]));
    });
    floods(&mut Script::server(), "too many SETTINGS frames", |script, _| {
        script.feed(&settings(&[]));
    });
    floods(&mut Script::server(), "too many frames without effect", |script, _| {
        script.feed(&frame(FrameKind::Priority, 0, 1, &[0; 5]));
    });
    floods(&mut Script::server(), "too many frames without effect", |script, _| {
        script.feed(&frame(FrameKind::Unknown(0xaa), 0, 0, &[]));
    });
    floods(&mut Script::server(), "too many WINDOW_UPDATE frames", |script, _| {
        script.feed(&window_update(0, 1));
    });
    let mut script = Script::server();
    script.request(1, false);
    floods(&mut script, "too many empty DATA frames", |script, _| {
        script.data(1, b"", false);
    });
}

#[test]
fn a_flood_of_continuations_ends_even_if_they_are_empty() {
    let mut script = Script::server();
    let block = script.block(REQUEST);
    script.feed(&frame(FrameKind::Headers, 0, 1, &block));
    floods(&mut script, "too many CONTINUATION frames", |script, _| {
        script.feed(&frame(FrameKind::Continuation, 0, 1, &[]));
    });
}

#[test]
fn a_header_bomb_allocates_next_to_nothing() {
    let mut script = Script::server();
    let mut block = script.block(REQUEST);
    let long = "b".repeat(2_000);
    script.encoder.encode(b"x", long.as_bytes(), Incremental, &mut block);
    // The newest entry, sixteen thousand times: far over every limit.
    let repeats = 14_000;
    block.extend(std::iter::repeat_n(0xbe, repeats));
    script.feed(&frame(FrameKind::Headers, flags::END_HEADERS, 1, &block));
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::ENHANCE_YOUR_CALM));
    assert!(script.engine.fields().list_len() < 200_000);
}

#[test]
fn streams_beyond_the_limit_are_refused_and_charged() {
    let mut script = Script::server();
    for n in 0..256 {
        script.request(2 * n + 1, false);
    }
    assert!(script.sent_reset().is_none());
    script.request(513, false);
    assert_eq!(script.sent_reset(), Some((513, Reason::REFUSED_STREAM)));
    // A reset does not free the place before its handler is gone.
    script.feed(&rst_stream(1, Reason::CANCEL)).request(515, false);
    assert_eq!(script.sent_reset(), Some((515, Reason::REFUSED_STREAM)));
    let key = script.keys[0];
    script.engine.forget(key);
    script.request(517, false);
    assert!(script.sent_reset().is_none());
}

#[test]
fn a_peer_that_does_not_read_stops_being_read() {
    let mut script = Script::with_limits(|limits| limits.ping_burst = 1_000_000);
    for _ in 0..10_000 {
        script.feed(&frame(FrameKind::Ping, 0, 0, &[1; 8]));
    }
    assert!(script.error.is_none());
    assert!(script.engine.is_read_paused());
    assert!(script.engine.poll_output(script.now).len() <= 100 * 17);
    script.output();
    assert!(!script.engine.is_read_paused());
}

#[test]
fn a_stalled_write_ends_the_connection() {
    let mut script = Script::server();
    script.feed(&frame(FrameKind::Ping, 0, 0, &[1; 8]));
    let _ = script.engine.poll_output(script.now).len();
    let at = script.engine.poll_timeout().unwrap();
    assert_eq!(at, Duration::from_secs(60));
    assert_eq!(script.engine.handle_timeout(at).unwrap_err().detail(), "the peer reads too slowly");
}

#[test]
fn blocked_streams_take_one_place_each() {
    let mut script = Script::server();
    script.request(1, true);
    let key = script.keys[0];
    script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    script.engine.send_data(key, bytes::Bytes::from(vec![0; 200_000]), true).unwrap();
    script.output();
    for _ in 0..5_000 {
        script.feed(&window_update(1, 1));
        script.output();
    }
    script.feed(&window_update(0, 4_000));
    let data: usize =
        script.output().iter().filter(|(h, _)| h.kind == FrameKind::Data).map(|(h, _)| h.len as usize).sum();
    assert_eq!(data, 4_000);
}
