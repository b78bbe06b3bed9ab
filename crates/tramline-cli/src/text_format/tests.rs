//! Text format, both ways.

use std::sync::Arc;

use buffa_descriptor::{DescriptorPool, DynamicMessage};

use super::{read, write};

fn pool() -> Arc<DescriptorPool> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
    let mut compiler = protox::Compiler::new([directory]).expect("the folder is there");
    compiler.include_imports(true).open_file("shapes.proto").expect("compiles");
    Arc::new(DescriptorPool::decode(&compiler.encode_file_descriptor_set()).expect("links"))
}

fn read_all(pool: &Arc<DescriptorPool>, source: &str) -> Result<Vec<DynamicMessage>, String> {
    let index = pool.message_index("shapes.All").expect("is there");
    read(pool, index, source).map_err(|error| error.report("data", source))
}

/// What `source` says, in JSON: a second opinion.
#[track_caller]
fn check(source: &str, json: &str) {
    let pool = pool();
    let messages = read_all(&pool, source).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(messages.len(), 1, "{source}");
    assert_eq!(messages[0].to_json().expect("JSON"), json, "{source}");
    let printed = write(&messages[0]);
    let again = read_all(&pool, &printed).unwrap_or_else(|report| panic!("{printed}\n{report}"));
    let octets = |message: &DynamicMessage| message.encode_to_vec();
    assert_eq!(octets(&messages[0]), octets(&again[0]), "{printed}");
}

#[track_caller]
fn check_error(source: &str, message: &str, place: &str, hint: &str) {
    let report = read_all(&pool(), source).expect_err(source);
    assert!(report.starts_with(message), "{report}");
    assert!(report.contains(&format!("--> data:{place}\n")), "{report}");
    assert!(report.contains(hint), "{report}");
}

