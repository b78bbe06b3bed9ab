//! `grpc-message`, both ways.

use tramline_call::percent::{decode, encode};

fn encoded(message: &str) -> String {
    String::from_utf8(encode(message).into_owned()).unwrap()
}

#[test]
fn messages_are_encoded() {
    let cases: &[(&str, &str)] = &[
        ("", ""),
        ("plain text, with punctuation!", "plain text, with punctuation!"),
        ("100%", "100%25"),
        ("a\tb\r\nc", "a%09b%0D%0Ac"),
        ("\u{7f}\0", "%7F%00"),
        ("ü", "%C3%BC"),
        ("☺", "%E2%98%BA"),
        ("😈", "%F0%9F%98%88"),
        ("~", "~"),
        (" ", "%20"),
        (" in the middle ", "%20in the middle%20"),
        ("  two", "%20 two"),
    ];
    for (message, value) in cases {
        assert_eq!(encoded(message), *value, "{message:?}");
        assert_eq!(decode(value.as_bytes()), *message);
    }
}

#[test]
fn the_special_status_message_of_the_interop_tests_survives() {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let value = "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A";
    assert_eq!(encoded(message), value);
    assert_eq!(decode(value.as_bytes()), message);
}

#[test]
fn either_case_is_read() {
    assert_eq!(decode(b"%e2%98%bA"), "☺");
}

#[test]
fn what_is_no_escape_stays() {
    let cases: &[(&[u8], &str)] = &[
        (b"100%", "100%"),
        (b"%4", "%4"),
        (b"%", "%"),
        (b"%G0", "%G0"),
        (b"%0G", "%0G"),
        (b"%%41", "%A"),
        (b"% 41", "% 41"),
        (b"%+1", "%+1"),
        (b"%-1", "%-1"),
    ];
    for (value, message) in cases {
        assert_eq!(decode(value), *message, "{value:?}");
    }
}

#[test]
fn what_is_no_utf8_is_replaced_and_the_rest_kept() {
    assert_eq!(decode(b"a%FFb"), "a\u{fffd}b");
    assert_eq!(decode(b"cut: %E2%98"), "cut: \u{fffd}");
    assert_eq!(decode(b"raw \xff"), "raw \u{fffd}");
}

#[test]
fn every_character_comes_back() {
    for message in (0..0x0011_0000).step_by(61).filter_map(char::from_u32) {
        let message = format!("{message}{message}");
        let value = encoded(&message);
        assert!(value.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{value}");
        assert_eq!(decode(value.as_bytes()), message);
    }
}

#[test]
fn a_plain_message_is_not_copied() {
    assert!(matches!(encode("as it is"), std::borrow::Cow::Borrowed(_)));
}
