//! The ends of a connection (RFC 9113 §6.8, §9.1).

use std::time::Duration;

use tramline_h2::Indexing::Incremental;
use tramline_h2::frame::{FrameKind, flags};
use tramline_h2::{OpenError, Reason};

use crate::wire::{REQUEST, Script, Seen, frame, settings};

fn open(script: &mut Script) -> Result<tramline_h2::StreamKey, OpenError> {
    script.engine.send_request(script.now, true, |f| {
        REQUEST.iter().for_each(|(n, v)| f.field(n.as_bytes(), v.as_bytes(), Incremental));
    })
}

fn goaway(last: u32, reason: Reason) -> Vec<u8> {
    frame(FrameKind::GoAway, 0, 0, &[last.to_be_bytes(), reason.0.to_be_bytes()].concat())
}

#[test]
fn a_graceful_end_has_two_phases_and_loses_nothing() {
    let mut script = Script::server();
    script.request(1, true);
    script.engine.drain(script.now);
    let frames = script.output();
    assert_eq!(frames[0].1[..4], 0x7fff_ffffu32.to_be_bytes());
    let ping = frames[1].1.clone();
    // A request that crossed the first GOAWAY is served.
    script.request(3, true);
    assert!(matches!(script.seen.last(), Some(Seen::Headers(3, ..))));
    script.feed(&frame(FrameKind::Ping, flags::ACK, 0, &ping));
    assert_eq!(script.output()[0].1[..4], 3u32.to_be_bytes());
    // One after the second is not.
    script.request(5, true);
    assert!(matches!(script.seen.last(), Some(Seen::Headers(3, ..))));
    assert!(!script.engine.is_drained());
    for key in script.keys.clone() {
        script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
        script.engine.forget(key);
    }
    script.output();
    assert!(script.engine.is_drained());
    assert!(script.error.is_none());
}

#[test]
fn a_peer_that_does_not_answer_the_ping_is_waited_for_a_while_only() {
    let mut script = Script::server();
    script.engine.drain(script.now);
    script.output();
    let at = script.engine.poll_timeout().unwrap();
    script.engine.handle_timeout(at).unwrap();
    assert_eq!(script.sent_goaway(), Some(Reason::NO_ERROR));
    assert!(script.engine.is_drained());
}

#[test]
fn streams_above_the_last_were_not_processed() {
    let mut script = Script::client();
    let keys: Vec<_> = (0..3).map(|_| open(&mut script).unwrap()).collect();
    script.feed(&goaway(3, Reason::NO_ERROR));
    assert!(script.seen.contains(&Seen::GoAway(3, Reason::NO_ERROR)));
    let reset = script.engine.poll_event();
    let expected = tramline_h2::Event::Reset {
        stream: keys[2],
        reason: Reason::REFUSED_STREAM,
        initiator: tramline_h2::Initiator::Remote,
        unprocessed: true,
    };
    assert!(reset == Some(expected) || script.seen.contains(&Seen::Reset(5, Reason::REFUSED_STREAM)));
    assert_eq!(open(&mut script), Err(OpenError::Draining));
    script.headers(1, &[(":status", "200")], true);
    assert!(matches!(script.seen.last(), Some(Seen::Headers(1, _, true))));
}

#[test]
fn the_peers_stream_limit_is_kept() {
    let mut script = Script::client();
    script.feed(&settings(&[(3, 1)]));
    let first = open(&mut script).unwrap();
    assert_eq!(open(&mut script), Err(OpenError::AtCapacity));
    script.headers(1, &[(":status", "200")], true);
    script.engine.forget(first);
    assert!(open(&mut script).is_ok());
}

#[test]
fn a_hundred_streams_are_assumed_before_settings() {
    let mut script = Script::raw(tramline_h2::Role::Client, tramline_h2::Config::default());
    for _ in 0..100 {
        open(&mut script).unwrap();
    }
    assert_eq!(open(&mut script), Err(OpenError::AtCapacity));
}

#[test]
fn time_limits_end_the_connection_with_a_reason() {
    let mut script = Script::raw(tramline_h2::Role::Server, tramline_h2::Config::default());
    script.output();
    assert_eq!(script.engine.poll_timeout(), Some(Duration::from_secs(10)));
    let error = script.engine.handle_timeout(Duration::from_secs(10)).unwrap_err();
    assert_eq!(error.detail(), "no preface in time");

    let mut script = Script::raw(tramline_h2::Role::Server, tramline_h2::Config::default());
    script.feed(tramline_h2::frame::PREFACE).feed(&settings(&[]));
    script.output();
    assert_eq!(script.engine.poll_timeout(), Some(Duration::from_secs(30)));
    let error = script.engine.handle_timeout(Duration::from_secs(30)).unwrap_err();
    assert_eq!((error.reason(), error.detail()), (Reason::SETTINGS_TIMEOUT, "SETTINGS not acknowledged in time"));

    let mut script = Script::server();
    let block = script.block(REQUEST);
    script.feed(&frame(FrameKind::Headers, 0, 1, &block));
    let at = script.engine.poll_timeout().unwrap();
    assert_eq!(at, Duration::from_secs(5));
    assert_eq!(script.engine.handle_timeout(at).unwrap_err().detail(), "field block not finished in time");
}

#[test]
fn a_server_that_answered_early_asks_for_no_more() {
    let mut script = Script::server();
    script.request(1, false);
    let key = script.keys[0];
    script.engine.send_headers(key, true, |f| f.field(b":status", b"200", Incremental)).unwrap();
    script.engine.forget(key);
    assert_eq!(script.sent_reset(), Some((1, Reason::NO_ERROR)));
}
