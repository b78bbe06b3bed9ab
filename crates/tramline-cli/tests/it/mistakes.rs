//! What people get wrong, and what they are told.

use crate::support::{Demo, tram};

#[track_caller]
fn check(stderr: &str, parts: &[&str]) {
    assert!(stderr.starts_with("error: "), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part}\n{stderr}");
    }
}

#[test]
fn names_that_are_not_there() {
    let demo = Demo::start();
    check(
        &demo.call(&["SayHelo"]).failure(1),
        &["no service has a method `SayHelo`", "did you mean greeter.Greeter/SayHello?"],
    );
    check(
        &demo.call(&["greeter.Greeter/SayHi"]).failure(1),
        &["the service greeter.Greeter has no method `SayHi`", "there is `SayHello`"],
    );
    check(
        &demo.call(&["greeter.Greter/SayHello"]).failure(1),
        &["there is no service `greeter.Greter`", "did you mean greeter.Greeter?"],
    );
    check(
        &demo.call(&["Greter/SayHello"]).failure(1),
        &["there is no service `Greter`", "did you mean greeter.Greeter?"],
    );
    check(&tram(&["ls", &demo.address, "Greter"]).failure(1), &["did you mean"]);
}

#[test]
fn data_that_does_not_fit() {
    let demo = Demo::start();
    check(
        &demo.call(&["SayHello", "nmae: 'Alice'"]).failure(1),
        &[
            "greeter.HelloRequest has no field `nmae`",
            " --> data:1:1\n",
            "1 | nmae: 'Alice'\n",
            "  | ^^^^\n",
            "did you mean `name`?",
        ],
    );
    check(
        &demo.call(&["SayHello", r#"{"nmae": "Alice"}"#]).failure(1),
        &["greeter.HelloRequest has no field `nmae`", " --> data:1:2\n", "did you mean `name`?"],
    );
    check(&demo.call(&["SayHello", "name: Alice"]).failure(1), &["`name` is a string", "'Alice'"]);
    check(&demo.call(&["SayHello", r#"{"name": }"#]).failure(1), &["this is not JSON", "data:1:10"]);
    check(&demo.call(&["SayHello", "name: 'a'", "name: 'b'"]).failure(1), &["takes one message", "once for each"]);
    check(&demo.call(&["SayHello", "@/nowhere"]).failure(1), &["/nowhere cannot be read"]);
}

#[test]
fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has one").to_string();
    let stderr = tram(&["call", &free, "SayHello"]).failure(1);
    check(&stderr, &["UNAVAILABLE", "nothing listens there"]);
}

#[test]
fn command_lines_that_make_no_sense() {
    check(&tram(&["cal"]).failure(2), &["there is no command `cal`", "did you mean `call`?"]);
    check(&tram(&["call"]).failure(2), &["needs an address", "tram call [FLAGS] ADDRESS METHOD"]);
    check(&tram(&["call", "localhost:1"]).failure(2), &["needs the name of a method"]);
    check(&tram(&["call", "localhost", "SayHello"]).failure(2), &["no port", "localhost:50051"]);
    check(&tram(&["call", "--tmeout", "1"]).failure(2), &["did you mean --timeout?"]);
    check(&tram(&["ls", "-plaintext", "localhost:1"]).failure(2), &["--plaintext"]);
    check(&tram(&["call", "--cert", "x", "localhost:1", "M"]).failure(2), &["--cert needs --key"]);
    check(&tram(&["call", "--plaintext", "--tls", "localhost:1", "M"]).failure(2), &["contradicts"]);
    check(&tram(&["ls", "-H", "x-bin: !", "localhost:1"]).failure(2), &["base64"]);
}
