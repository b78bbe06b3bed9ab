//! `grpc-timeout`, both ways.

use std::time::Duration;

use tramline_call::timeout::{decode, encode};

fn text(timeout: Duration) -> String {
    let text = encode(timeout).expect("not zero");
    String::from_utf8(text.as_bytes().to_vec()).unwrap()
}

#[test]
fn values_are_read_in_every_unit() {
    let cases: &[(&str, Duration)] = &[
        ("1n", Duration::from_nanos(1)),
        ("1u", Duration::from_micros(1)),
        ("1m", Duration::from_millis(1)),
        ("1S", Duration::from_secs(1)),
        ("1M", Duration::from_secs(60)),
        ("1H", Duration::from_secs(3600)),
        ("0n", Duration::ZERO),
        ("00000000S", Duration::ZERO),
        ("00000007m", Duration::from_millis(7)),
        ("99999999n", Duration::from_nanos(99_999_999)),
        ("99999999H", Duration::from_secs(99_999_999 * 3600)),
    ];
    for (value, timeout) in cases {
        assert_eq!(decode(value.as_bytes()), Some(*timeout), "{value}");
    }
}

#[test]
fn malformed_values_are_refused() {
    let cases =
        ["", "S", "1", "1s", "1h", "1x", "-1S", "+1S", " 1S", "1S ", "1 S", "1.5S", "123456789n", "0x1S", "1SS", "١S"];
    for value in cases {
        assert_eq!(decode(value.as_bytes()), None, "{value:?}");
    }
}

#[test]
fn a_timeout_goes_out_in_the_finest_unit_that_fits() {
    let cases: &[(Duration, &str)] = &[
        (Duration::from_nanos(1), "1n"),
        (Duration::from_nanos(99_999_999), "99999999n"),
        (Duration::from_nanos(100_000_000), "100000u"),
        (Duration::from_nanos(100_000_001), "100001u"),
        (Duration::from_secs(1), "1000000u"),
        (Duration::from_micros(99_999_999), "99999999u"),
        (Duration::from_secs(100), "100000m"),
        (Duration::from_millis(99_999_999), "99999999m"),
        (Duration::from_secs(100_000), "100000S"),
        (Duration::from_secs(99_999_999), "99999999S"),
        (Duration::from_secs(100_000_000), "1666667M"),
        (Duration::from_secs(99_999_999 * 60), "99999999M"),
        (Duration::from_secs(100_000_000 * 60), "1666667H"),
        (Duration::MAX, "99999999H"),
    ];
    for (timeout, value) in cases {
        assert_eq!(text(*timeout), *value, "{timeout:?}");
    }
}

#[test]
fn a_timeout_that_has_passed_is_not_sent() {
    assert_eq!(encode(Duration::ZERO), None);
}

#[test]
fn what_is_sent_is_read_as_no_less_and_hardly_more() {
    let mut nanos: u128 = 1;
    while nanos < Duration::MAX.as_nanos() / 3 {
        for delta in [0, 1, nanos / 3, nanos / 2] {
            let nanos = nanos + delta;
            let timeout = Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32);
            let value = text(timeout);
            assert!(value.len() <= 9, "{value}");
            let read = decode(value.as_bytes()).expect(&value);
            let longest = Duration::from_secs(99_999_999 * 3600);
            assert!(read >= timeout.min(longest), "{timeout:?} became {value}");
            // Rounding adds less than one part in 100,000 while the next coarser unit has room.
            assert!(read.as_nanos() <= timeout.as_nanos() + timeout.as_nanos() / 100_000 + 1, "{timeout:?} -> {value}");
        }
        nanos = nanos * 7 / 3 + 1;
    }
}
