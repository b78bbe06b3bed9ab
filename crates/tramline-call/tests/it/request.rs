//! A server reads a request.

use std::time::Duration;

use tramline_call::client_call::{RequestParts, Scheme, user_agent, write_request};
use tramline_call::server_call::RequestHead;
use tramline_call::{Encoding, EncodingSet, Metadata, Path, Subtype};

use crate::wire::{Recorder, classified, field, refs};

pub(crate) const PLAIN: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/pkg.Echo/Say"),
    (":authority", "localhost:50051"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
];

fn read(extra: &[(&str, &str)]) -> RequestHead {
    let fields = classified(&[&PLAIN, extra].concat());
    let mut head = RequestHead::default();
    head.read(refs(&fields), EncodingSet::from_list(b"gzip,br")).unwrap();
    head
}

#[test]
fn a_plain_request() {
    let head = read(&[]);
    assert_eq!(head.route(), Some(7));
    assert_eq!(head.authority(), "localhost:50051");
    assert_eq!(head.timeout(), None);
    assert_eq!(head.encoding(), Encoding::Identity);
    assert_eq!(head.accept(), EncodingSet::IDENTITY);
    assert_eq!(head.subtype(), Subtype::NONE);
    assert!(head.metadata().is_empty());
}

#[test]
fn what_a_client_writes_is_what_a_server_reads() {
    let mut metadata = Metadata::new();
    metadata.append("x-tenant", "blue").unwrap();
    metadata.append_bin("x-trace-bin", &[0, 255]).unwrap();
    metadata.append("x-tenant", "green").unwrap();
    let parts = RequestParts {
        path: &Path::from_static("/pkg.Echo/Say"),
        authority: "example.com",
        scheme: Scheme::Https,
        timeout: Some(Duration::from_millis(1500)),
        encoding: Encoding::Gzip,
        accept: EncodingSet::from_list(b"gzip,zstd"),
        user_agent: &user_agent(Some("shop/2.1")),
        subtype: Subtype::from_static("json"),
        metadata: &metadata,
    };
    let fields = Recorder::of(|sink| write_request(&parts, sink)).classified();
    let mut head = RequestHead::default();
    head.read(refs(&fields), EncodingSet::from_list(b"gzip")).unwrap();
    assert_eq!(head.route(), Some(7));
    assert_eq!(head.authority(), "example.com");
    assert_eq!(head.timeout(), Some(Duration::from_millis(1500)));
    assert_eq!(head.encoding(), Encoding::Gzip);
    assert_eq!(head.accept().list(), "identity,gzip,zstd");
    assert_eq!(head.subtype().as_str(), "json");
    let mut received = head.metadata().clone();
    assert!(received.get("user-agent").unwrap().starts_with("shop/2.1 grpc-rust-tramline/"));
    received.remove("user-agent");
    assert_eq!(received, metadata);
}

#[test]
fn te_may_be_missing() {
    let without: Vec<_> = PLAIN.into_iter().filter(|(name, _)| *name != "te").collect();
    assert!(RequestHead::default().read(refs(&classified(&without)), EncodingSet::IDENTITY).is_ok());
}

#[test]
fn zero_is_a_timeout_that_has_passed() {
    assert_eq!(read(&[("grpc-timeout", "0S")]).timeout(), Some(Duration::ZERO));
}

#[test]
fn a_timeout_beyond_all_ages_is_a_long_one() {
    let timeout = read(&[("grpc-timeout", "99999999H")]).timeout().unwrap();
    assert!(timeout > Duration::from_secs(500 * 365 * 24 * 3600));
}

#[test]
fn several_lists_of_encodings_are_one() {
    let head = read(&[("grpc-accept-encoding", "gzip"), ("grpc-accept-encoding", "br,foo")]);
    assert_eq!(head.accept().list(), "identity,gzip,br");
}

#[test]
fn binary_lists_are_split_before_they_are_decoded() {
    let head = read(&[("x-bin", "AQ==,Ag, Aw"), ("x-bin", ""), ("x-bin", "BA")]);
    let values: Vec<_> = head.metadata().get_all_bin("x-bin").map(|value| value.to_vec()).collect();
    assert_eq!(values, [vec![1], vec![2], vec![3], vec![], vec![4]]);
}

