//! Windows (RFC 9113 §5.2, §6.9).

use bytes::Bytes;
use tramline_h2::Indexing::Incremental;
use tramline_h2::frame::{FrameKind, flags};
use tramline_h2::{Config, Reason, StreamKey};

use crate::wire::{Script, Seen, frame, settings, window_update};

fn answer(script: &mut Script, key: StreamKey, body: usize) {
    script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    script.engine.send_data(key, Bytes::from(vec![7; body]), true).unwrap();
}

fn sent_len(script: &mut Script) -> usize {
    script.output().iter().filter(|(head, _)| head.kind == FrameKind::Data).map(|(head, _)| head.len as usize).sum()
}

#[test]
fn a_stream_stops_at_its_window_and_goes_on_with_updates() {
    let mut script = Script::server();
    script.feed(&window_update(0, 1 << 20));
    script.request(1, true);
    let key = script.keys[0];
    answer(&mut script, key, 100_000);
    assert_eq!(sent_len(&mut script), 65_535);
    script.feed(&window_update(1, 1));
    assert_eq!(sent_len(&mut script), 1);
    script.feed(&window_update(1, 100_000));
    assert_eq!(sent_len(&mut script), 100_000 - 65_536);
}

#[test]
fn the_connection_window_stops_all_streams_and_none_is_forgotten() {
    let mut script = Script::server();
    for id in [1, 3, 5] {
        script.request(id, true);
        let key = *script.keys.last().unwrap();
        answer(&mut script, key, 40_000);
    }
    assert_eq!(sent_len(&mut script), 65_535);
    script.feed(&window_update(0, 10));
    assert_eq!(sent_len(&mut script), 10);
    script.feed(&window_update(0, 100_000));
    assert_eq!(sent_len(&mut script), 120_000 - 65_545);
}

#[test]
fn settings_change_windows_of_open_streams_and_may_make_them_negative() {
    let mut script = Script::server();
    script.request(1, true);
    let key = script.keys[0];
    answer(&mut script, key, 70_000);
    assert_eq!(sent_len(&mut script), 65_535);
    script.feed(&window_update(0, 100_000));
    script.feed(&settings(&[(4, 16_384)]));
    script.feed(&window_update(1, 65_535 - 16_384));
    assert_eq!(sent_len(&mut script), 0, "the window is exactly zero");
    script.feed(&settings(&[(4, 16_389)]));
    assert_eq!(sent_len(&mut script), 5);
}

#[test]
fn window_overflow_is_an_error_of_its_scope() {
    let mut script = Script::server();
    script.request(1, false).feed(&window_update(1, 0x7fff_ffff));
    assert_eq!(script.sent_reset(), Some((1, Reason::FLOW_CONTROL_ERROR)));
    let mut script = Script::server();
    script.feed(&window_update(0, 0x7fff_ffff));
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::FLOW_CONTROL_ERROR));
    let mut script = Script::server();
    script.request(1, false).feed(&window_update(1, 1)).feed(&settings(&[(4, 0x7fff_ffff)]));
    assert_eq!(script.error.map(|e| e.reason()), Some(Reason::FLOW_CONTROL_ERROR));
}

#[test]
fn a_peer_that_ignores_our_window_is_stopped() {
    let mut config = Config::default();
    config.stream_window_len = 20_000;
    let mut script = Script::server_with(config);
    script.request(1, false);
    script.data(1, &[0; 16_000], false).data(1, &[0; 4_000], false);
    assert!(script.sent_reset().is_none());
    script.data(1, &[0; 1], false);
    assert_eq!(script.sent_reset(), Some((1, Reason::FLOW_CONTROL_ERROR)));
}

#[test]
fn released_octets_come_back_at_a_quarter_and_padding_at_once() {
    let mut config = Config::default();
    config.stream_window_len = 1_000;
    let mut script = Script::server_with(config);
    script.request(1, false);
    let key = script.keys[0];
    script.data(1, &[0; 249], false);
    script.engine.release_capacity(key, 249);
    assert!(script.output().is_empty());
    script.data(1, &[0; 1], false);
    script.engine.release_capacity(key, 1);
    let updates = script.output();
    assert_eq!(
        updates.iter().map(|(head, _)| (head.kind, head.stream_id)).collect::<Vec<_>>()[0],
        (FrameKind::WindowUpdate, 1)
    );
    assert_eq!(updates[0].1, 250u32.to_be_bytes());
    // 250 octets of padding and no payload: all of it is given back unasked.
    let mut padded = vec![249];
    padded.resize(250, 0);
    script.feed(&frame(FrameKind::Data, flags::PADDED, 1, &padded));
    assert_eq!(script.output()[0].1, 250u32.to_be_bytes());
}

#[test]
fn data_on_a_reset_stream_still_counts_for_the_connection() {
    let mut config = Config::default();
    config.connection_window_len = 65_535;
    let mut script = Script::server_with(config);
    script.request(1, false);
    let key = script.keys[0];
    script.engine.reset(key, Reason::CANCEL);
    script.engine.forget(key);
    for _ in 0..100 {
        script.data(1, &[0; 16_000], false);
        script.output();
    }
    assert!(script.error.is_none(), "the window leaked: {:?}", script.error);
}

#[test]
fn a_full_ledger_withholds_the_connection_window() {
    let mut config = Config::default();
    config.limits.retained_len_max = 100_000;
    let mut script = Script::server_with(config);
    script.request(1, false).request(3, false);
    let (a, b) = (script.keys[0], script.keys[1]);
    (0..10).for_each(|_| {
        script.data(1, &[0; 16_000], false);
    });
    assert_eq!(script.engine.retained_len(), 160_000);
    script.engine.release_capacity(a, 160_000);
    assert_eq!(script.engine.retained_len(), 0);
    script.data(3, &[0; 16_000], true);
    script.engine.release_capacity(b, 16_000);
    assert!(matches!(script.seen.last(), Some(Seen::Data(3, _, true))));
}

#[test]
fn producers_get_back_pressure_and_a_word_when_there_is_room() {
    let mut script = Script::server();
    script.request(1, true);
    let key = script.keys[0];
    script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    script.engine.send_data(key, Bytes::from(vec![0; 65_535]), false).unwrap();
    script.output();
    script.engine.send_data(key, Bytes::from(vec![0; 65_536]), false).unwrap();
    assert!(script.engine.poll_backpressure(key));
    script.feed(&window_update(0, 40_000)).feed(&window_update(1, 40_000));
    script.output();
    assert!(matches!(script.engine.poll_event(), Some(tramline_h2::Event::Writable { stream }) if stream == key));
    assert!(!script.engine.poll_backpressure(key));
}
