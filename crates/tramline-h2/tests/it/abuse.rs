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

/// A minute of a client that cancels `cancels` and completes `completed` calls a
/// millisecond, as deadlines and hedging make one do.
fn a_minute_of(cancels: u32, completed: u32, every_ms: u64) -> Script {
    let mut script = Script::server();
    let mut id = 1;
    for ms in (0..60_000).step_by(every_ms as usize) {
        script.now = Duration::from_millis(ms);
        for n in 0..cancels + completed {
            script.request(id, n >= cancels);
            let Some(key) = script.keys.pop() else { return script };
            if n < cancels {
                script.feed(&rst_stream(id, Reason::CANCEL));
            } else {
                script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
            }
            script.engine.forget(key);
            id += 2;
        }
        script.output();
        script.seen.clear();
    }
    script
}

#[test]
fn a_hundred_cancels_a_second_are_no_attack() {
    assert_eq!(a_minute_of(1, 0, 10).error, None);
}

#[test]
fn a_thousand_cancels_beside_five_thousand_calls_are_no_attack() {
    assert_eq!(a_minute_of(1, 5, 1).error, None);
}

#[test]
fn a_thousand_cancels_a_second_and_nothing_else_are_one() {
    let error = a_minute_of(1, 0, 1).error.expect("an end");
    assert_eq!((error.reason(), error.detail()), (Reason::ENHANCE_YOUR_CALM, "too many resets"));
}

/// Cancels that cross the server's own end of the call: RST_STREAM for closed streams.
#[test]
fn resets_that_come_too_late_are_no_attack() {
    let mut script = Script::server();
    for n in 0..20_000 {
        let id = 2 * n + 1;
        script.request(id, true);
        let key = script.keys.pop().expect("a stream");
        script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
        script.engine.forget(key);
        script.feed(&rst_stream(id, Reason::CANCEL));
        script.output();
    }
    assert_eq!(script.error, None);
    // One for each stream is all that a peer can need.
    floods(&mut script, "too many frames without effect", |script, _| {
        script.feed(&rst_stream(1, Reason::CANCEL));
    });
}

/// A client's own cancels are never charged, whatever crosses them.
#[test]
fn answers_that_cross_a_clients_cancels_are_no_attack() {
    let mut script = Script::client();
    for n in 0..20_000u32 {
        let key = script.engine.send_request(script.now, true, |f| {
            REQUEST.iter().for_each(|(n, v)| f.field(n.as_bytes(), v.as_bytes(), Incremental));
        });
        script.engine.forget(key.expect("a stream"));
        if n >= 5_000 {
            // What was under way for a stream of long ago.
            let id = 2 * (n - 5_000) + 1;
            script.headers(id, &[(":status", "200")], false).data(id, b"late", false).headers(
                id,
                &[("x-end", "0")],
                true,
            );
        }
        script.output();
    }
    assert_eq!(script.error, None);
    assert!(script.seen.is_empty());
    assert_eq!(script.engine.accounts().receive_window_owed as usize % 4, 0, "what was thrown away is given back");
}

/// 300 tiny answers and a stream of 10,000 x 600 octets, at a client whose application
/// reads slowly: no peer breaks a rule here, and nobody is to be sent away.
#[test]
fn many_small_frames_of_an_honest_server_are_no_attack() {
    let mut script = Script::client();
    for _ in 0..301 {
        let key = script.engine.send_request(script.now, true, |f| {
            REQUEST.iter().for_each(|(n, v)| f.field(n.as_bytes(), v.as_bytes(), Incremental));
        });
        script.keys.push(key.expect("a stream"));
    }
    let bulk = script.keys[0];
    script.headers(1, &[(":status", "200")], false);
    let (mut window, mut sent, mut unread) = (256 * 1024, 0, 0);
    let mut small = (1..301u32).map(|n| 2 * n + 1);
    for round in 0..100_000u32 {
        script.now = Duration::from_millis(u64::from(round));
        if sent < 10_000 && window >= 600 {
            script.data(1, &[7; 600], false);
            (sent, window, unread) = (sent + 1, window - 600, unread + 600);
        }
        if let Some(id) = small.next() {
            script.headers(id, &[(":status", "200")], false).data(id, b"tiny", true);
        }
        // The application reads 300 octets a round: half of what comes.
        let read = unread.min(300);
        script.engine.release_capacity(bulk, read);
        unread -= read;
        for (head, payload) in script.output() {
            if head.kind == FrameKind::WindowUpdate && head.stream_id == 1 {
                window += u32::from_be_bytes(payload[..].try_into().unwrap());
            }
        }
        if sent == 10_000 && unread == 0 {
            break;
        }
    }
    assert_eq!((script.error, sent, unread), (None, 10_000, 0));
}

/// One octet a frame: the window bounds what waits, and the frames' count costs nothing.
#[test]
fn tiny_frames_are_bounded_by_the_window() {
    let mut script = Script::server();
    script.request(1, false);
    for _ in 0..256 * 1024 {
        script.feed(&frame(FrameKind::Data, 0, 1, b"x"));
        script.seen.clear();
    }
    assert_eq!((script.error, script.engine.retained_len()), (None, 256 * 1024));
    script.data(1, b"x", false);
    assert_eq!(script.sent_reset(), Some((1, Reason::FLOW_CONTROL_ERROR)));
    let key = script.keys[0];
    script.engine.forget(key);
    assert_eq!(script.engine.retained_len(), 0);
}

