//! Metadata as users see it.

use tramline_call::{Code, Metadata, MetadataError, Status};

fn metadata(entries: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::new();
    for (key, value) in entries {
        metadata.append(key, value).unwrap();
    }
    metadata
}

fn entries(metadata: &Metadata) -> Vec<(String, String)> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    metadata.iter().map(|(key, value)| (key.to_owned(), text(value.as_wire()))).collect()
}

#[test]
fn nothing_is_there_at_first() {
    let metadata = Metadata::new();
    assert_eq!((metadata.len(), metadata.is_empty()), (0, true));
    assert_eq!(metadata.get("x"), None);
    assert_eq!(metadata, Metadata::default());
}

#[test]
fn values_of_a_key_keep_their_order() {
    let mut metadata = metadata(&[("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")]);
    assert_eq!(metadata.get("a"), Some("1"));
    assert_eq!(metadata.get_all("a").collect::<Vec<_>>(), ["1", "3", "1"]);
    metadata.insert("a", "4").unwrap();
    assert_eq!(metadata.get_all("a").collect::<Vec<_>>(), ["4"]);
    assert_eq!(metadata.len(), 2);
}

#[test]
fn keys_are_lower_case_and_found_in_any() {
    let metadata = metadata(&[("X-Request.Id_1", "v")]);
    assert_eq!(entries(&metadata)[0].0, "x-request.id_1");
    assert_eq!(metadata.get("x-REQUEST.id_1"), Some("v"));
    assert!(metadata.contains_key("X-request.ID_1"));
    assert!(!metadata.contains_key("x-request.id"));
}

#[test]
fn keys_obey_their_grammar() {
    for key in ["", " ", "a b", "a:b", ":path", "é", "a\n", "a\0", "a/b", "a,b", "\"a\"", "a=b"] {
        assert_eq!(Metadata::new().append(key, "v"), Err(MetadataError::InvalidKey), "{key:?}");
        assert_eq!(Metadata::new().insert(key, "v"), Err(MetadataError::InvalidKey), "{key:?}");
    }
    for key in ["a", "0", "-", "_", ".", "a-b_c.9", "x-y-binary", "bin"] {
        assert_eq!(Metadata::new().append(key, "v"), Ok(()), "{key:?}");
    }
}

#[test]
fn keys_of_grpc_and_http_are_not_for_users() {
    let keys = [
        "grpc-status",
        "grpc-message",
        "grpc-timeout",
        "grpc-encoding",
        "grpc-accept-encoding",
        "grpc-anything",
        "Grpc-Status",
        "grpc-",
        "te",
        "TE",
        "content-type",
        "content-length",
        "user-agent",
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "trailer",
    ];
    for key in keys {
        assert_eq!(Metadata::new().insert(key, "v"), Err(MetadataError::ReservedKey), "{key}");
    }
    assert_eq!(Metadata::new().insert_bin("grpc-status-details-bin", b""), Err(MetadataError::ReservedKey));
    assert_eq!(Metadata::new().insert("grpc-retry-pushback-ms", "100"), Ok(()));
    for key in ["grpc-trace-bin", "grpc-tags-bin", "grpc-server-stats-bin"] {
        assert_eq!(Metadata::new().insert_bin(key, b"\0"), Ok(()), "{key}");
    }
    for key in ["grpc", "grpcx", "x-grpc-a", "te-x"] {
        assert_eq!(Metadata::new().insert(key, "v"), Ok(()), "{key}");
    }
}

#[test]
fn text_is_printable_ascii() {
    for value in ["", "a", "a b", "~", "!", "a,b", "\"", "%41"] {
        assert_eq!(metadata(&[("k", value)]).get("k"), Some(value), "{value:?}");
    }
    for value in ["\n", "a\r\nb", "a\tb", "\0", "é", "\u{7f}"] {
        assert_eq!(Metadata::new().insert("k", value), Err(MetadataError::InvalidValue), "{value:?}");
    }
    assert_eq!(metadata(&[("k", "  padded ")]).get("k"), Some("padded"));
}

#[test]
fn binary_values_take_any_octets() {
    let all: Vec<u8> = (0..=255).collect();
    for len in 0..all.len() {
        let mut metadata = Metadata::new();
        metadata.append_bin("k-bin", &all[len..]).unwrap();
        metadata.append_bin("K-Bin", &all[..len]).unwrap();
        assert_eq!(metadata.get_bin("k-bin").unwrap(), all[len..], "{len}");
        let values: Vec<_> = metadata.get_all_bin("k-bin").collect();
        assert_eq!((&values[0][..], &values[1][..]), (&all[len..], &all[..len]));
        assert!(metadata.iter().all(|(_, value)| !value.as_wire().contains(&b'=')), "padding is not sent");
    }
}

