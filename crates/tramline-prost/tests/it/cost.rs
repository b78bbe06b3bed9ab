//! Memory: no allocation beside the message's own.

use allocation_counter::measure;
use bytes::Bytes;
use tramline_call::{
    Decode as _, Encode as _, Frame, Status,
    codec::{Limits, Sink},
};
use tramline_prost::Prost;

use crate::{
    encoded,
    messages::{Point, Shape},
    round_trip::full,
};

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    let shape = full(1_000);
    // The library takes a handle of its own to each `bytes` field, and the first of them makes the count of owners.
    let _other_owner = shape.clone();
    let (mut tail, mut splices) = (Vec::with_capacity(64 * 1024), Vec::new());
    let cost = measure(|| {
        tail.clear();
        Prost.encode(&shape, &mut Sink::new(&mut tail, &mut splices)).unwrap();
    });
    assert_eq!(cost.count_total, 0);
}

#[test]
fn decoding_allocates_what_the_message_holds() {
    let shape = Shape { name: "one".into(), blob: Bytes::from_static(b"two"), ..Default::default() };
    let octets = encoded(&shape).0;
    let mut decoded: Option<Result<Shape, Status>> = None;
    let cost = measure(|| decoded = Some(Prost.decode(Frame::Slice(&octets), Limits::default())));
    assert_eq!(decoded.unwrap().unwrap(), shape);
    assert_eq!(cost.count_total, 2, "the name and the blob");

    let cost = measure(|| {
        let point: Point = Prost.decode(Frame::Slice(b"\x08\x02"), Limits::default()).unwrap();
        assert_eq!(point.x, 1);
    });
    assert_eq!(cost.count_total, 0);
}

#[test]
fn a_long_field_shares_the_frame_and_a_short_one_does_not_pin_it() {
    let shape = Shape { name: "n".into(), blob: Bytes::from(vec![1; 100_000]), ..Default::default() };
    let frame = Bytes::from(encoded(&shape).0);
    let decoded: Shape = Prost.decode(Frame::Shared(frame.clone()), Limits::default()).unwrap();
    assert!(frame.as_ptr_range().contains(&decoded.blob.as_ptr()));

    let parts = vec![Bytes::from(vec![1; 2_000]); 50];
    let frame = Bytes::from(encoded(&Shape { parts, ..Default::default() }).0);
    let decoded: Shape = Prost.decode(Frame::Shared(frame.clone()), Limits::default()).unwrap();
    assert!(decoded.parts.iter().all(|part| !frame.as_ptr_range().contains(&part.as_ptr())));
}
