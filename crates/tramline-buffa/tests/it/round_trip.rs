//! What is encoded comes back.

use bytes::Bytes;
use tramline_buffa::buffa::{EnumValue, Message as _, well_known::google::protobuf::Timestamp};
use tramline_call::{Code, codec::Limits};

use crate::{
    decoded, encoded,
    messages::{Empty, Point, PointV2, Shape, shape},
};

pub(crate) fn full(blob_len: usize) -> Shape {
    Shape {
        name: "Größe".into(),
        blob: Bytes::from(vec![7; blob_len]),
        parts: vec![Bytes::from_static(b"a"), Bytes::new(), Bytes::from(vec![1; blob_len])],
        counts: [("a".to_owned(), -1), ("b".to_owned(), i64::MAX)].into_iter().collect(),
        below: Shape { name: "below".into(), ..Default::default() }.into(),
        points: (0..20).map(|x| Point { x: -x, y: 1 << x, ..Default::default() }).collect(),
        kind: Some(shape::Kind::Raw(Bytes::from(vec![9; blob_len]))),
        maybe: Some(0),
        color: EnumValue::from(1),
        when: Timestamp { seconds: 1, nanos: 2, ..Default::default() }.into(),
        ..Default::default()
    }
}

#[test]
fn every_kind_of_field_comes_back() {
    for blob_len in [0, 1, 100, 5_000, 100_000] {
        let shape = full(blob_len);
        let (octets, _) = encoded(&shape);
        // The library's own encoder is the reference; a map has no order.
        assert_eq!(octets.len(), shape.encode_to_vec().len());
        assert_eq!(decoded::<Shape>(&octets, Limits::default()).unwrap(), shape, "{blob_len}");
    }
}

#[test]
fn an_empty_message_has_no_octets() {
    assert_eq!(encoded(&Empty::default()).0, b"");
    assert_eq!(decoded::<Shape>(b"", Limits::default()).unwrap(), Shape::default());
}

#[test]
fn fields_that_the_schema_does_not_know_are_kept() {
    let newer = PointV2 { x: 3, y: 4, label: "here".into(), ..Default::default() };
    let older: Point = decoded(&encoded(&newer).0, Limits::default()).unwrap();
    assert_eq!((older.x, older.y), (3, 4));
    assert_eq!(decoded::<PointV2>(&encoded(&older).0, Limits::default()).unwrap(), newer);
}

#[test]
fn an_enum_value_of_tomorrow_is_kept() {
    let shape = Shape { color: EnumValue::from(77), ..Default::default() };
    assert_eq!(decoded::<Shape>(&encoded(&shape).0, Limits::default()).unwrap().color, EnumValue::from(77));
}

#[test]
fn what_is_no_message_is_internal_and_says_why() {
    let cases: &[(&str, &[u8])] = &[
        ("a string that is not UTF-8", b"\x0a\x01\xff"),
        ("a length beyond the end", b"\x0a\x7fabc"),
        ("a length of 2^63", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("a tag cut off", b"\x80"),
        ("a varint without an end", b"\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("field number zero", b"\x00\x01"),
        ("the wrong wire type", b"\x0d\x01\x02\x03\x04"),
        ("a group that does not end", b"\xa3\x06"),
        ("an end without its group", b"\x24"),
    ];
    for (case, octets) in cases {
        let status = decoded::<Shape>(octets, Limits::default()).expect_err(case);
        assert_eq!(status.code(), Code::Internal, "{case}: {status:?}");
        assert!(status.message().starts_with("a message cannot be decoded: "), "{case}: {}", status.message());
    }
}

#[test]
fn no_cut_and_no_flipped_bit_is_more_than_an_error() {
    let (octets, _) = encoded(&full(40));
    for len in 0..octets.len() {
        let _ = decoded::<Shape>(&octets[..len], Limits::default());
    }
    for at in 0..octets.len() * 8 {
        let mut damaged = octets.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        let _ = decoded::<Shape>(&damaged, Limits::default());
    }
}
