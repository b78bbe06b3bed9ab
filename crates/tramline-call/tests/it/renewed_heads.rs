//! A head that is renewed says what the same fields say when they are read.

use tramline_call::server_call::RequestHead;
use tramline_call::{Encoding, FieldToken, Metadata, field::classify, field::classify_again};

type Fields = Vec<(&'static [u8], Vec<u8>)>;

/// Numbers without pattern, the same in every run (Knuth's linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const NAMES: [&[u8]; 8] = [
    b"grpc-timeout",
    b"te",
    b"x-tenant",
    b"traceparent",
    b"x-trace-bin",
    b"grpc-encoding",
    b"authorization",
    b"grpc-accept-encoding",
];

fn value(numbers: &mut Numbers, name: &[u8]) -> Vec<u8> {
    let number = numbers.below(2_000).to_string().into_bytes();
    match (name, numbers.below(20)) {
        (_, 0) => b"?".to_vec(),
        (b"grpc-timeout", _) => [&number[..], b"m"].concat(),
        (b"grpc-encoding", unit) => if unit < 10 { &b"gzip"[..] } else { b"identity" }.to_vec(),
        (b"grpc-accept-encoding", _) => b"gzip,identity".to_vec(),
        (b"x-trace-bin", _) => b"AAAA".repeat(numbers.below(3) as usize),
        _ => number,
    }
}

fn token(name: &[u8], value: &[u8]) -> FieldToken {
    classify(name, value, |_| Some(7)).0
}

fn read(head: &mut RequestHead, fields: &Fields) -> bool {
    let readable = [Encoding::Gzip].into_iter().collect();
    head.read(fields.iter().map(|(name, value)| (token(name, value), *name, &value[..])), readable).is_ok()
}

fn said(head: &RequestHead) -> impl PartialEq + std::fmt::Debug {
    let metadata: Vec<_> =
        head.metadata().iter().map(|(key, value)| (key.to_owned(), value.as_wire().to_vec())).collect();
    (head.route(), head.timeout(), head.encoding(), head.accept(), head.authority().to_owned(), metadata)
}

#[test]
fn a_renewed_head_says_what_its_fields_say() {
    let mut numbers = Numbers(7540);
    let (mut renewed_count, mut refused_count) = (0, 0);
    for _ in 0..2_000 {
        let mut fields: Fields = vec![
            (b":method", b"POST".to_vec()),
            (b":path", b"/pkg.Echo/Say".to_vec()),
            (b":authority", b"localhost".to_vec()),
            (b"content-type", b"application/grpc".to_vec()),
        ];
        for _ in 0..numbers.below(7) {
            let name = NAMES[numbers.below(NAMES.len() as u64) as usize];
            fields.push((name, value(&mut numbers, name)));
        }
        let (mut head, mut plain, mut lent) = (RequestHead::default(), RequestHead::default(), Metadata::new());
        if !read(&mut head, &fields) {
            continue;
        }
        let mut fresh = Vec::new();
        for _ in 0..10 {
            let at = numbers.below(fields.len() as u64) as usize;
            if at >= 4 {
                let name = fields[at].0;
                fields[at].1 = value(&mut numbers, name);
                if !fresh.contains(&at) {
                    fresh.push(at);
                }
            }
            let values = fresh.iter().map(|&at| (at, token(fields[at].0, &fields[at].1), &fields[at].1[..]));
            let kept = head.metadata().clone();
            let (is_renewed, is_valid) = (head.renew(values), read(&mut plain, &fields));
            if !is_renewed {
                refused_count += 1;
                break;
            }
            assert!(is_valid, "{fields:?}");
            assert_eq!(said(&head), said(&plain), "{fields:?}");
            head.lend_metadata(&mut lent);
            assert_eq!(&lent, plain.metadata());
            drop(kept);
            renewed_count += 1;
        }
    }
    assert!(renewed_count > 2_000 && refused_count > 100, "{renewed_count} renewed, {refused_count} refused");
}

#[test]
fn metadata_that_were_lent_stay_as_they_are() {
    let mut head = RequestHead::default();
    let fields: Fields = vec![
        (b":method", b"POST".to_vec()),
        (b":path", b"/pkg.Echo/Say".to_vec()),
        (b"content-type", b"application/grpc".to_vec()),
        (b"x-tenant", b"blue".to_vec()),
    ];
    assert!(read(&mut head, &fields));
    let mut lent = [(); 3].map(|()| Metadata::new());
    for (metadata, value) in lent.iter_mut().zip(["blue", "green", "red"]) {
        assert!(head.renew([(3, FieldToken::Text, value.as_bytes())]));
        head.lend_metadata(metadata);
    }
    assert_eq!(
        lent.map(|metadata| metadata.get("x-tenant").map(str::to_owned)),
        ["blue", "green", "red"].map(|v| Some(v.to_owned()))
    );
}

/// What was given back is lent again, unless the head has become another one.
#[test]
fn a_handle_that_is_given_back_is_of_the_head_that_is_there() {
    let fields = |value: &str| -> Fields {
        vec![
            (b":method", b"POST".to_vec()),
            (b":path", b"/pkg.Echo/Say".to_vec()),
            (b"content-type", b"application/grpc".to_vec()),
            (b"x-tenant", value.as_bytes().to_vec()),
        ]
    };
    let mut numbers = Numbers(7541);
    let mut head = RequestHead::default();
    let mut value = String::new();
    let mut lent: Vec<(String, Metadata)> = Vec::new();
    for round in 0..5_000 {
        match numbers.below(6) {
            0 => {
                value = round.to_string();
                assert!(read(&mut head, &fields(&value)));
            }
            1 if !value.is_empty() => {
                value = format!("renewed {round}");
                assert!(head.renew([(3, FieldToken::Text, value.as_bytes())]));
            }
            2 | 3 if !lent.is_empty() => {
                let (_, handle) = lent.swap_remove(numbers.below(lent.len() as u64) as usize);
                head.return_metadata(handle);
            }
            _ => {
                let mut metadata = Metadata::new();
                head.lend_metadata(&mut metadata);
                lent.push((value.clone(), metadata));
            }
        }
        for (value, metadata) in &lent {
            assert_eq!(metadata.get("x-tenant").unwrap_or_default(), value, "round {round}");
        }
    }
    assert!(read(&mut head, &fields("last")));
    let mut first = Metadata::new();
    head.lend_metadata(&mut first);
    let mut second = first.clone();
    head.return_metadata(first);
    head.lend_metadata(&mut second);
    assert!(second.shares(head.metadata()));
}

#[test]
fn what_a_name_meant_before_changes_nothing() {
    let mut numbers = Numbers(9113);
    for _ in 0..20_000 {
        let name = NAMES[numbers.below(NAMES.len() as u64) as usize];
        let (before, now) = (value(&mut numbers, name), value(&mut numbers, name));
        let route = |_: &[u8]| Some(7);
        assert_eq!(classify_again(token(name, &before), name, &now, route), classify(name, &now, route));
    }
}