/// Path measurements of a peer to which data flows: one PING for each DATA frame.
#[test]
fn pings_that_measure_the_path_are_no_attack() {
    let mut script = Script::server();
    script.request(1, false);
    let key = script.keys[0];
    script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    for _ in 0..20_000 {
        script.engine.send_data(key, bytes::Bytes::from_static(b"x"), false).unwrap();
        script.output();
        script.feed(&frame(FrameKind::Ping, 0, 0, b"measured"));
        script.feed(&window_update(0, 1)).feed(&window_update(1, 1));
        script.output();
    }
    assert_eq!(script.error, None);
}

/// Replies that nobody reads fill memory; from a limit on, new requests are refused.
#[test]
fn a_peer_that_lets_replies_pile_up_gets_no_new_streams() {
    let mut script = Script::with_limits(|limits| limits.unsent_len_max = 100_000);
    script.feed(&settings(&[(4, 0)]));
    let mut accepted = 0;
    for n in 0..100 {
        script.request(2 * n + 1, true);
        let Some(key) = script.keys.pop() else { break };
        accepted += 1;
        script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
        script.engine.send_data(key, bytes::Bytes::from(vec![0; 30_000]), true).unwrap();
        script.engine.forget(key);
    }
    assert_eq!(accepted, 4);
    assert_eq!(script.engine.unsent_len(), 120_000);
    assert_eq!(script.sent_reset(), Some((9, Reason::REFUSED_STREAM)));
    // It reads after all, and is served again.
    script.feed(&settings(&[(4, 65_535)])).feed(&window_update(0, 1 << 20));
    script.output();
    assert_eq!(script.engine.unsent_len(), 0);
    script.request(101, true);
    assert_eq!(script.keys.len(), 1);
}

