//! Messages that use protobuf's own types and google.rpc's, and Anys of types that nobody
//! knows.

use std::path::PathBuf;

use buffa::Message as _;
use buffa_descriptor::generated::descriptor::FileDescriptorSet;
use tokio::runtime::Runtime;
use tramline::Server;
use tramline_services::reflection::Reflection;

use crate::support::{Outcome, tram};

const EVERYTHING: &str = r#"{
  "at": "2026-01-02T03:04:05Z",
  "lasts": "1.500s",
  "facts": {"a": [1.5, null, true], "b": {"c": "d"}},
  "mask": "fooBar,baz",
  "maybe": "7",
  "status": {"code": 5, "message": "gone", "details": [{"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}]},
  "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BAD", "domain": "example.com"}],
  "value": [2.5, "two"]
}"#;

fn proto() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "proto", "standard.proto"].iter().collect()
}

/// A server that answers with what it was asked, and describes itself.
struct EchoServer {
    _runtime: Runtime,
    address: String,
}

impl EchoServer {
    /// `keeps` says which files it describes.
    fn start(keeps: impl Fn(&str) -> bool) -> EchoServer {
        let set = tramline_build::Builder::new().descriptor_set(&[proto()]).expect("compiles");
        let mut set = FileDescriptorSet::decode_from_slice(&set).expect("is a set");
        set.file.retain(|file| keeps(file.name.as_deref().unwrap_or_default()));
        let reflection = Reflection::builder().descriptor_set(set.encode_to_vec()).build().expect("is in order");
        let runtime = Runtime::new().expect("starts");
        let _inside = runtime.enter();
        let server = Server::builder()
            .add_service(reflection)
            .fallback(|mut request, replies| async move {
                while let Some(message) = request.get_mut().message().await? {
                    replies.send(message).await?;
                }
                Ok(())
            })
            .bind("127.0.0.1:0")
            .expect("binds");
        let address = server.local_addr().expect("has one").to_string();
        server.start().expect("starts");
        drop(_inside);
        EchoServer { _runtime: runtime, address }
    }

    fn say(&self, flags: &[&str], data: &str) -> Outcome {
        tram(&[&["call"], flags, &[&self.address, "Say", data]].concat())
    }
}

#[test]
fn standard_types_go_both_ways_in_json() {
    let everywhere = EchoServer::start(|_| true);
    let own_alone = EchoServer::start(|file| !file.starts_with("google/"));
    let sent: serde_json::Value = serde_json::from_str(EVERYTHING).expect("JSON");
    for server in [&everywhere, &own_alone] {
        let got = server.say(&[], EVERYTHING).success();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&got).expect("JSON"), sent);
    }
    let file = proto();
    let got = own_alone.say(&["--proto", file.to_str().expect("UTF-8")], EVERYTHING).success();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&got).expect("JSON"), sent);
}

#[test]
fn standard_types_go_both_ways_in_text() {
    let server = EchoServer::start(|file| !file.starts_with("google/"));
    let sent = "at {\n  seconds: 5\n}\nstatus {\n  code: 5\n  details {\n    [type.googleapis.com/google.rpc.ErrorInfo] {\n      reason: \"BAD\"\n    }\n  }\n}\n";
    assert_eq!(server.say(&["--text"], sent).success(), sent);
}

#[test]
fn an_any_of_a_type_that_nobody_knows_is_shown() {
    let server = EchoServer::start(|_| true);
    let sent =
        "lasts { seconds: 3 } details { type_url: 'example.com/pkg.Gone' value: '\\010\\001' } maybe { value: 7 }";
    let shown = server.say(&["--text"], sent).success();
    assert!(shown.contains("type_url: \"example.com/pkg.Gone\"") && shown.contains("value: \"\\010\\001\""), "{shown}");
    // JSON has no word for it: the rest is not lost, nor the exit status.
    for flags in [&[][..], &["-c"]] {
        let outcome = server.say(flags, sent);
        assert!(outcome.stderr.contains("note: ") && outcome.stderr.contains("pkg.Gone"), "{outcome:?}");
        let shown = outcome.success();
        assert!(shown.contains("example.com/pkg.Gone") && shown.contains("value: 7"), "{shown}");
    }
    // One whose octets are no message of its type is one of those.
    let broken = "details { type_url: 'type.googleapis.com/google.rpc.ErrorInfo' value: '\\377' } maybe { value: 7 }";
    for flags in [&[][..], &["--text"]] {
        let shown = server.say(flags, broken).success();
        assert!(shown.contains("google.rpc.ErrorInfo") && shown.contains("value: 7"), "{shown}");
    }
}

#[test]
fn listings_and_definitions_know_standard_types() {
    let server = EchoServer::start(|file| !file.starts_with("google/"));
    let long = tram(&["ls", "-l", &server.address, "standard.Echo"]).success();
    assert!(long.contains("Nothing(google.protobuf.Empty) returns (google.protobuf.Empty)"), "{long}");
    let definition = tram(&["describe", &server.address, "Everything"]).success();
    for line in
        ["google.protobuf.Timestamp at = 1;", "google.rpc.Status status = 6;", "repeated google.protobuf.Any details"]
    {
        assert!(definition.contains(line), "{definition}");
    }
    for (name, line) in [("google.protobuf.Duration", "int32 nanos = 2;"), ("google.rpc.Status", "int32 code = 1;")] {
        let definition = tram(&["describe", &server.address, name]).success();
        assert!(definition.contains(line), "{definition}");
    }
    assert_eq!(tram(&["call", &server.address, "Nothing"]).success(), "{}\n");
}
