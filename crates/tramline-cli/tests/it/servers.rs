//! Servers of other kinds than the demo.

use tramline::Server;
use tramline_services::health::HealthReporter;

use crate::support::tram;

#[test]
fn a_server_without_reflection_is_called_by_a_schema_from_files() {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let _inside = runtime.enter();
    let server = Server::builder().add_service(HealthReporter::new().service()).bind("127.0.0.1:0").expect("binds");
    let address = server.local_addr().expect("has one").to_string();
    let _serving = server.start().expect("starts");

    let stderr = tram(&["ls", &address]).failure(1);
    assert!(stderr.contains("has no reflection service") && stderr.contains("--proto"), "{stderr}");

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tramline-services/proto");
    let proto = format!("{folder}/grpc/health/v1/health.proto");
    let arguments = ["call", "-I", folder, "--proto", &proto, &address, "Check"];
    assert!(tram(&arguments).success().contains("SERVING"));
    // What the schema has and the server does not is the server's to say.
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/greeter.proto");
    let stderr = tram(&["call", "--proto", proto, &address, "SayHello"]).failure(64 + 12);
    assert!(stderr.contains("UNIMPLEMENTED"), "{stderr}");
}

#[test]
fn something_that_does_not_speak_grpc_is_not_waited_for() {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has one").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let stderr = tram(&["ls", "--connect-timeout", "5", &address]).failure(1);
    assert!(stderr.starts_with("error: "), "{stderr}");
}