#[test]
fn text_and_binary_keys_are_told_apart() {
    let mut metadata = Metadata::new();
    assert_eq!(metadata.insert("k-bin", "text"), Err(MetadataError::WrongKind));
    assert_eq!(metadata.append("K-BIN", "text"), Err(MetadataError::WrongKind));
    assert_eq!(metadata.insert_bin("k", b"octets"), Err(MetadataError::WrongKind));
    assert_eq!(metadata.append_bin("k", b"octets"), Err(MetadataError::WrongKind));
    metadata.insert_bin("k-bin", b"octets").unwrap();
    metadata.insert("k", "text").unwrap();
    assert_eq!(metadata.get("k-bin"), None);
    assert_eq!(metadata.get_bin("k"), None);
}

#[test]
fn a_refused_entry_changes_nothing() {
    let mut metadata = metadata(&[("k", "before")]);
    metadata.insert("k", "\n").unwrap_err();
    assert_eq!(metadata.get("k"), Some("before"));
}

#[test]
fn removing_leaves_the_others() {
    let mut metadata = metadata(&[("a", "1"), ("b", "2"), ("A", "3"), ("c", "4")]);
    assert_eq!(metadata.remove("a"), 2);
    assert_eq!(metadata.remove("a"), 0);
    let expected = [("b", "2"), ("c", "4")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(entries(&metadata), expected);
    metadata.clear();
    assert!(metadata.is_empty());
}

#[test]
fn setting_a_key_again_and_again_does_not_grow_memory() {
    let mut metadata = metadata(&[("other", "value")]);
    for n in 0..20_000 {
        metadata.insert("k", &n.to_string()).unwrap();
        assert!(metadata.capacity() < 8 * 1024, "{n}: {}", metadata.capacity());
    }
    assert_eq!(metadata.get("k"), Some("19999"));
    assert_eq!(metadata.get("other"), Some("value"));
}

#[test]
fn a_clone_is_apart() {
    let mut first = metadata(&[("a", "1")]);
    let second = first.clone();
    first.append("b", "2").unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_ne!(first, second);
}

#[test]
fn merging_adds_behind() {
    let mut first = metadata(&[("a", "1"), ("b", "2")]);
    first.merge(&metadata(&[("a", "3")]));
    assert_eq!(first.get_all("a").collect::<Vec<_>>(), ["1", "3"]);
    let mut empty = Metadata::new();
    empty.merge(&first);
    assert_eq!(empty, first);
    first.merge(&Metadata::new());
    assert_eq!(first.len(), 3);
}

#[test]
fn secrets_do_not_show() {
    let mut metadata = metadata(&[("authorization", "Bearer hunter2"), ("Cookie", "hunter2"), ("x-plain", "shown")]);
    metadata.append("x-token", "hunter2").unwrap();
    metadata.append("x-token", "hunter2").unwrap();
    metadata.mark_sensitive("X-Token");
    metadata.append_bin("x-key-bin", b"hunter2").unwrap();
    let shown = format!("{metadata:?}");
    assert!(shown.contains("x-token") && shown.contains("shown"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
    assert_eq!(metadata.get("x-token"), Some("hunter2"));
    let sensitive = metadata.iter().filter(|(_, value)| value.is_sensitive()).count();
    assert_eq!(sensitive, 5);
}

#[test]
fn marks_go_along_with_merged_entries() {
    let mut marked = metadata(&[("x-token", "hunter2")]);
    marked.mark_sensitive("x-token");
    marked.mark_sensitive("absent");
    let mut other = metadata(&[("a", "1")]);
    other.merge(&marked);
    assert!(other.values("x-token").all(|value| value.is_sensitive()));
    assert!(other.values("a").all(|value| !value.is_sensitive()));
}

#[test]
fn errors_say_what_to_do() {
    let cases = [
        (MetadataError::InvalidKey, "letters"),
        (MetadataError::ReservedKey, "reserved"),
        (MetadataError::InvalidValue, "-bin"),
        (MetadataError::WrongKind, "insert_bin"),
        (MetadataError::TooLong, "too long"),
    ];
    for (error, word) in cases {
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(Status::from(error).code(), Code::Internal);
    }
}
