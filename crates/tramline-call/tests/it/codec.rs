//! Sinks, frames and the codec of octets.

use bytes::Bytes;
use tramline_call::codec::{Codec, Decode, Encode, Frame, Limits, Raw, SPLICE_LEN_MIN, Sink, malformed};
use tramline_call::{Code, Idempotency, Method, MethodKind};

#[test]
fn a_sink_appends_and_never_touches_what_is_there() {
    let mut tail = b"before".to_vec();
    let mut splices = Vec::new();
    let mut sink = Sink::new(&mut tail, &mut splices);
    sink.put_slice(b" and");
    sink.as_vec_mut().extend_from_slice(b" after");
    assert_eq!(tail, b"before and after");
    assert!(splices.is_empty());
}

#[test]
fn short_pieces_are_copied_and_long_ones_spliced() {
    let mut tail = Vec::new();
    let mut splices = Vec::new();
    let mut sink = Sink::new(&mut tail, &mut splices);
    sink.splice(Bytes::from(vec![1; SPLICE_LEN_MIN - 1]));
    let long = Bytes::from(vec![2; SPLICE_LEN_MIN]);
    sink.splice(long.clone());
    sink.put_slice(&[3]);
    assert_eq!(tail.len(), SPLICE_LEN_MIN);
    assert_eq!(splices.len(), 1);
    assert_eq!(splices[0].0, SPLICE_LEN_MIN - 1);
    assert_eq!(splices[0].1.as_ptr(), long.as_ptr(), "not copied");
}

#[test]
fn a_frame_in_its_own_memory_is_handed_on_without_a_copy() {
    let octets = Bytes::from(vec![5; 100]);
    let frame = Frame::Shared(octets.clone());
    assert_eq!(frame.share().contiguous(), &octets[..]);
    assert_eq!(frame.into_bytes().as_ptr(), octets.as_ptr());
    let frame = Frame::Slice(&octets);
    assert_eq!((frame.len(), frame.is_empty()), (100, false));
    assert_ne!(frame.share().into_bytes().as_ptr(), octets.as_ptr(), "a buffer that is used again is not kept");
    assert!(Frame::Slice(&[]).is_empty());
}

#[test]
fn octets_pass_through_the_raw_codec() {
    let message = Bytes::from_static(b"anything");
    let mut tail = Vec::new();
    let mut splices = Vec::new();
    Raw.encode(&message, &mut Sink::new(&mut tail, &mut splices)).unwrap();
    assert_eq!(tail, b"anything");
    assert_eq!(Raw.size_hint(&message), Some(8));
    assert_eq!(Raw.decode(Frame::Slice(&tail), Limits::default()).unwrap(), message);
    assert!(["proto", "json", "anything"].into_iter().all(Raw::reads));
}

#[test]
fn a_message_that_cannot_be_read_is_internal() {
    let status = malformed("unexpected end of input");
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("unexpected end of input"));
}

#[test]
fn four_mebibytes_is_the_default_limit() {
    assert_eq!(Limits::default().message_len_max, 4 * 1024 * 1024);
    assert_eq!(Limits::default().depth_max, 100);
}

#[derive(Clone, Copy)]
struct Json;

impl Codec for Json {
    const SUBTYPE: &'static str = "json";
}

#[test]
fn methods_are_constants_and_know_their_codec() {
    const UPLOAD: Method<Bytes, Bytes, Json> =
        Method::client_streaming("/pkg.Files/Upload", Json).with_idempotency(Idempotency::Idempotent);
    let info = UPLOAD.clone().info();
    assert_eq!((info.path().service(), info.path().method()), ("pkg.Files", "Upload"));
    assert_eq!(info.kind(), MethodKind::ClientStreaming);
    assert_eq!(info.idempotency(), Idempotency::Idempotent);
    assert_eq!(info.subtype().as_str(), "json");
    assert!(info.reads("json") && !info.reads("proto"));
}

#[test]
fn kinds_say_which_sides_are_streams() {
    let rows = [
        (MethodKind::Unary, true, true),
        (MethodKind::ClientStreaming, false, true),
        (MethodKind::ServerStreaming, true, false),
        (MethodKind::BidiStreaming, false, false),
    ];
    for (kind, takes_one, replies_once) in rows {
        assert_eq!((kind.takes_one_message(), kind.replies_once()), (takes_one, replies_once), "{kind:?}");
    }
}