#[test]
fn resets_that_the_peer_provokes_are_charged_to_it() {
    let provocations: [fn(&mut Script, u32); 6] = [
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
            script.headers(id, &[(":method", "POST")], true);
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

/// A hundred streams, each with one long entry referred to as often as the hard limit
/// allows, and no window to answer in: what is kept of each section is bounded.
#[test]
fn a_header_bomb_on_many_streams_is_kept_to_its_limit() {
    let mut script = Script::server();
    script.feed(&settings(&[(4, 0)]));
    let long = "b".repeat(2_000);
    for n in 0..100 {
        let mut block = script.block(REQUEST);
        script.encoder.encode(b"x", long.as_bytes(), Incremental, &mut block);
        let newest = *block.last().filter(|_| n > 0).unwrap_or(&0xbe);
        block.extend(std::iter::repeat_n(newest, 30));
        script.feed(&frame(FrameKind::Headers, flags::END_HEADERS | flags::END_STREAM, 2 * n + 1, &block));
        let fields = script.engine.fields();
        assert!(fields.oversize() && fields.list_len() > 60_000, "{}", fields.list_len());
        let kept: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
        assert!(kept <= 16 * 1024, "{kept} octets are kept");
    }
    assert_eq!((script.error, script.keys.len()), (None, 100));
}

#[test]
fn many_or_long_fields_are_told_and_then_end_the_connection() {
    let mut script = Script::server();
    let mut block = script.block(REQUEST);
    (0..200).for_each(|n| {
        let name = format!("x{n}");
        script.encoder.encode(name.as_bytes(), b"", tramline_h2::Indexing::None, &mut block);
    });
    script.feed(&frame(FrameKind::Headers, flags::END_HEADERS | flags::END_STREAM, 1, &block));
    assert!(script.engine.fields().oversize() && script.engine.fields().field_count() > 200);
    assert_eq!((script.error, script.keys.len(), script.engine.fields().len()), (None, 1, 128));
    // A megabyte of field block: it ends after a few frames.
    let mut sent = 0;
    script.feed(&frame(FrameKind::Headers, 0, 3, &[0; 16_384]));
    while script.error.is_none() {
        script.feed(&frame(FrameKind::Continuation, 0, 3, &[0; 16_384]));
        sent += 1;
    }
    assert!(sent <= 4, "{sent} frames were taken");
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::ENHANCE_YOUR_CALM));
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

/// Answers that a peer provokes and does not read: a bounded number waits, then the
/// engine reads no more until some are gone.
#[test]
fn a_peer_that_does_not_read_stops_being_read() {
    let attacks: [fn(&mut Script, u32) -> Vec<u8>; 4] = [
        |_, _| frame(FrameKind::Ping, 0, 0, &[1; 8]),
        |_, _| settings(&[(4, 70_000)]),
        |script, n| {
            let block = script.block(REQUEST);
            frame(FrameKind::Headers, flags::END_HEADERS, 2 * n + 3, &block)
        },
        |_, _| frame(FrameKind::Data, 0, 1, b"x"),
    ];
    for attack in attacks {
        let mut script = Script::with_limits(|limits| {
            limits.concurrent_streams_max = 1;
            (limits.ping_burst, limits.settings_burst, limits.reset_burst) = (1_000_000, 1_000_000, 1_000_000);
        });
        script.request(1, false).feed(&rst_stream(1, Reason::CANCEL));
        for n in 0..5_000 {
            let octets = attack(&mut script, n);
            script.feed(&octets);
        }
        assert_eq!(script.error, None);
        assert!(script.engine.is_read_paused());
        assert!(script.engine.poll_output(script.now).len() <= 100 * 17);
        script.output();
        assert!(!script.engine.is_read_paused());
    }
}

/// The pause ends when the answers are gone, even if other output never runs dry.
#[test]
fn reading_goes_on_when_the_answers_are_written() {
    let mut script = Script::with_limits(|limits| limits.ping_burst = 1_000);
    for _ in 0..100 {
        script.feed(&frame(FrameKind::Ping, 0, 0, &[1; 8]));
    }
    assert!(script.engine.is_read_paused());
    let len = script.engine.poll_output(script.now).len();
    script.engine.ping([2; 8]);
    script.engine.advance_output(script.now, len - 1);
    assert!(script.engine.is_read_paused());
    script.engine.advance_output(script.now, 1);
    assert!(!script.engine.is_read_paused() && script.engine.output().len() == 17);
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

/// One second of a server's time after another, in which the peer gives `increment(second)`
/// octets of window to stream 1; says when that was reset.
fn seconds_until_reset(seconds: u64, increment: impl Fn(u64) -> u32) -> Option<u64> {
    let mut script = Script::server();
    script.feed(&settings(&[(4, 0)])).request(1, true).request(3, true);
    let (key, idle) = (script.keys[0], script.keys[1]);
    for key in [key, idle] {
        script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    }
    script.engine.send_data(key, bytes::Bytes::from(vec![0; 60_000]), false).unwrap();
    for second in 1..=seconds {
        script.now = Duration::from_secs(second);
        if increment(second) > 0 {
            script.feed(&window_update(1, increment(second)));
        }
        if script.engine.poll_timeout().is_some_and(|at| at <= script.now) {
            script.engine.handle_timeout(script.now).expect("the connection goes on");
        }
        let reset = script.sent_reset();
        if let Some((id, reason)) = reset {
            assert_eq!((id, reason, script.engine.unsent_len()), (1, Reason::ENHANCE_YOUR_CALM, 0));
            assert!(
                matches!(script.engine.poll_event(), Some(tramline_h2::Event::Reset { stream, .. }) if stream == key)
            );
            assert!(script.engine.send_data(idle, bytes::Bytes::from_static(b"x"), true).is_ok());
            return Some(second);
        }
    }
    None
}

/// A window of 0 forever: what waits is dropped, and the stream alone ends. A peer that takes
/// one octet a minute is slow and not hostile, and a stream without data waits as it likes.
#[test]
fn data_that_waits_for_window_forever_ends_its_stream() {
    let reset = seconds_until_reset(900, |_| 0);
    assert!(reset.is_some_and(|second| (300..=601).contains(&second)), "{reset:?}");
    assert_eq!(seconds_until_reset(3600, |second| u32::from(second % 50 == 0)), None);
    let reset = seconds_until_reset(1200, |second| u32::from(second <= 300));
    assert!(reset.is_some_and(|second| (600..=901).contains(&second)), "{reset:?}");
}

/// A server that answers streaming calls before their end, as when nobody is authenticated:
/// each client's END_STREAM crosses the reset, and is ignored (RFC 9113 §5.1).
#[test]
fn ends_that_cross_an_early_answer_are_no_attack() {
    for end in [Script::end_with_data, Script::end_with_trailers] {
        let mut script = Script::server();
        for n in 0..1_100 {
            let id = 2 * n + 1;
            script.request(id, false);
            let key = script.keys.pop().expect("a stream");
            script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
            script.engine.forget(key);
            end(&mut script, id);
            script.output();
        }
        assert_eq!(script.error, None);
    }
}

/// Behind the END_STREAM that crossed the reset, nothing more may come.
#[test]
fn a_stream_that_was_reset_ends_once() {
    for slot_is_held in [true, false] {
        let mut script = Script::server();
        script.request(1, false);
        let key = script.keys[0];
        script.engine.reset(key, Reason::CANCEL);
        if !slot_is_held {
            script.engine.forget(key);
        }
        script.data(1, b"", true);
        assert_eq!(script.error, None);
        script.data(1, b"", true);
        assert_eq!(script.error.map(|e| e.reason()), Some(Reason::STREAM_CLOSED));
    }
}

#[test]
fn acknowledgements_of_no_ping_are_charged_and_not_told() {
    let ack = frame(FrameKind::Ping, flags::ACK, 0, b"measured");
    let mut script = Script::server();
    script.engine.ping(*b"measured");
    script.feed(&ack);
    assert_eq!(script.seen.len(), 1, "the one that was asked for");
    floods(&mut script, "too many frames without effect", |script, _| {
        script.feed(&ack);
    });
    assert_eq!(script.seen.len(), 1);
}
