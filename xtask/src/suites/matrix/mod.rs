//! The official interop cases, every client against every server, over plaintext and
//! TLS, as one table.

mod limits;
mod peers;
mod table;

use std::sync::Mutex;
use std::time::Duration;

use crate::process::{Running, cause};
use crate::report::Counts;
use crate::workspace::Workspace;
use limits::Evidence;
use peers::Peer;
use table::{Cell, Table};

/// gRPC's interop-test-descriptions, less the cases that need a cloud.
const CASES: &[&str] = &[
    "empty_unary",
    "large_unary",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_streaming",
    "client_compressed_streaming",
    "server_streaming",
    "server_compressed_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "rpc_soak",
    "channel_soak",
];

/// Cases that only some clients have.
const EXTRA_CASES: &[(Peer, &[&str])] = &[
    (Peer::Go, &["pick_first_unary"]),
    (
        Peer::Java,
        &[
            "pick_first_unary",
            "very_large_request",
            "client_compressed_unary_noprobe",
            "client_compressed_streaming_noprobe",
        ],
    ),
];

const START_TIMEOUT: Duration = Duration::from_secs(30);
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// What all suites of this run found, for the one table at the end.
static TABLE: Mutex<Table> = Mutex::new(Table::new());

pub(super) fn run_own(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, &[(Peer::Tramline, Peer::Tramline)])
}

pub(super) fn run_go(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, &[(Peer::Tramline, Peer::Go), (Peer::Go, Peer::Tramline)])
}

pub(super) fn run_java(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, &[(Peer::Tramline, Peer::Java), (Peer::Java, Peer::Tramline)])
}

pub(super) fn run_python(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, &[(Peer::Tramline, Peer::Python), (Peer::Python, Peer::Tramline)])
}

pub(super) fn run_node(workspace: &Workspace) -> Result<Counts, String> {
    run(workspace, &[(Peer::Node, Peer::Tramline)])
}

/// The foreign programs among themselves, cell by cell: what fails here is not ours.
pub(super) fn run_peers(workspace: &Workspace) -> Result<Counts, String> {
    let clients = [Peer::Go, Peer::Java, Peer::Python, Peer::Node];
    let servers = [Peer::Go, Peer::Java, Peer::Python];
    let pairs: Vec<_> = clients.iter().flat_map(|client| servers.map(|server| (*client, server))).collect();
    run(workspace, &pairs)
}

/// Prints the table of all cells so far.
pub(super) fn print() {
    if let Ok(table) = TABLE.lock() {
        table.print(CASES);
    }
}

fn run(workspace: &Workspace, pairs: &[(Peer, Peer)]) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for &(client, server) in pairs {
        for tls in [false, true] {
            run_pair(workspace, client, server, tls, &mut counts)?;
        }
    }
    counts.note = format!("{} cells that a peer's program cannot do", evidence_cells(pairs));
    Ok(counts)
}

fn evidence_cells(pairs: &[(Peer, Peer)]) -> usize {
    let cells = pairs.iter().flat_map(|&(client, server)| CASES.iter().map(move |case| (client, server, case)));
    2 * cells.filter(|(client, server, case)| limits::find(*client, *server, case).is_some()).count()
}

fn run_pair(workspace: &Workspace, client: Peer, server: Peer, tls: bool, counts: &mut Counts) -> Result<(), String> {
    let (port, running) = start(workspace, server, tls)?;
    let extra = EXTRA_CASES.iter().filter(|(peer, _)| *peer == client && server == Peer::Tramline);
    for case in CASES.iter().chain(extra.flat_map(|(_, cases)| cases.iter())) {
        let cell = match limits::find(client, server, case) {
            None => Cell::from(run_case(workspace, client, port, tls, case)),
            Some(limit) => match prove(workspace, limit.evidence) {
                Ok(()) => Cell::Cannot { reason: limit.reason, evidence: limit.evidence },
                Err(error) => Cell::Failed(error),
            },
        };
        record(client, server, tls, case, cell, counts);
    }
    drop(running);
    Ok(())
}

fn record(client: Peer, server: Peer, tls: bool, case: &'static str, cell: Cell, counts: &mut Counts) {
    let security = if tls { "TLS" } else { "plaintext" };
    let name = format!("{} -> {} {case} ({security})", client.name(), server.name());
    match &cell {
        Cell::Passed => counts.passed += 1,
        Cell::Failed(error) => counts.failures.push(format!("{name}: {error}")),
        Cell::Cannot { .. } => {}
    }
    if let Ok(mut table) = TABLE.lock() {
        table.add(client, server, tls, case, cell);
    }
}

fn start(workspace: &Workspace, server: Peer, tls: bool) -> Result<(u16, Running), String> {
    let port = workspace.free_port()?;
    let mut command = server.server(workspace, port, tls).ok_or("that peer has no server")?;
    let mut running = command.start(&workspace.log(&format!("server-{}-{port}", server.name())))?;
    running.wait_for_port(port, START_TIMEOUT)?;
    Ok((port, running))
}

fn run_case(workspace: &Workspace, client: Peer, port: u16, tls: bool, case: &str) -> Result<(), String> {
    let log = workspace.log(&format!("client-{}-{port}-{case}", client.name()));
    let ended = client.client(workspace, port, tls, case).timeout(CASE_TIMEOUT).run(&log)?;
    if ended.is_success { Ok(()) } else { Err(cause(&ended.output)) }
}

/// Runs what has to fail, once for all cells that rest on it.
fn prove(workspace: &Workspace, evidence: Evidence) -> Result<(), String> {
    static PROVEN: Mutex<Vec<Evidence>> = Mutex::new(Vec::new());
    if PROVEN.lock().is_ok_and(|proven| proven.contains(&evidence)) {
        return Ok(());
    }
    let (port, running) = start(workspace, evidence.server, false)?;
    let result = run_case(workspace, evidence.client, port, false, evidence.case);
    drop(running);
    let Err(shown) = result else {
        let (client, server) = (evidence.client.name(), evidence.server.name());
        return Err(format!("{client} -> {server} {} passes now: the limit can go", evidence.case));
    };
    if let Ok(mut table) = TABLE.lock() {
        table.show_evidence(evidence, shown);
    }
    if let Ok(mut proven) = PROVEN.lock() {
        proven.push(evidence);
    }
    Ok(())
}
