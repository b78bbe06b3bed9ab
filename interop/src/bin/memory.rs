//! Ten thousand calls at once: none fails, and the server's heap comes back.
//!
//! The program is its own server, in a process of its own, which says on its standard
//! output how much of its heap is alive whenever a line comes in. A handler answers only
//! when all calls of a round have arrived, so that they are really there at once.

use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use interop::counting::CountingAllocator;
use interop::protos::grpc::testing::test_service_client::TestServiceClient;
use interop::protos::grpc::testing::{Payload, SimpleRequest, SimpleResponse};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tramline::{Channel, Method, Response, Server, Status, codec::Buffa};

#[global_allocator]
static HEAP: CountingAllocator = CountingAllocator::new();

const CONNECTIONS: usize = 100;
const CALLS_PER_CONNECTION: usize = 100;
const CALLS: usize = CONNECTIONS * CALLS_PER_CONNECTION;
/// After the first, which warms up.
const ROUNDS: usize = 3;
/// How far from its size after the first round the heap may be.
const HEAP_GROWTH_MAX: usize = 2 * 1024 * 1024;
const ROUND_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for what was freed by other tasks to be gone.
const SETTLE_TIME: Duration = Duration::from_millis(500);
const PAYLOAD: &[u8] = &[7; 100];

const ECHO: Method<SimpleRequest, SimpleResponse, Buffa> = Method::unary("/grpc.testing.TestService/UnaryCall", Buffa);

#[tokio::main]
async fn main() -> ExitCode {
    let is_server = std::env::args().nth(1).as_deref() == Some("server");
    let result = if is_server { serve().await } else { judge().await };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens when everybody is there.
#[derive(Default)]
struct Gate {
    arrived: AtomicUsize,
    opened: Notify,
}

impl Gate {
    async fn pass(&self) {
        let opened = self.opened.notified();
        if (self.arrived.fetch_add(1, Ordering::AcqRel) + 1).is_multiple_of(CALLS) {
            self.opened.notify_waiters();
        } else {
            opened.await;
        }
    }
}

async fn serve() -> Result<(), String> {
    let gate = Arc::new(Gate::default());
    let server = Server::builder().add_routes(move |routes| {
        routes.unary(ECHO, gate, |gate: Arc<Gate>, request| async move {
            gate.pass().await;
            let payload = request.into_inner().payload;
            Ok::<_, Status>(Response::new(SimpleResponse { payload, ..Default::default() }))
        });
    });
    let server = server.bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    println!("{}", server.local_addr().ok_or("no address")?);
    let _handle = server.start().map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while lines.next_line().await.map_err(|error| error.to_string())?.is_some() {
        println!("{}", HEAP.live_len());
    }
    Ok(())
}

async fn judge() -> Result<(), String> {
    let mut server = ServerProcess::start().await?;
    let channels = (0..CONNECTIONS).map(|_| Channel::new(&server.address).map_err(|error| error.to_string()));
    let channels = channels.collect::<Result<Vec<_>, _>>()?;
    println!("before any call: {} octets alive", server.heap_len().await?);
    round(&channels).await?;
    let warm = server.settled_heap_len().await?;
    println!("after a first round of {CALLS} calls: {warm} octets alive");
    for number in 1..=ROUNDS {
        round(&channels).await?;
        let len = server.settled_heap_len().await?;
        println!("round {number}: {CALLS} calls, {len} octets alive");
        if len.abs_diff(warm) > HEAP_GROWTH_MAX {
            return Err(format!("the heap is {} octets away from what it was", len.abs_diff(warm)));
        }
    }
    drop(channels);
    Ok(())
}

/// All calls of one round, at once.
async fn round(channels: &[Channel]) -> Result<(), String> {
    let mut calls = JoinSet::new();
    for channel in channels {
        for _ in 0..CALLS_PER_CONNECTION {
            calls.spawn(call(TestServiceClient::new(channel.clone())));
        }
    }
    let all = async {
        while let Some(ended) = calls.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
        Ok(())
    };
    timeout(ROUND_TIMEOUT, all).await.map_err(|_| format!("not all of {CALLS} calls ended"))?
}

async fn call(client: TestServiceClient) -> Result<(), String> {
    let payload = Payload { body: PAYLOAD.into(), ..Default::default() };
    let request = SimpleRequest { payload: payload.into(), ..Default::default() };
    let reply = client.unary_call(request).await.map_err(|status| format!("{status:?}"))?;
    if reply.get_ref().payload.body == PAYLOAD { Ok(()) } else { Err("another payload came back".to_owned()) }
}

/// The server in a process of its own. It ends with its standard input.
struct ServerProcess {
    _child: Child,
    address: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl ServerProcess {
    async fn start() -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let address = next_line(&mut output).await?;
        Ok(ServerProcess { _child: child, address, input, output })
    }

    async fn heap_len(&mut self) -> Result<usize, String> {
        self.input.write_all(b"\n").await.map_err(|error| error.to_string())?;
        next_line(&mut self.output).await?.parse().map_err(|_| "no number from the server".to_owned())
    }

    async fn settled_heap_len(&mut self) -> Result<usize, String> {
        sleep(SETTLE_TIME).await;
        self.heap_len().await
    }
}

async fn next_line(output: &mut Lines<BufReader<ChildStdout>>) -> Result<String, String> {
    output.next_line().await.map_err(|error| error.to_string())?.ok_or_else(|| "the server ended".to_owned())
}
