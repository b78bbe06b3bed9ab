//! Memory: no allocation beside the message's own, and no copy of what is long.

use allocation_counter::measure;
use bytes::Bytes;
use tramline_buffa::Buffa;
use tramline_call::{
    Decode as _, Encode as _, Frame, Status,
    codec::{Limits, SPLICE_LEN_MIN, Sink},
};

use crate::{
    encoded,
    messages::{Point, Shape, shape},
    round_trip::full,
};

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    let shape = Shape {
        name: "a name".into(),
        blob: Bytes::from(b"some octets".to_vec()),
        below: Shape { kind: Some(shape::Kind::Text("x".into())), ..Default::default() }.into(),
        points: vec![Point::default(); 12],
        ..Default::default()
    };
    let (mut tail, mut splices) = (Vec::with_capacity(64 * 1024), Vec::with_capacity(4));
    let cost = measure(|| {
        tail.clear();
        Buffa.encode(&shape, &mut Sink::new(&mut tail, &mut splices)).unwrap();
    });
    assert_eq!(cost.count_total, 0);
}

#[test]
fn decoding_allocates_what_the_message_holds() {
    let shape = Shape { name: "one".into(), blob: Bytes::from_static(b"two"), ..Default::default() };
    let octets = encoded(&shape).0;
    let mut decoded: Option<Result<Shape, Status>> = None;
    let cost = measure(|| decoded = Some(Buffa.decode(Frame::Slice(&octets), Limits::default())));
    assert_eq!(decoded.unwrap().unwrap(), shape);
    assert_eq!(cost.count_total, 2, "the name and the blob");

    let cost = measure(|| {
        let point: Point = Buffa.decode(Frame::Slice(b"\x08\x02"), Limits::default()).unwrap();
        assert_eq!(point.x, 1);
    });
    assert_eq!(cost.count_total, 0);
}

#[test]
fn long_bytes_are_passed_on_and_short_ones_written() {
    assert_eq!(encoded(&full(SPLICE_LEN_MIN - 1)).1, 0);
    assert_eq!(encoded(&full(SPLICE_LEN_MIN)).1, 3);
    let blob = Bytes::from(vec![1; 1024 * 1024]);
    let shape = Shape { blob: blob.clone(), ..Default::default() };
    let (mut tail, mut splices) = (Vec::new(), Vec::new());
    Buffa.encode(&shape, &mut Sink::new(&mut tail, &mut splices)).unwrap();
    assert_eq!(splices[0].1.as_ptr(), blob.as_ptr());
    assert!(tail.capacity() <= 64 * 1024, "no room is kept for what is not written: {}", tail.capacity());
}

#[test]
fn a_long_field_shares_the_frame_and_a_short_one_does_not_pin_it() {
    let shape = Shape { name: "n".into(), blob: Bytes::from(vec![1; 100_000]), ..Default::default() };
    let frame = Bytes::from(encoded(&shape).0);
    let decoded: Shape = Buffa.decode(Frame::Shared(frame.clone()), Limits::default()).unwrap();
    assert!(frame.as_ptr_range().contains(&decoded.blob.as_ptr()));

    let parts = vec![Bytes::from(vec![1; 2_000]); 50];
    let frame = Bytes::from(encoded(&Shape { parts, ..Default::default() }).0);
    let decoded: Shape = Buffa.decode(Frame::Shared(frame.clone()), Limits::default()).unwrap();
    assert!(decoded.parts.iter().all(|part| !frame.as_ptr_range().contains(&part.as_ptr())));
}
