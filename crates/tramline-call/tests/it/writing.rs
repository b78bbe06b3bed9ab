//! What goes out, field by field.

use std::collections::BTreeMap;
use std::time::Duration;

use tramline_call::client_call::{RequestParts, Scheme, user_agent, write_request};
use tramline_call::server_call::{RejectedCall, write_head, write_http_status, write_rejection, write_trailers};
use tramline_call::{Code, Encoding, EncodingSet, FieldReuse, FieldSink, Metadata, Path, Status, Subtype};

use crate::wire::Recorder;

fn metadata(entries: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::new();
    for (key, value) in entries {
        metadata.append(key, value).unwrap();
    }
    metadata
}

fn request(metadata: &Metadata, change: impl FnOnce(&mut RequestParts<'_>)) -> Recorder {
    let mut parts = RequestParts {
        path: &Path::from_static("/pkg.Echo/Say"),
        authority: "localhost:50051",
        scheme: Scheme::Http,
        timeout: None,
        encoding: Encoding::Identity,
        accept: EncodingSet::IDENTITY,
        user_agent: "grpc-rust-tramline/0",
        subtype: Subtype::from_static("proto"),
        metadata,
    };
    change(&mut parts);
    Recorder::of(|sink| write_request(&parts, sink))
}

#[test]
fn a_plain_request() {
    let expected = [
        ":method: POST",
        ":scheme: http",
        ":path: /pkg.Echo/Say",
        ":authority: localhost:50051",
        "te: trailers",
        "content-type: application/grpc",
        "user-agent: grpc-rust-tramline/0",
    ];
    assert_eq!(request(&Metadata::new(), |_| ()).lines(), expected);
}

#[test]
fn a_full_request_in_the_order_of_the_document() {
    let metadata = metadata(&[("b", "1"), ("a", "2"), ("b", "3")]);
    let recorder = request(&metadata, |parts| {
        parts.scheme = Scheme::Https;
        parts.timeout = Some(Duration::from_secs(1));
        parts.encoding = Encoding::Zstd;
        parts.accept = EncodingSet::from_list(b"zstd");
        parts.subtype = Subtype::from_static("cbor");
    });
    let expected = [
        ":method: POST",
        ":scheme: https",
        ":path: /pkg.Echo/Say",
        ":authority: localhost:50051",
        "grpc-timeout: 1000000u",
        "te: trailers",
        "content-type: application/grpc+cbor",
        "grpc-encoding: zstd",
        "grpc-accept-encoding: identity,zstd",
        "user-agent: grpc-rust-tramline/0",
        "b: 1",
        "a: 2",
        "b: 3",
    ];
    assert_eq!(recorder.lines(), expected);
    assert_eq!(recorder.reuse("grpc-timeout"), Some(FieldReuse::Unique));
    assert_eq!(recorder.reuse(":path"), Some(FieldReuse::Repeated));
}

#[test]
fn a_user_agent_can_have_the_application_in_front() {
    let own = user_agent(None);
    assert!(own.starts_with("grpc-rust-tramline/"), "{own}");
    assert_eq!(user_agent(Some("shop/1 ")), format!("shop/1 {own}"));
    assert_eq!(user_agent(Some(" ")), own);
}

#[test]
fn a_head() {
    let recorder =
        Recorder::of(|sink| write_head(Subtype::NONE, &metadata(&[("x-a", "1")]), Some(Encoding::Gzip), sink));
    let expected = [":status: 200", "content-type: application/grpc", "grpc-encoding: gzip", "x-a: 1"];
    assert_eq!(recorder.lines(), expected);
}

#[test]
fn a_response_names_the_requests_format() {
    for name in ["proto", "json", "cbor", "fourteen-octet"] {
        let subtype = Subtype::new(name.as_bytes()).unwrap();
        let lines = Recorder::of(|sink| write_head(subtype, &Metadata::new(), None, sink)).lines();
        assert_eq!(lines[1], format!("content-type: application/grpc+{name}"));
    }
}

#[test]
fn trailers_of_success() {
    let recorder = Recorder::of(|sink| write_trailers(None, &metadata(&[("x-cost", "3")]), sink));
    assert_eq!(recorder.lines(), ["grpc-status: 0", "x-cost: 3"]);
    assert_eq!(recorder.reuse("grpc-status"), Some(FieldReuse::Repeated));
}

#[test]
fn trailers_of_failure() {
    let status = Status::not_found("ü").with_details(vec![1]);
    let recorder = Recorder::of(|sink| write_trailers(Some(&status), &metadata(&[("x-cost", "3")]), sink));
    let expected = ["grpc-status: 5", "grpc-message: %C3%BC", "grpc-status-details-bin: AQ", "x-cost: 3"];
    assert_eq!(recorder.lines(), expected);
    assert_eq!(recorder.reuse("grpc-message"), Some(FieldReuse::Unique));
    assert_eq!(recorder.reuse("grpc-status-details-bin"), Some(FieldReuse::Unique));
}

#[test]
fn an_empty_message_is_not_written() {
    let recorder = Recorder::of(|sink| write_trailers(Some(&Status::aborted("")), &Metadata::new(), sink));
    assert_eq!(recorder.lines(), ["grpc-status: 10"]);
}

#[test]
fn ok_has_no_reason() {
    let mut status = Status::new(Code::Ok, "fine").with_details(vec![1]);
    status.metadata_mut().append("x-a", "1").unwrap();
    let recorder = Recorder::of(|sink| write_trailers(Some(&status), &Metadata::new(), sink));
    assert_eq!(recorder.lines(), ["grpc-status: 0", "x-a: 1"]);
}

#[test]
fn a_call_with_nothing_left_does_not_become_one_without_a_deadline() {
    let recorder = request(&Metadata::new(), |parts| parts.timeout = Some(Duration::ZERO));
    assert!(recorder.lines().contains(&"grpc-timeout: 1n".to_owned()));
}

#[test]
fn a_rejection_is_one_block() {
    let status = Status::unimplemented("no");
    let rejected = RejectedCall { http_status: 200, status, lists_encodings: true };
    let readable = EncodingSet::from_list(b"gzip,br");
    let lines = Recorder::of(|sink| write_rejection(&rejected, readable, sink)).lines();
    let expected = [
        ":status: 200",
        "content-type: application/grpc",
        "grpc-accept-encoding: identity,gzip,br",
        "grpc-status: 12",
        "grpc-message: no",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_refusal_of_http_has_nothing_of_grpc() {
    assert_eq!(Recorder::of(|sink| write_http_status(415, sink)).lines(), [":status: 415"]);
}

#[test]
fn secrets_are_kept_out_of_tables() {
    let mut metadata = metadata(&[
        ("authorization", "Bearer x"),
        ("Cookie", "a=b"),
        ("set-cookie", "a=b"),
        ("proxy-authorization", "x"),
        ("x-token", "x"),
        ("x-plain", "x"),
    ]);
    metadata.mark_sensitive("x-token");
    metadata.append_bin("x-key-bin", &[1]).unwrap();
    let recorder = Recorder::of(|sink| write_head(Subtype::NONE, &metadata, None, sink));
    for name in ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-token", "x-key-bin"] {
        assert_eq!(recorder.reuse(name), Some(FieldReuse::Secret), "{name}");
    }
    assert_eq!(recorder.reuse("x-plain"), Some(FieldReuse::Repeated));
}

#[test]
fn what_is_new_in_each_call_takes_no_place_in_tables() {
    let metadata = metadata(&[("Traceparent", "00-0af7-b7ad-01"), ("x-request-id", "17"), ("x-tenant-name", "blue")]);
    let recorder = Recorder::of(|sink| write_head(Subtype::NONE, &metadata, None, sink));
    assert_eq!(recorder.reuse("traceparent"), Some(FieldReuse::Unique));
    assert_eq!(recorder.reuse("x-request-id"), Some(FieldReuse::Unique));
    assert_eq!(recorder.reuse("x-tenant-name"), Some(FieldReuse::Repeated));
}

#[test]
fn a_forwarded_user_agent_does_not_become_a_second_one() {
    let fields =
        crate::wire::classified(&[&crate::request::PLAIN[..], &[("user-agent", "other/1"), ("x-a", "1")]].concat());
    let mut head = tramline_call::server_call::RequestHead::default();
    head.read(crate::wire::refs(&fields), EncodingSet::IDENTITY).unwrap();
    let forwarded = head.metadata().clone();
    let recorder = Recorder::of(|sink| write_head(Subtype::NONE, &forwarded, None, sink));
    assert_eq!(recorder.lines()[2..], ["x-a: 1"]);
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Key = (usize, u64, [Vec<u8>; 2]);

/// Groups by their keys.
#[derive(Default)]
struct Groups {
    known: BTreeMap<Key, Fields>,
    open: Option<Fields>,
}

impl FieldSink for Groups {
    fn field(&mut self, name: &[u8], value: &[u8], reuse: FieldReuse) {
        if let Some(open) = &mut self.open {
            assert_eq!(reuse, FieldReuse::Repeated);
            open.push((name.to_vec(), value.to_vec()));
        }
    }

    fn group(&mut self, place: usize, kind: u64, texts: [&[u8]; 2], write: impl FnOnce(&mut Self)) {
        self.open = Some(Vec::new());
        write(self);
        let fields = self.open.take().unwrap();
        let before = self.known.entry((place, kind, texts.map(<[u8]>::to_vec))).or_insert_with(|| fields.clone());
        assert_eq!(*before, fields);
    }
}

#[test]
fn groups_with_the_same_key_have_the_same_fields() {
    let texts = ["/a.B/C", "/a.B/CD", ""];
    let subtypes = ["", "proto", "json", "cbor"].map(Subtype::from_static);
    let encodings = [Encoding::Identity, Encoding::Gzip, Encoding::Br];
    let sets = [b"identity".as_slice(), b"gzip", b"br,zstd"].map(EncodingSet::from_list);
    let (mut requests, mut responses) = (Groups::default(), Groups::default());
    let metadata = metadata(&[("a", "b")]);
    for number in 0..2 * 3 * 2 * 2 * 3 * 3 * 3 * 4 {
        let mut rest = number;
        let mut below = |end: usize| (rest % end, rest /= end).0;
        let parts = RequestParts {
            path: &Path::from_static(texts[below(2)]),
            authority: texts[below(3)],
            scheme: [Scheme::Http, Scheme::Https][below(2)],
            timeout: [None, Some(Duration::from_secs(1))][below(2)],
            encoding: encodings[below(3)],
            accept: sets[below(3)],
            user_agent: texts[below(3)],
            subtype: subtypes[below(4)],
            metadata: &metadata,
        };
        write_request(&parts, &mut requests);
        write_head(parts.subtype, &metadata, Some(parts.encoding), &mut responses);
    }
    // `proto` goes without a name in requests.
    assert_eq!(requests.known.len(), 2 * 3 * 2 + 3 * 3 * 3 * 3);
    assert_eq!(responses.known.len(), 4);
}
