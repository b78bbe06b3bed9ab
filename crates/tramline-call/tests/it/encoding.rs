//! Encodings and lists of them.

use tramline_call::{Encoding, EncodingSet};

#[test]
fn names_are_those_of_the_wire() {
    let names = ["identity", "gzip", "deflate", "zstd", "br", "snappy"];
    for (encoding, name) in Encoding::ALL.into_iter().zip(names) {
        assert_eq!(encoding.name(), name);
        assert_eq!(encoding.to_string(), name);
        assert_eq!(Encoding::from_name(name.as_bytes()), Some(encoding));
    }
    for unknown in ["", "GZIP", "gzip ", "lzma", "x-gzip"] {
        assert_eq!(Encoding::from_name(unknown.as_bytes()), None, "{unknown:?}");
    }
}

#[test]
fn lists_are_read_leniently() {
    let cases: &[(&str, &str)] = &[
        ("", "identity"),
        ("identity", "identity"),
        ("gzip", "identity,gzip"),
        ("gzip,deflate", "identity,gzip,deflate"),
        ("gzip, deflate", "identity,gzip,deflate"),
        (" gzip\t,\tbr ", "identity,gzip,br"),
        (",,gzip,,", "identity,gzip"),
        ("gzip,gzip", "identity,gzip"),
        ("lzma,zstd,unknown", "identity,zstd"),
        ("snappy,br,zstd,deflate,gzip,identity", "identity,gzip,deflate,zstd,br,snappy"),
    ];
    for (list, expected) in cases {
        assert_eq!(EncodingSet::from_list(list.as_bytes()).list(), *expected, "{list:?}");
    }
}

#[test]
fn every_set_lists_its_members_and_is_read_back() {
    for bits in 0..1u8 << Encoding::ALL.len() {
        let members = Encoding::ALL.into_iter().filter(|encoding| bits & 1 << *encoding as u8 != 0);
        let set: EncodingSet = members.collect();
        assert!(set.contains(Encoding::Identity));
        let names: Vec<_> = set.iter().map(Encoding::name).collect();
        assert_eq!(set.list(), names.join(","));
        assert_eq!(EncodingSet::from_list(set.list().as_bytes()), set);
    }
}

#[test]
fn sets_are_joined_and_cut() {
    let ours: EncodingSet = [Encoding::Gzip, Encoding::Zstd].into_iter().collect();
    let theirs: EncodingSet = [Encoding::Gzip, Encoding::Br].into_iter().collect();
    assert_eq!(ours.intersection(theirs).list(), "identity,gzip");
    assert_eq!(ours.union(theirs).list(), "identity,gzip,zstd,br");
    assert_eq!(EncodingSet::default(), EncodingSet::IDENTITY);
}

#[test]
fn only_what_the_peer_listed_is_used() {
    let accept = EncodingSet::from_list(b"gzip");
    assert_eq!(accept.choose(Encoding::Gzip), Encoding::Gzip);
    assert_eq!(accept.choose(Encoding::Zstd), Encoding::Identity);
    assert_eq!(EncodingSet::IDENTITY.choose(Encoding::Identity), Encoding::Identity);
}
