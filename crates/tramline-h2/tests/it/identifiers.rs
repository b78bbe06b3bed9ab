//! Stream identifiers run out (RFC 9113 §5.1.1).

use tramline_h2::Indexing::Incremental;
use tramline_h2::frame::{FrameKind, flags};
use tramline_h2::{Config, OpenError, Role, StreamKey};

use crate::wire::{REQUEST, Script, Seen, frame, settings};

fn open(script: &mut Script) -> Result<StreamKey, OpenError> {
    script.engine.send_request(script.now, true, |f| {
        REQUEST.iter().for_each(|(n, v)| f.field(n.as_bytes(), v.as_bytes(), Incremental));
    })
}

#[test]
fn a_client_stops_at_the_last_identifier() {
    let mut config = Config::default();
    config.first_stream_id = 0x7fff_ffff - 1_000;
    let mut script = Script::raw(Role::Client, config);
    script.feed(&settings(&[]));
    assert!(script.engine.is_nearly_exhausted(), "a channel opens another connection long before");
    let ids: Vec<u32> = std::iter::from_fn(|| open(&mut script).ok()).map(|key| key.id()).collect();
    assert_eq!((ids.len(), ids[0], ids[500]), (501, 0x7fff_ffff - 1_000, 0x7fff_ffff));
    assert_eq!(open(&mut script), Err(OpenError::Exhausted));
    // The streams that are open go on.
    script.headers(0x7fff_ffff, &[(":status", "200")], true);
    assert!(matches!(script.seen.last(), Some(Seen::Headers(0x7fff_ffff, _, true))));
}

#[test]
fn a_server_drains_at_three_quarters() {
    let mut script = Script::server();
    script.request(0x5fff_fffd, true);
    assert!(!script.engine.is_draining());
    script.request(0x5fff_ffff, true);
    assert!(script.engine.is_draining() && script.engine.is_nearly_exhausted());
    let frames = script.output();
    let goaway = frames.iter().find(|(head, _)| head.kind == FrameKind::GoAway).expect("GOAWAY");
    assert_eq!(goaway.1[..8], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    // The second GOAWAY follows a round trip later, and what came until then is served.
    script.request(0x6000_0001, true);
    let ping = frames.iter().find(|(head, _)| head.kind == FrameKind::Ping).expect("PING");
    script.feed(&frame(FrameKind::Ping, flags::ACK, 0, &ping.1));
    assert_eq!(script.output()[0].1[..4], 0x6000_0001u32.to_be_bytes());
    assert_eq!(script.keys.len(), 3);
}

#[test]
fn frames_for_streams_after_our_last_goaway_are_ignored() {
    let mut script = Script::server();
    script.request(1, true);
    script.engine.go_away(tramline_h2::Reason::NO_ERROR, b"");
    script.output();
    script.request(3, false).data(3, b"late", false);
    script.feed(&crate::wire::window_update(3, 1));
    script.feed(&crate::wire::rst_stream(3, tramline_h2::Reason::CANCEL));
    script.request(5, true);
    assert_eq!((script.error, script.keys.len()), (None, 1));
}
