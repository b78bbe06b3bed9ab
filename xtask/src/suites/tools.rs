//! Tools that people use every day, against `tram demo`: grpcurl by reflection,
//! grpc-health-probe.

use std::time::Duration;

use crate::process::Command;
use crate::report::Counts;
use crate::workspace::Workspace;

const START_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let port = workspace.free_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut demo = Command::new(workspace.ours("tram")).arguments(&["demo", "--addr", &address]);
    let mut running = demo.start(&workspace.log("tools-demo"))?;
    running.wait_for_port(port, START_TIMEOUT)?;
    let mut counts = Counts::default();
    for (name, arguments, wanted) in GRPCURL {
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == ADDRESS { &address } else { *word }).collect();
        let command = Command::new(workspace.foreign("grpcurl")).argument("-plaintext").arguments(&arguments);
        counts.add(&format!("grpcurl {name}"), expect(workspace, command, wanted));
    }
    for service in ["", "greeter.Greeter"] {
        let arguments = [format!("-addr={address}"), format!("-service={service}")];
        let command = Command::new(workspace.foreign("grpc-health-probe")).arguments(&arguments);
        counts.add(&format!("grpc-health-probe of `{service}`"), expect(workspace, command, "SERVING"));
    }
    drop(running);
    Ok(counts)
}

/// Stands for the demo's address.
const ADDRESS: &str = "ADDRESS";

type Run = (&'static str, &'static [&'static str], &'static str);

const GRPCURL: &[Run] = &[
    ("list", &[ADDRESS, "list"], "greeter.Greeter"),
    ("list of methods", &[ADDRESS, "list", "greeter.Chat"], "greeter.Chat.BidirectionalChat"),
    ("describe", &[ADDRESS, "describe", "greeter.HelloRequest"], "string name = 1;"),
    ("unary", &["-d", r#"{"name":"Alice"}"#, ADDRESS, "greeter.Greeter/SayHello"], r#""message": "Hello, Alice!""#),
    ("deadline", &["-max-time", "5", "-d", r#"{"name":"Bob"}"#, ADDRESS, "greeter.Greeter/SayHello"], "Hello, Bob!"),
    ("health", &[ADDRESS, "grpc.health.v1.Health/Check"], "SERVING"),
];

fn expect(workspace: &Workspace, command: Command, wanted: &str) -> Result<(), String> {
    let output = command.timeout(CALL_TIMEOUT).succeed(&workspace.log("tools"))?;
    if output.contains(wanted) { Ok(()) } else { Err(format!("no `{wanted}` in:\n{output}")) }
}
