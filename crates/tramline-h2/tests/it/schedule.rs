//! Whose data goes next.

use bytes::Bytes;
use tramline_h2::Indexing::Incremental;
use tramline_h2::StreamKey;
use tramline_h2::frame::FrameKind;

use crate::wire::{Script, settings, window_update};

/// A server whose peer opened `count` streams, with windows that never end.
fn server(count: u32) -> Script {
    let mut script = Script::server();
    script.feed(&settings(&[(4, 0x7fff_ffff)])).feed(&window_update(0, 0x7fff_ffff - 65_535));
    for n in 0..count {
        script.request(2 * n + 1, true);
        let key = script.keys[n as usize];
        script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    }
    script.output();
    script
}

fn send(script: &mut Script, key: StreamKey, len: usize) {
    script.engine.send_data(key, Bytes::from(vec![7; len]), false).unwrap();
}

/// The DATA frames of one batch: stream and length.
fn batch(script: &mut Script) -> Vec<(u32, u32)> {
    let output = script.engine.poll_output(script.now);
    let octets: Vec<u8> = output.slices().flatten().copied().collect();
    script.engine.advance_output(script.now, octets.len());
    let mut rest = &octets[..];
    let mut frames = Vec::new();
    while let Some(head) = tramline_h2::frame::FrameHead::parse(rest) {
        if head.kind == FrameKind::Data {
            frames.push((head.stream_id, head.len));
        }
        rest = &rest[9 + head.len as usize..];
    }
    frames
}

#[test]
fn bulk_streams_share_to_the_octet() {
    let mut script = server(4);
    for key in script.keys.clone() {
        send(&mut script, key, 1 << 20);
    }
    let mut sums = [0u32; 4];
    for _ in 0..8 {
        batch(&mut script).into_iter().for_each(|(id, len)| sums[id as usize / 2] += len);
        let (least, most) = (sums.iter().min().unwrap(), sums.iter().max().unwrap());
        assert!(most - least <= 16_384, "{sums:?}");
    }
    assert_eq!(sums.iter().sum::<u32>(), 8 * 8 * 16_384);
}

#[test]
fn a_batch_is_bounded_so_that_a_small_message_waits_for_no_more() {
    let mut script = server(65);
    let small = script.keys[64];
    for key in script.keys.clone().into_iter().take(64) {
        send(&mut script, key, 1 << 20);
    }
    let len: u32 = batch(&mut script).iter().map(|(_, len)| len).sum();
    assert!(len <= 128 * 1024 + 16_384, "{len}");
    send(&mut script, small, 100);
    assert_eq!(batch(&mut script)[0], (small.id(), 100), "it passes 64 bulk streams");
}

#[test]
fn a_batch_is_shorter_while_the_driver_cannot_write_everything() {
    let mut script = server(2);
    for key in script.keys.clone() {
        send(&mut script, key, 1 << 20);
    }
    let wide = script.engine.poll_output(script.now).len();
    assert!((128 * 1024..128 * 1024 + 16_384).contains(&wide), "{wide}");
    script.engine.advance_output(script.now, wide - 1000);
    let narrow = script.engine.poll_output(script.now).len();
    assert!((64 * 1024..64 * 1024 + 16_384).contains(&narrow), "{narrow}");
    script.engine.advance_output(script.now, narrow);
    assert_eq!(script.engine.poll_output(script.now).len(), wide);
}

#[test]
fn a_message_sent_directly_does_not_wait_for_bulk() {
    let mut script = server(2);
    let (bulk, small) = (script.keys[0], script.keys[1]);
    send(&mut script, bulk, 1 << 20);
    let sent = script.engine.send_with(small, false, |out| {
        out.extend_from_slice(b"small");
        Ok::<(), ()>(())
    });
    assert!(sent.is_ok());
    assert_eq!(batch(&mut script)[0], (small.id(), 5));
}

#[test]
fn small_messages_do_not_starve_bulk() {
    let mut script = server(201);
    let bulk = script.keys[0];
    send(&mut script, bulk, 1 << 20);
    for key in script.keys.clone().into_iter().skip(1) {
        send(&mut script, key, 1_000);
    }
    let frames = batch(&mut script);
    let before: u32 = frames.iter().take_while(|(id, _)| *id != bulk.id()).map(|(_, len)| len).sum();
    assert!((32_000..=34_000).contains(&before), "{before} octets of the lane come first");
    assert!(frames.contains(&(bulk.id(), 16_384)));
}

#[test]
fn trailers_follow_the_last_data_of_their_stream() {
    let mut script = server(1);
    let key = script.keys[0];
    send(&mut script, key, 40_000);
    script.engine.send_headers(key, true, |f| f.field(b"x-end", b"0", Incremental)).unwrap();
    let kinds: Vec<_> = script.output().iter().map(|(head, _)| head.kind).collect();
    assert_eq!(kinds, [FrameKind::Data, FrameKind::Data, FrameKind::Data, FrameKind::Headers]);
}

/// A producer that sends straight into the output is bounded by the socket, not by the
/// windows that its peer grants.
#[test]
fn direct_messages_feel_back_pressure() {
    let mut script = server(1);
    let key = script.keys[0];
    let mut count = 0;
    while !script.engine.poll_backpressure(key) && count < 1_000 {
        let sent = script.engine.send_with(key, false, |out| {
            out.resize(out.len() + 10_000, 7);
            Ok::<(), ()>(())
        });
        assert!(sent.is_ok());
        count += 1;
    }
    assert!(count < 20, "{count} messages of 10,000 octets went in");
    assert!(script.engine.output().len() < 100_000);
}

#[test]
fn an_empty_message_that_ends_nothing_is_no_frame() {
    let mut s = Script::server();
    s.request(1, true);
    let key = s.keys[0];
    s.engine.send_headers(key, false, |f| f.field(b":status", b"200", tramline_h2::Indexing::Incremental)).unwrap();
    s.output();
    s.engine.send_with::<()>(key, false, |_| Ok(())).unwrap();
    assert!(s.output().is_empty());
}

/// A driver does not hear of a stream that it let go of, even if it had asked.
#[test]
fn a_forgotten_stream_is_not_said_to_be_writable() {
    let mut script = Script::server();
    script.request(1, true);
    let key = script.keys[0];
    script.engine.send_headers(key, false, |f| f.field(b":status", b"200", Incremental)).unwrap();
    script.engine.send_data(key, Bytes::from(vec![0; 65_536]), true).unwrap();
    assert!(script.engine.poll_backpressure(key));
    script.engine.forget(key);
    script.output();
    assert_eq!(script.engine.poll_event(), None);
}