#[test]
fn scalars() {
    check("a_string: 'Alice'", r#"{"aString":"Alice"}"#);
    check("a_double: 1.5 a_float: -2f", r#"{"aDouble":1.5,"aFloat":-2.0}"#);
    check("a_double: -inf a_float: NaN", r#"{"aDouble":"-Infinity","aFloat":"NaN"}"#);
    check("a_double: 1e300; a_float: infinity", r#"{"aDouble":1e+300,"aFloat":"Infinity"}"#);
    check("an_int32: 0x10 an_int64: -017", r#"{"anInt32":16,"anInt64":"-15"}"#);
    check("an_int32: - # minus\n 5", r#"{"anInt32":-5}"#);
    check("a_uint64: 18446744073709551615", r#"{"aUint64":"18446744073709551615"}"#);
    check("an_int64: -9223372036854775808", r#"{"anInt64":"-9223372036854775808"}"#);
    check(
        "a_sint32: -1, a_sint64: -2, a_fixed32: 3, a_fixed64: 4",
        r#"{"aSint32":-1,"aSint64":"-2","aFixed32":3,"aFixed64":"4"}"#,
    );
    check("a_bool: True", r#"{"aBool":true}"#);
    check("a_bool: 0", r#"{"aBool":false}"#);
    check("", "{}");
    check("# nothing\n", "{}");
}

#[test]
fn strings_and_bytes() {
    check(
        r#"a_string: 'it\'s' " me"  # and
        '\u263a'"#,
        r#"{"aString":"it's me☺"}"#,
    );
    check(r#"a_string: "tab\t nul\000 del\001""#, r#"{"aString":"tab\t nul\u0000 del\u0001"}"#);
    check(r"some_bytes: '\xff\001' '2'", r#"{"someBytes":"/wEy"}"#);
    check(r"some_bytes: 'é'", r#"{"someBytes":"w6k="}"#);
}

#[test]
fn messages_in_both_brackets_with_any_separator() {
    check("inner { name: 'a'; size: 2, }", r#"{"inner":{"name":"a","size":2}}"#);
    check("inner: < name: 'a' inner { size: 1 } >", r#"{"inner":{"name":"a","inner":{"size":1}}}"#);
    check("Data { x: 1 }", r#"{"data":{"x":1}}"#);
    check("data { x: 1 }", r#"{"data":{"x":1}}"#);
    check("at { seconds: 1 nanos: 500000000 }", r#"{"at":"1970-01-01T00:00:01.500Z"}"#);
    check("{ a_string: 'whole' }", r#"{"aString":"whole"}"#);
}

#[test]
fn repeated_fields() {
    check("numbers: 1 numbers: 2", r#"{"numbers":[1,2]}"#);
    check("numbers: [1, 2] numbers: [] numbers: 3", r#"{"numbers":[1,2,3]}"#);
    check("words: ['a' 'b', \"c\"]", r#"{"words":["ab","c"]}"#);
    check("inners { size: 1 } inners [{ size: 2 }, <>]", r#"{"inners":[{"size":1},{"size":2},{}]}"#);
    check("colors: [RED, 1, -2]", r#"{"colors":["RED","GREEN","BLUE"]}"#);
}

#[test]
fn maps() {
    check("counts { key: 'a' value: 1 } counts: { value: 2 key: 'b' }", r#"{"counts":{"a":1,"b":2}}"#);
    check("counts: [{ key: 'a' value: 1 }, { key: 'a' value: 3 }]", r#"{"counts":{"a":3}}"#);
    check("by_id { key: -7 value { name: 'x' } } by_id {}", r#"{"byId":{"-7":{"name":"x"},"0":{}}}"#);
    check("color_of { key: true value: GREEN }", r#"{"colorOf":{"true":"GREEN"}}"#);
}

#[test]
fn oneofs_extensions_and_any() {
    check("number: 0", r#"{"number":0}"#);
    check(
        "[shapes.nick]: 'Al' [ shapes . extra ] { size: 1 }",
        r#"{"[shapes.nick]":"Al","[shapes.extra]":[{"size":1}]}"#,
    );
    check("[ # nick] [names]\n shapes # a package\n . # ]\n\tnick ]: 'Al'", r#"{"[shapes.nick]":"Al"}"#);
    check(
        "any { [type.googleapis.com # whose?\n/ shapes. # ]\n Inner] { size: 1 } }",
        r#"{"any":{"@type":"type.googleapis.com/shapes.Inner","size":1}}"#,
    );
    check(
        "any { [type.googleapis.com/shapes.Inner] { name: 'in' } }",
        r#"{"any":{"@type":"type.googleapis.com/shapes.Inner","name":"in"}}"#,
    );
    check(
        r"any { type_url: 'type.googleapis.com/shapes.Inner' value: '\020\001' }",
        r#"{"any":{"@type":"type.googleapis.com/shapes.Inner","size":1}}"#,
    );
}

#[test]
fn several_messages() {
    let count = |source: &str| read_all(&pool(), source).map(|messages| messages.len());
    assert_eq!(count("{a_string: '1'} {a_string: '2'}, {}"), Ok(3));
    assert_eq!(count("a_string: '1'\n---\na_string: '2'\n---\n"), Ok(2));
    assert_eq!(count("a_bool: t\u{1e}\u{1e}a_bool: f"), Ok(3));
    assert_eq!(count("{}\u{1e}{}{}\u{1e}an_int32: 1"), Ok(4));
    assert!(count("a_string: '1' } {").is_err());
}

#[test]
fn errors_name_the_place_and_the_fix() {
    check_error("a_strin: 'x'", "shapes.All has no field `a_strin`", "1:1", "did you mean `a_string`?");
    check_error("inner {\n  nmae: 'x'\n}", "shapes.Inner has no field `nmae`", "2:3", "did you mean `name`?");
    check_error(
        "inner { zzzzzz: 'x' }",
        "shapes.Inner has no field `zzzzzz`",
        "1:9",
        "it has `name`, `size` and `inner`",
    );
    check_error("a_string: Alice", "`a_string` is a string, not `Alice`", "1:11", "put it in quotes: 'Alice'");
    check_error("a_string 'x'", "expected `:`", "1:10", "a_string: …");
    check_error("a_string = 'x'", "unexpected character `=`", "1:10", "name: 'value'");
    check_error("an_int32: '3'", "`an_int32` is an int32, not `'3'`", "1:11", "without quotes");
    check_error(
        "an_int32: 3000000000",
        "`an_int32` is an int32, and this does not fit",
        "1:11",
        "from -2147483648 to 2147483647",
    );
    check_error("a_uint32: -1", "`a_uint32` is a uint32, and this does not fit", "1:11", "from 0 to");
    check_error("a_double: 0x1", "`a_double` is a double", "1:11", "decimal");
    check_error("a_bool: 2", "`a_bool` is a bool, not `2`", "1:9", "true or false");
    check_error("color: GREAN", "shapes.Color has no value `GREAN`", "1:8", "did you mean `GREEN`?");
    check_error("color: 'GREEN'", "expected a value of shapes.Color", "1:8", "without quotes");
    check_error("color: 77", "shapes.Color has no value 77", "1:8", "there is `RED`");
    check_error("an_int32: 1 an_int32: 2", "`an_int32` is given twice", "1:13", "not a repeated field");
    check_error("text: 'a' number: 1", "`number` and `text` cannot both be given", "1:11", "oneof `choice`");
    check_error("a_string: ['a']", "`a_string` takes one value, not a list", "1:11", "");
    check_error("inner: 'x'", "expected `{`", "1:8", "the value is a message, shapes.Inner");
    check_error("counts: 'a'", "`counts` is a map", "1:9", "counts { key: … value: … }");
    check_error("counts { 'a': 1 }", "`counts` is a map", "1:10", "counts { key: … value: … }");
    check_error("counts { key 'a' value: 1 }", "expected `:`", "1:14", "key: …");
    check_error("[shapes.ni ck]: 'x'", "this is no name", "1:2", "[pkg.name]");
    check_error("[shapes.nick # ]\n: 'x'", "`[` is never closed", "1:1", "[pkg.name]");
    check_error("any { [x'y/shapes.Inner] {} }", "this is no name", "1:8", "[type.googleapis.com/pkg.Type]");
    check_error("inner { name: 'x'", "this bracket is never closed", "1:7", "add `}`");
    check_error("numbers: [1, 2", "this list is never closed", "1:10", "add `]`");
    check_error("a_string: 'x", "the string is never closed by '", "1:11", "");
    check_error("a_string: ‘x’", "unexpected character `‘`", "1:11", "plain ' or \"");
    check_error("'a_string': 'x'", "expected a field name", "1:1", "without quotes");
    check_error("[shapes.nik]: 'x'", "shapes.All has no extension `shapes.nik`", "1:2", "did you mean `shapes.nick`?");
    check_error(
        "inner { [type.googleapis.com/shapes.Inner] {} }",
        "shapes.Inner is not an Any",
        "1:10",
        "only google.protobuf.Any",
    );
    check_error(
        "any { [x/shapes.Iner] {} }",
        "the type `shapes.Iner` is not in the schema",
        "1:8",
        "did you mean `shapes.Inner`?",
    );
    check_error(r"a_string: '\xff'", "`a_string` is a string, and this is not UTF-8", "1:11", "bytes field");
    check_error("a_string: 'x' }", "expected a field name", "1:15", "never opened");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "inner {".repeat(depth), "}".repeat(depth));
    assert!(read_all(&pool(), &nested(100)).is_ok());
    let report = read_all(&pool(), &nested(101)).expect_err("too deep");
    assert!(report.starts_with("messages are nested over 100 deep"), "{report}");
    assert!(read_all(&pool(), &"inner {".repeat(100_000)).is_err());
}

#[test]
fn unknown_fields_are_shown_by_number() {
    let pool = pool();
    let index = pool.message_index("shapes.Empty").expect("is there");
    let octets = [0x08, 0x05, 0x12, 0x02, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x23, 0x08, 0x01, 0x24];
    let message = DynamicMessage::decode(pool.clone(), index, &octets).expect("decodes");
    assert_eq!(write(&message), "1: 5\n2: \"hi\"\n3: 0x00000001\n4 {\n  1: 1\n}\n");
}

/// Pieces of text format put together at random never panic, and what is read is
/// printed so that it reads the same again.
#[test]
fn random_text_never_panics_and_reads_back() {
    const PIECES: [&str; 48] = [
        "a_string",
        "an_int32",
        "a_double",
        "inner",
        "inners",
        "counts",
        "by_id",
        "color",
        "colors",
        "any",
        "numbers",
        "some_bytes",
        "text",
        "data",
        "key",
        "value",
        "name",
        "size",
        ":",
        ":",
        ":",
        "{",
        "}",
        "<",
        ">",
        "[",
        "]",
        ",",
        ";",
        "'x'",
        "\"é\\n\"",
        "'\\377'",
        "'\\u26",
        "1",
        "-",
        "0x7f",
        "08",
        "1.5f",
        "inf",
        "nan",
        "RED",
        "true",
        "\n",
        "# c\n",
        "[shapes.nick]",
        "[type.googleapis.com/shapes.Inner]",
        "\u{1e}",
        "\n---\n",
    ];
    let pool = pool();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
    let mut read_count = 0;
    while std::time::Instant::now() < until {
        let source: String =
            (0..random.usize(0..24)).map(|_| *random.choice(&PIECES).expect("not empty")).collect::<Vec<_>>().join(" ");
        let Ok(messages) = read_all(&pool, &source) else { continue };
        for message in &messages {
            read_count += 1;
            let printed = write(message);
            let again = read_all(&pool, &printed).unwrap_or_else(|report| panic!("seed {seed}: {source}\n{report}"));
            assert_eq!(message.encode_to_vec(), again[0].encode_to_vec(), "seed {seed}: {source}\n{printed}");
        }
    }
    assert!(read_count > 100, "seed {seed}: only {read_count} messages were read");
}

/// Octets changed at random in a valid text never panic the reader.
#[test]
fn damaged_text_never_panics() {
    const VALID: &str = "a_string: 'it\\'s \\u263a' inner { name: \"x\" size: -5 } numbers: [1, 0x2, 03] # c\n\
        counts { key: 'a' value: 1 } any { [type.googleapis.com/shapes.Inner] { size: 1 } } [shapes.nick]: 'n' Data < x: 1 >";
    let pool = pool();
    let mut random = fastrand::Rng::new();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
    while std::time::Instant::now() < until {
        let mut octets = VALID.as_bytes().to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..octets.len());
            match random.u8(0..3) {
                0 => octets[at] = random.u8(..),
                1 if octets.len() > 1 => drop(octets.remove(at)),
                _ => octets.truncate(at.max(1)),
            }
        }
        drop(read_all(&pool, &String::from_utf8_lossy(&octets)));
    }
}
