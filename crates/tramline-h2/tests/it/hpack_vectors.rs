//! The examples of RFC 7541, Appendix C.

use tramline_h2::hpack::{BlockLimits, Decoder, FieldBlock, Opaque};

const LIMITS: BlockLimits = BlockLimits { list_len_max: 16_384, list_len_hard_max: 65_536, field_count_max: 128 };

/// A block in hex, its fields, and the table's size afterwards.
type Block = (&'static str, &'static [(&'static str, &'static str)], usize);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Decodes the blocks of one example; `front` is put before the first.
fn check(example: &str, front: &str, blocks: &[Block]) {
    let mut decoder = Decoder::new(Opaque, 4096);
    for (n, (wire, fields, table_size)) in blocks.iter().enumerate() {
        let mut block = FieldBlock::new();
        let wire = [hex(if n == 0 { front } else { "" }), hex(wire)].concat();
        assert_eq!(decoder.decode(&wire, LIMITS, &mut block), Ok(()), "{example}, block {n}");
        let decoded: Vec<_> = block.iter().map(|field| (field.name, field.value)).collect();
        let expected: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(decoded, expected, "{example}, block {n}");
        assert_eq!(decoder.table_size(), *table_size, "{example}, block {n}");
    }
}

#[test]
fn single_representations() {
    check(
        "C.2.1",
        "",
        &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", &[("custom-key", "custom-header")], 55)],
    );
    check("C.2.2", "", &[("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")], 0)]);
    check("C.2.3", "", &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &[("password", "secret")], 0)]);
    check("C.2.4", "", &[("82", &[(":method", "GET")], 0)]);
}

const FIRST: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
const SECOND: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "www.example.com"),
    ("cache-control", "no-cache"),
];
const THIRD: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
];

#[test]
fn requests() {
    check(
        "C.3",
        "",
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD, 164),
        ],
    );
    check(
        "C.4",
        "",
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", SECOND, 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164),
        ],
    );
}

const DATE: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
const LOCATION: (&str, &str) = ("location", "https://www.example.com");
const PRIVATE: (&str, &str) = ("cache-control", "private");
const FOUND: &[(&str, &str)] = &[(":status", "302"), PRIVATE, DATE, LOCATION];
const TEMPORARY: &[(&str, &str)] = &[(":status", "307"), PRIVATE, DATE, LOCATION];
const OK: &[(&str, &str)] = &[
    (":status", "200"),
    PRIVATE,
    ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
    LOCATION,
    ("content-encoding", "gzip"),
    ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
];

/// The table of these has 256 octets, so that entries leave it.
#[test]
fn responses_with_eviction() {
    check(
        "C.5",
        "3fe101",
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133
             3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                FOUND,
                222,
            ),
            ("4803 3330 37c1 c0bf", TEMPORARY, 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a
             6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d
             6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
                OK,
                215,
            ),
        ],
    );
    check(
        "C.6",
        "3fe101",
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d
             29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                FOUND,
                222,
            ),
            ("4883 640e ffc1 c0bf", TEMPORARY, 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d
             d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106
             3d50 07",
                OK,
                215,
            ),
        ],
    );
}
