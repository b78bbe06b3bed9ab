//! The classic tutorial's greeter, on the other side of ours.

use std::time::Duration;

use crate::process::{Command, Running};
use crate::report::Counts;
use crate::workspace::{Workspace, is_free};

/// The tutorial's port.
const TUTORIAL_PORT: u16 = 50051;
const GREETING: &str = "Greeter client received: Hello, Alice!";
const START_TIMEOUT: Duration = Duration::from_secs(20);
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for client in [python, node] {
        let name = client(workspace, "client", 0).1;
        counts.add(&format!("{name} -> tram demo"), foreign_client(workspace, client));
    }
    for server in [python, node] {
        let name = server(workspace, "server", 0).1;
        counts.add(&format!("tram call -> {name}"), foreign_server(workspace, server));
    }
    counts.add("tram demo --once", demo_once(workspace));
    Ok(counts)
}

type Program = fn(&Workspace, &str, u16) -> (Command, &'static str);

fn foreign_client(workspace: &Workspace, client: Program) -> Result<(), String> {
    let port = port(workspace)?;
    let demo = Command::new(workspace.ours("tram")).arguments(&["demo", "--addr", &format!("127.0.0.1:{port}")]);
    let running = start(workspace, demo, "greeter-demo", port)?;
    let output = client(workspace, "client", port).0.timeout(CALL_TIMEOUT).succeed(&workspace.log("greeter-client"))?;
    drop(running);
    expect(&output, GREETING)
}

fn foreign_server(workspace: &Workspace, server: Program) -> Result<(), String> {
    let port = port(workspace)?;
    let running = start(workspace, server(workspace, "server", port).0, "greeter-server", port)?;
    let target = format!("localhost:{port}");
    let proto = workspace.interop("proto").join("greeter.proto");
    let command = Command::new(workspace.ours("tram")).arguments(&["call", "--proto"]).argument(proto);
    let command = command.arguments(&[&target, "SayHello", "name: 'Alice'"]);
    let output = command.timeout(CALL_TIMEOUT).succeed(&workspace.log("greeter-call"))?;
    drop(running);
    expect(&output, "Hello, Alice!")
}

fn demo_once(workspace: &Workspace) -> Result<(), String> {
    let address = format!("127.0.0.1:{}", port(workspace)?);
    let command = Command::new(workspace.ours("tram")).arguments(&["demo", "--once", "--addr", &address]);
    expect(&command.timeout(CALL_TIMEOUT).succeed(&workspace.log("greeter-once"))?, GREETING)
}

fn start(workspace: &Workspace, mut command: Command, log: &str, port: u16) -> Result<Running, String> {
    let mut running = command.start(&workspace.log(log))?;
    running.wait_for_port(port, START_TIMEOUT)?;
    Ok(running)
}

/// The tutorial's own port, unless somebody on this machine is using it.
fn port(workspace: &Workspace) -> Result<u16, String> {
    if is_free(TUTORIAL_PORT) { Ok(TUTORIAL_PORT) } else { workspace.free_port() }
}

fn expect(output: &str, wanted: &str) -> Result<(), String> {
    if output.contains(wanted) { Ok(()) } else { Err(format!("no `{wanted}` in:\n{output}")) }
}

fn python(workspace: &Workspace, side: &str, port: u16) -> (Command, &'static str) {
    let script = workspace.interop("python").join(format!("greeter_{side}.py"));
    let command = Command::new(workspace.suites().join("python/bin/python")).argument(script);
    let command = command.argument(port.to_string()).variable("PYTHONDONTWRITEBYTECODE", "1");
    (command.variable("PYTHONPATH", workspace.suites().join("python-generated")), "grpcio")
}

fn node(workspace: &Workspace, side: &str, port: u16) -> (Command, &'static str) {
    let script = workspace.interop("node").join(format!("greeter_{side}.js"));
    let proto = workspace.interop("proto").join("greeter.proto");
    let command = Command::new("node").argument(script).argument(proto).argument(port.to_string());
    (command.variable("NODE_PATH", workspace.suites().join("node/node_modules")), "grpc-js")
}
