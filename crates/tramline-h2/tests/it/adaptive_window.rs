//! Windows that follow the bandwidth-delay product.

use std::time::Duration;

use tramline_h2::frame::{FrameKind, flags};

use crate::wire::{Script, frame};

const ROUND_TRIP: Duration = Duration::from_millis(20);

/// A server sends as much as the client's windows allow, each round trip. Returns the
/// window of a stream after some rounds, and the PING frames that it took.
fn upload(octets_per_round: usize, rounds: u32) -> (u32, usize) {
    let mut script = Script::server();
    script.request(1, false);
    let key = script.keys[0];
    let (mut window, mut stream_len, mut ping_count) = (256 * 1024i64, 256 * 1024u32, 0);
    for _ in 0..rounds {
        let mut left = (window.max(0) as usize).min(octets_per_round);
        window -= left as i64;
        while left > 0 {
            let len = left.min(16_384);
            script.data(1, &vec![0; len], false);
            script.engine.release_capacity(key, len);
            left -= len;
        }
        let sent = script.output();
        script.now += ROUND_TRIP;
        for (head, payload) in sent {
            match head.kind {
                FrameKind::WindowUpdate if head.stream_id == 1 => {
                    window += i64::from(u32::from_be_bytes(payload[..].try_into().unwrap()));
                }
                FrameKind::Ping => {
                    ping_count += 1;
                    script.feed(&frame(FrameKind::Ping, flags::ACK, 0, &payload));
                }
                FrameKind::Settings if !payload.is_empty() => {
                    let len = u32::from_be_bytes(payload[2..6].try_into().unwrap());
                    window += i64::from(len) - i64::from(stream_len);
                    stream_len = len;
                    script.feed(&frame(FrameKind::Settings, flags::ACK, 0, &[]));
                }
                _ => {}
            }
        }
    }
    assert_eq!(script.error, None);
    (stream_len, ping_count)
}

#[test]
fn a_fat_path_gets_wider_windows() {
    let (window, _) = upload(usize::MAX, 20);
    assert_eq!(window, 4 * 1024 * 1024, "the maximum");
}

#[test]
fn a_path_that_is_not_full_keeps_its_window() {
    let (window, ping_count) = upload(100_000, 20);
    assert_eq!(window, 256 * 1024);
    assert!(ping_count <= 20);
}

#[test]
fn small_calls_cause_no_ping() {
    let mut script = Script::server();
    for n in 0..10_000 {
        script.request(2 * n + 1, false).data(2 * n + 1, b"small", true);
        let key = script.keys.pop().unwrap();
        script.engine.release_capacity(key, 5);
        script
            .engine
            .send_headers(key, true, |f| f.field(b":status", b"200", tramline_h2::Indexing::Incremental))
            .unwrap();
        script.engine.forget(key);
        assert!(script.output().iter().all(|(head, _)| head.kind != FrameKind::Ping));
    }
}

/// Peers forgive one PING for each DATA frame of theirs: without new data, no new PING.
#[test]
fn window_given_back_late_causes_one_ping() {
    let mut script = Script::server();
    script.request(1, false);
    let key = script.keys[0];
    (0..12).for_each(|_| {
        script.data(1, &[0; 16_384], false);
    });
    let mut ping_count = 0;
    for _ in 0..12 {
        script.engine.release_capacity(key, 16_384);
        for (head, payload) in script.output() {
            if head.kind == FrameKind::Ping {
                ping_count += 1;
                script.feed(&frame(FrameKind::Ping, flags::ACK, 0, &payload));
            }
        }
    }
    assert_eq!(ping_count, 1);
}

/// RFC 9113 §6.9.2 from our side: a smaller window holds from its acknowledgement on.
#[test]
fn a_smaller_window_waits_for_its_acknowledgement() {
    let mut script = Script::server();
    script.request(1, false);
    script.engine.set_stream_window_len(script.now, 1_000);
    script.data(1, &[0; 5_000], false);
    assert!(script.sent_reset().is_none(), "the peer could not know yet");
    script.feed(&frame(FrameKind::Settings, flags::ACK, 0, &[]));
    script.data(1, &[0; 1], false);
    assert_eq!(script.sent_reset(), Some((1, tramline_h2::Reason::FLOW_CONTROL_ERROR)));
}

/// The SETTINGS of our preface are such a change too: until they are acknowledged, the
/// peer may go by the default of 65,535.
#[test]
fn a_small_first_window_waits_for_its_acknowledgement() {
    let mut config = tramline_h2::Config::default();
    config.stream_window_len = 1_000;
    let mut script = Script::raw(tramline_h2::Role::Server, config);
    script.feed(tramline_h2::frame::PREFACE).feed(&crate::wire::settings(&[]));
    script.request(1, false).data(1, &[0; 16_384], false);
    assert!(script.sent_reset().is_none() && script.error.is_none());
}
