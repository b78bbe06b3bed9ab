//! `tram call`.

use crate::support::{Demo, tram, tram_with_input};

#[test]
fn text_and_json_are_told_apart() {
    let demo = Demo::start();
    let hello = "{\n  \"message\": \"Hello, Alice!\"\n}\n";
    assert_eq!(demo.call(&["SayHello", "name: 'Alice'"]).success(), hello);
    assert_eq!(demo.call(&["SayHello", r#"{"name": "Alice"}"#]).success(), hello);
    assert_eq!(demo.call(&["SayHello", "{ name: \"Alice\" }"]).success(), hello);
    assert_eq!(demo.call(&["-d", "name: 'Alice'", "SayHello"]).success(), hello);
}

#[test]
fn methods_go_by_short_and_full_names() {
    let demo = Demo::start();
    let names = [
        "SayHello",
        "Greeter/SayHello",
        "Greeter.SayHello",
        "greeter.Greeter/SayHello",
        "/greeter.Greeter/SayHello",
        "greeter.Greeter.SayHello",
    ];
    for name in names {
        assert!(demo.call(&[name]).success().contains("Hello"), "{name}");
    }
}

#[test]
fn replies_in_text_format() {
    let demo = Demo::start();
    assert_eq!(
        demo.call(&["--text", "SayHello", "name: 'Zoë \"Z\"'"]).success(),
        "message: \"Hello, Zoë \\\"Z\\\"!\"\n"
    );
    let talk = demo.call(&["--text", "BidirectionalChat", "{text: 'one'} {text: 'two'}"]).success();
    assert_eq!(talk.split("---\n").count(), 2, "{talk}");
}

#[test]
fn a_stream_of_replies() {
    let demo = Demo::start();
    let stdout = demo.call(&["-c", "ChatStream", r#"{"room": "den", "messageCount": 3}"#]).success();
    let sequence: Vec<String> = stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["sequence"].to_string())
        .collect();
    assert_eq!(sequence, ["1", "2", "3"]);
}

#[test]
fn a_stream_of_requests_from_arguments_files_and_standard_input() {
    let demo = Demo::start();
    let uploaded = |stdout: String| serde_json::from_str::<serde_json::Value>(&stdout).expect("JSON");
    let reply = uploaded(demo.call(&["UploadFile", "{file_name: 'f' content: 'ab'}", "{content: 'cde'}"]).success());
    assert_eq!(reply, serde_json::json!({"fileName": "f", "sizeBytes": "5", "chunkCount": 2}));

    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("chunks.json");
    std::fs::write(&file, "{\"fileName\": \"g\"}\n{\"content\": \"AAE=\"}\n").expect("can be written");
    let reply = uploaded(demo.call(&["UploadFile", &format!("@{}", file.display())]).success());
    assert_eq!(reply, serde_json::json!({"fileName": "g", "sizeBytes": "2", "chunkCount": 2}));

    let input = "file_name: 'h'\n---\ncontent: 'x'\n---\ncontent: 'y'\n";
    let reply = uploaded(tram_with_input(&["call", &demo.address, "UploadFile", "-"], input).success());
    assert_eq!(reply, serde_json::json!({"fileName": "h", "sizeBytes": "2", "chunkCount": 3}));
}

/// Each message goes out as soon as it is whole: the reply to the first comes before the
/// second is written.
#[test]
fn both_ways_at_once() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    let demo = Demo::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tram"))
        .args(["call", "-c", &demo.address, "BidirectionalChat", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
    for text in ["one", "two"] {
        writeln!(stdin, "{{\"text\": \"{text}\"}}").expect("is read");
        let mut reply = String::new();
        stdout.read_line(&mut reply).expect("comes");
        assert!(reply.contains(&format!("somebody said: {text}")), "{reply}");
    }
    drop(stdin);
    assert!(child.wait().expect("ends").success());
}

#[test]
fn a_unary_call_reads_its_message_from_standard_input() {
    let demo = Demo::start();
    let outcome = tram_with_input(&["call", &demo.address, "SayHello", "-"], "name: 'pipe'");
    assert!(outcome.success().contains("Hello, pipe!"));
    let outcome = tram_with_input(&["call", &demo.address, "SayHello", "@"], "{\"name\": \"a\"} {\"name\": \"b\"}");
    assert!(outcome.failure(1).contains("takes one message"));
}

#[test]
fn verbose_shows_what_went_over_the_wire() {
    let demo = Demo::start();
    let outcome = demo.call(&["-v", "-H", "X-User: me", "-H", "trace-bin: AAE=", "SayHello"]);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    for line in ["* greeter.Greeter/SayHello, unary, at ", "> x-user: me\n", "> trace-bin: AAE\n", "* OK\n"] {
        assert!(outcome.stderr.contains(line), "{line}: {}", outcome.stderr);
    }
    assert!(outcome.stdout.starts_with('{'), "{}", outcome.stdout);
}

#[test]
fn a_failed_call_shows_its_status_and_details() {
    let demo = Demo::start();
    let stderr = demo.call(&["ChatStream", "message_count: -1"]).failure(64 + 3);
    assert!(stderr.starts_with("error: the call ended with INVALID_ARGUMENT: message_count: "), "{stderr}");
    assert!(stderr.contains("[type.googleapis.com/google.rpc.BadRequest] {"), "{stderr}");
    assert!(stderr.contains("field: \"message_count\""), "{stderr}");
    assert_eq!(demo.call(&["grpc.health.v1.Health/Check", "service: 'gone'"]).status, 64 + 5);
}

#[test]
fn a_deadline_ends_a_call() {
    let demo = Demo::start();
    let outcome = demo.call(&["-c", "--timeout", "500ms", "ChatStream", "message_count: 100"]);
    assert!(outcome.stdout.contains("message 1 of 100"), "{outcome:?}");
    assert!(outcome.failure(64 + 4).contains("DEADLINE_EXCEEDED"));
}

#[test]
fn the_schema_may_come_from_files() {
    let demo = Demo::start();
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/greeter.proto");
    let arguments = ["call", "--proto", proto, &demo.address, "SayHello", "name: 'file'"];
    assert!(tram(&arguments).success().contains("Hello, file!"));

    let set = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("greeter.binpb");
    let encoded = tramline_build::Builder::new().descriptor_set(&[proto]).expect("compiles");
    std::fs::write(&set, encoded).expect("can be written");
    let set = set.display().to_string();
    let arguments = ["call", "--protoset", &set, &demo.address, "Greeter/SayHello", "name: 'set'"];
    assert!(tram(&arguments).success().contains("Hello, set!"));
}