#[test]
fn commas_buy_no_memory() {
    let name = format!("x-{}-bin", "n".repeat(4000));
    let commas = ",".repeat(8000);
    let head = read(&[(&name, &commas)]);
    assert_eq!(head.metadata().get_all_bin(&name).count(), 8001);
    assert!(head.metadata().capacity() <= 2 * (name.len() + commas.len()), "{}", head.metadata().capacity());
}

#[test]
fn text_lists_stay_as_they_are() {
    let head = read(&[("x-list", "a, b"), ("x-list", "c")]);
    assert_eq!(head.metadata().get_all("x-list").collect::<Vec<_>>(), ["a, b", "c"]);
}

#[test]
fn only_fields_of_the_application_are_metadata() {
    let head = read(&[
        ("grpc-timeout", "1S"),
        ("grpc-encoding", "identity"),
        ("grpc-accept-encoding", "gzip"),
        ("grpc-message-type", "pkg.Request"),
        ("content-length", "0"),
        ("host", "localhost:50051"),
        ("grpc-tags-bin", "AA"),
        ("grpc-previous-rpc-attempts", "2"),
        ("user-agent", "grpc-go/1.85.0"),
        ("x-mine", "v"),
    ]);
    let keys: Vec<_> = head.metadata().iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["grpc-tags-bin", "grpc-previous-rpc-attempts", "user-agent", "x-mine"]);
}

#[test]
fn octets_that_are_no_text_do_not_fail_the_call() {
    let mut fields = classified(&PLAIN);
    fields.push(field(b"x-latin", b"caf\xe9"));
    fields.push(field(b"x-latin", b"cafe"));
    let mut head = RequestHead::default();
    head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
    assert_eq!(head.metadata().get("x-latin"), Some("cafe"), "the first that is text");
    assert_eq!(head.metadata().values("x-latin").next().unwrap().as_wire(), b"caf\xe9");
}

#[test]
fn host_stands_in_for_the_authority() {
    let without: Vec<_> = PLAIN.into_iter().filter(|(name, _)| *name != ":authority").collect();
    let fields = classified(&[&without[..], &[("host", "example.com")]].concat());
    let mut head = RequestHead::default();
    head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
    assert_eq!(head.authority(), "example.com");
}

#[test]
fn a_head_that_is_used_again_forgets() {
    let mut head = read(&[("x-a", "1"), ("grpc-timeout", "1S"), ("grpc-encoding", "gzip"), ("x-a-bin", "AA")]);
    let fields = classified(&[&PLAIN[..], &[("x-b", "2")]].concat());
    head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
    assert_eq!((head.timeout(), head.encoding(), head.metadata().len()), (None, Encoding::Identity, 1));
    assert_eq!(head.metadata().get("x-b"), Some("2"));
    head.reset();
    assert!(head.metadata().is_empty() && head.authority().is_empty() && head.route().is_none());
    let fields = classified(
        &[&PLAIN[..5], &[("content-type", "application/grpc+json"), ("grpc-accept-encoding", "br")]].concat(),
    );
    head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
    head.reset();
    assert_eq!((head.subtype(), head.accept()), (Subtype::NONE, EncodingSet::IDENTITY));
}

#[test]
fn a_head_that_is_used_again_uses_its_memory_again() {
    let fields = classified(&[&PLAIN[..], &[("user-agent", "grpc-go/1.85.0"), ("x-a", "1")]].concat());
    let mut head = RequestHead::default();
    head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
    let place = |head: &RequestHead| head.metadata().get("x-a").unwrap().as_ptr();
    let first = place(&head);
    for _ in 0..3 {
        drop(head.metadata().clone());
        head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
        assert_eq!(place(&head), first);
    }
}

#[test]
fn metadata_that_somebody_kept_is_not_overwritten() {
    let mut head = read(&[("x-a", "1")]);
    let kept = head.metadata().clone();
    let fields = classified(&[&PLAIN[..], &[("x-a", "2")]].concat());
    head.read(refs(&fields), EncodingSet::IDENTITY).unwrap();
    assert_eq!((kept.get("x-a"), head.metadata().get("x-a")), (Some("1"), Some("2")));
}
