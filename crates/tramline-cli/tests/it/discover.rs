//! `tram ls`, `tram describe`, and the help.

use crate::support::{Demo, tram};

#[test]
fn services_and_methods() {
    let demo = Demo::start();
    let services = tram(&["ls", &demo.address]).success();
    for service in ["greeter.Chat", "greeter.Greeter", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(services.lines().any(|line| line == service), "{services}");
    }
    assert_eq!(tram(&["ls", &demo.address, "greeter.Greeter"]).success(), "greeter.Greeter/SayHello\n");
    assert_eq!(tram(&["ls", &demo.address, "Chat"]).success().lines().count(), 3);
    assert_eq!(tram(&["ls", &demo.address, "UploadFile"]).success(), "greeter.Chat/UploadFile\n");
}

#[test]
fn long_listings_show_kinds_and_messages() {
    let demo = Demo::start();
    let long = tram(&["ls", "-l", &demo.address]).success();
    for line in [
        "  SayHello(greeter.HelloRequest) returns (greeter.HelloReply)  [unary]",
        "  ChatStream(greeter.ChatRequest) returns (stream greeter.ChatResponse)  [server streaming]",
        "  UploadFile(stream greeter.FileChunk) returns (greeter.UploadResponse)  [client streaming]",
        "  BidirectionalChat(stream greeter.ChatMessage) returns (stream greeter.ChatMessage)  [bidi streaming]",
    ] {
        assert!(long.lines().any(|it| it == line), "{line}\n{long}");
    }
}

#[test]
fn definitions() {
    let demo = Demo::start();
    let describe = |symbol| tram(&["describe", &demo.address, symbol]).success();
    for symbol in ["greeter.HelloRequest", "HelloRequest", ".greeter.HelloRequest"] {
        let text = describe(symbol);
        assert!(text.contains("// greeter.HelloRequest\n") && text.contains("  string name = 1;\n"), "{text}");
    }
    assert!(describe("SayHello").contains("rpc SayHello(HelloRequest) returns (HelloReply);"));
    // Reflection sends the schema's comments along.
    assert!(describe("SayHello").contains("// Greets whoever asks, by name."), "{}", describe("SayHello"));
    assert!(describe("HelloRequest").contains("// Who asks.\n"), "{}", describe("HelloRequest"));
    assert!(describe("greeter.Greeter/SayHello").contains("rpc SayHello"));
    assert!(describe("ServingStatus").contains("SERVICE_UNKNOWN = 3;"));
    assert!(describe("google.protobuf.Timestamp").contains("int64 seconds = 1;"));
    let stderr = tram(&["describe", &demo.address, "HeloRequest"]).failure(1);
    assert!(stderr.contains("did you mean greeter.HelloRequest?"), "{stderr}");
}

#[test]
fn help_is_where_people_look_for_it() {
    for arguments in [&["--help"][..], &["help"], &[], &["-h"]] {
        assert!(tram(arguments).success().contains("tram call localhost:50051"), "{arguments:?}");
    }
    for arguments in [&["help", "call"][..], &["call", "--help"]] {
        let help = tram(arguments).success();
        assert!(help.contains("--timeout TIME") && help.contains("Exit status"), "{help}");
    }
    assert!(tram(&["--version"]).success().starts_with("tram "));
}
