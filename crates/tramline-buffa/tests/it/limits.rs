//! What one message may cost.

use tramline_call::{Code, codec::Limits};

use crate::{
    decoded, encoded,
    messages::{Point, PointV2, Shape},
};

/// Shapes below each other, `depth` in all.
fn nested(depth: usize) -> Vec<u8> {
    let mut shape = Shape::default();
    for _ in 1..depth {
        shape = Shape { below: shape.into(), ..Default::default() };
    }
    encoded(&shape).0
}

#[test]
fn nesting_stops_at_the_depth_of_the_call() {
    assert!(decoded::<Shape>(&nested(101), Limits::default()).is_ok());
    let status = decoded::<Shape>(&nested(102), Limits::default()).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("nested more than 100 deep"), "{}", status.message());
    let tight = Limits { depth_max: 2, ..Limits::default() };
    assert!(decoded::<Shape>(&nested(3), tight).is_ok());
    assert!(decoded::<Shape>(&nested(4), tight).is_err());
}

#[test]
fn a_swarm_of_empty_messages_stops_at_the_memory_of_elements() {
    // Two octets on the wire, dozens in memory.
    let swarm: Vec<u8> = b"\x32\x00".repeat(2 * 1024 * 1024);
    let status = decoded::<Shape>(&swarm, Limits::default()).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("33554432") && status.message().contains("4194304"), "{}", status.message());
    let few = &swarm[..64];
    assert!(decoded::<Shape>(few, Limits::default()).is_ok());
    assert!(decoded::<Shape>(few, Limits { element_memory_max: 64, ..Limits::default() }).is_err());
}

#[test]
fn unknown_fields_are_counted() {
    let newer = PointV2 { label: "x".into(), ..Default::default() };
    let many = encoded(&newer).0.repeat(10);
    let limits = Limits { unknown_fields_max: 9, ..Limits::default() };
    let status = decoded::<Point>(&many, limits).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(decoded::<Point>(&many, Limits { unknown_fields_max: 10, ..limits }).is_ok());
}

#[test]
fn a_message_over_the_limit_is_refused_whoever_delivers_it() {
    let limits = Limits { message_len_max: 9, ..Limits::default() };
    let octets = encoded(&Shape { name: "12345678".into(), ..Default::default() }).0;
    let status = decoded::<Shape>(&octets, limits).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

#[test]
fn a_higher_message_limit_raises_the_memory_of_elements() {
    let limits = Limits::default().with_message_len_max(64 * 1024 * 1024);
    assert_eq!((limits.message_len_max, limits.element_memory_max), (64 * 1024 * 1024, 512 * 1024 * 1024));
    assert_eq!(limits.with_message_len_max(1).element_memory_max, 32 * 1024 * 1024);
    assert_eq!(Limits::default().with_message_len_max(4 * 1024 * 1024), Limits::default());
    // Two million points of two octets each: more than the default has room for.
    let points = b"\x32\x00".repeat(2 * 1024 * 1024);
    let shape: Shape = decoded(&points, Limits::default().with_message_len_max(16 * 1024 * 1024)).unwrap();
    assert_eq!(shape.points.len(), 2 * 1024 * 1024);
}
