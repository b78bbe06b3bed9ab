//! The programs that take part in the official interop cases.

use crate::process::Command;
use crate::workspace::Workspace;

/// Whose gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Peer {
    Tramline,
    Go,
    Java,
    Python,
    Node,
    /// Node's own HTTP/2, which shows what gRPC libraries hide. A client alone.
    NodeHttp2,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::Tramline => "tramline",
            Peer::Go => "go",
            Peer::Java => "java",
            Peer::Python => "python",
            Peer::Node => "node",
            Peer::NodeHttp2 => "node:http2",
        }
    }

    /// Its server. There is none on Node.
    pub(super) fn server(self, workspace: &Workspace, port: u16, tls: bool) -> Option<Command> {
        let flags = [format!("--port={port}"), format!("--use_tls={tls}")];
        let command = match self {
            Peer::Tramline => Command::new(workspace.ours("interop-server")),
            Peer::Go => Command::new(workspace.foreign("go-interop-server")),
            Peer::Java => java(workspace).argument("io.grpc.testing.integration.TestServiceServer"),
            Peer::Python => python(workspace, "interop_server.py"),
            Peer::Node | Peer::NodeHttp2 => return None,
        };
        Some(command.arguments(&flags))
    }

    /// Its client, for one case.
    pub(super) fn client(self, workspace: &Workspace, port: u16, tls: bool, case: &str) -> Command {
        let mut flags = vec![
            "--server_host=127.0.0.1".to_owned(),
            format!("--server_port={port}"),
            format!("--test_case={case}"),
            format!("--use_tls={tls}"),
        ];
        if tls {
            flags.push("--server_host_override=foo.test.google.fr".to_owned());
        }
        if matches!(self, Peer::Tramline | Peer::Go | Peer::Java) {
            flags.push(format!("--use_test_ca={tls}"));
            // The first call of a JVM alone takes longer than the default of 1 s.
            flags.push("--soak_per_iteration_max_acceptable_latency_ms=5000".to_owned());
        }
        let command = match self {
            Peer::Tramline => Command::new(workspace.ours("interop-client")),
            Peer::Go => Command::new(workspace.foreign("go-interop-client")),
            Peer::Java => java(workspace).argument("io.grpc.testing.integration.TestServiceClient"),
            Peer::Python => python(workspace, "interop_client.py"),
            Peer::Node => node(workspace, "interop_client.js"),
            Peer::NodeHttp2 => node(workspace, "flag_client.js"),
        };
        command.arguments(&flags)
    }
}

fn java(workspace: &Workspace) -> Command {
    // What JIT compilers gain is lost in programs that live for a second.
    let quick_start = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"];
    Command::new("java").arguments(&quick_start).argument("-cp").argument(workspace.suites().join("java/*"))
}

fn python(workspace: &Workspace, script: &str) -> Command {
    let command = Command::new(workspace.suites().join("python/bin/python"));
    let command = command.argument(workspace.interop("python").join(script));
    command
        .argument("--certificates")
        .argument(workspace.certificates())
        .variable("PYTHONPATH", workspace.suites().join("python-generated"))
        .variable("PYTHONDONTWRITEBYTECODE", "1")
}

fn node(workspace: &Workspace, script: &str) -> Command {
    let command = Command::new("node").argument(workspace.interop("node").join(script));
    command
        .argument(format!("--protos={}", workspace.interop("proto").display()))
        .argument(format!("--certificates={}", workspace.certificates().display()))
        .variable("NODE_PATH", workspace.suites().join("node/node_modules"))
}
