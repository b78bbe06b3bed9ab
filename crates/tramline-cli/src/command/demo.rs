//! `tram demo`: a server to try things on.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tramline::{Channel, Error, Server};
use tramline_services::error_details;
use tramline_services::health::{self, HealthReporter, ServingStatus};
use tramline_services::reflection::Reflection;

use crate::demo::greeter::chat_server::ChatServer;
use crate::demo::greeter::greeter_client::GreeterClient;
use crate::demo::greeter::greeter_server::GreeterServer;
use crate::demo::greeter::{FILE_DESCRIPTOR_SET, HelloRequest, chat_service, greeter_service};
use crate::demo::{Greetings, Rooms};
use crate::failure::{Failure, one_line};
use crate::flags::{Command, Options, UsageError};
use crate::output;

/// Where the classic greeter listens.
const ADDRESS: &str = "127.0.0.1:50051";

/// How long the one call may take, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long calls in flight may go on when the server is stopped.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

pub(super) async fn run(options: &Options, operands: &[String]) -> Result<(), Failure> {
    if let Some(operand) = operands.first() {
        return Err(UsageError::new(format!("tram demo does not know what to do with `{operand}`"))
            .with_hint(Command::Demo.usage())
            .into());
    }
    let address = options.listen_address.as_deref().unwrap_or(ADDRESS);
    let health = HealthReporter::new();
    let server = server(&health, address)?;
    let local = server.local_addr().ok_or_else(|| Failure::new("the server listens on no IP address"))?;
    let serving = server.start().map_err(|error| Failure::new(error.to_string()))?;
    output::print(&format!("Serving greeter.Greeter and greeter.Chat on {local}\n"))?;
    let reply = greet(dialable(local)).await?;
    output::print(&format!("Greeter client received: {reply}\n"))?;
    if !options.is_once {
        output::print(&next_steps(dialable(local)))?;
        interrupted().await?;
        health.shutdown();
    }
    // Who asks twice does not want to wait.
    tokio::select! {
        () = serving.drain(DRAIN_GRACE) => Ok(()),
        interrupted = interrupted() => {
            serving.abort();
            interrupted
        }
    }
}

fn server(health: &HealthReporter, address: &str) -> Result<Server, Failure> {
    for service in [greeter_service::NAME, chat_service::NAME] {
        health.set(service, ServingStatus::Serving);
    }
    let reflection = Reflection::builder()
        .descriptor_set(FILE_DESCRIPTOR_SET)
        .descriptor_set(health::DESCRIPTOR_SET)
        .descriptor_set(error_details::DESCRIPTOR_SET)
        .build()
        .map_err(|error| Failure::new(error.to_string()))?;
    Server::builder()
        .add_service(GreeterServer::new(Greetings))
        .add_service(ChatServer::new(Rooms))
        .add_service(health.service())
        .add_service(reflection)
        .bind(address)
        .map_err(|error| unbound(&error, address))
}

/// Why the address cannot be had, and what to do.
fn unbound(error: &Error, address: &str) -> Failure {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    let port = address.rsplit(':').next().unwrap_or_default();
    match cause {
        Some(io::ErrorKind::AddrInUse) => Failure::with_hint(
            format!("another program listens on {address}"),
            format!(
                "choose another port, as in tram demo --addr 127.0.0.1:0, or stop that program: `ss -ltnp sport = :{port}` names it"
            ),
        ),
        Some(io::ErrorKind::PermissionDenied) => Failure::with_hint(
            format!("this user may not listen on {address}"),
            "ports below 1024 are for root: choose a higher one by --addr",
        ),
        _ => {
            Failure::with_hint(error.to_string(), "--addr takes an address of this machine and a port: 127.0.0.1:50051")
        }
    }
}

/// The address by which the server is reached from this machine.
fn dialable(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

/// The one call, through a real socket.
async fn greet(address: SocketAddr) -> Result<String, Failure> {
    let channel = Channel::new(&address.to_string()).map_err(|error| Failure::new(error.to_string()))?;
    let request = HelloRequest { name: "Alice".into(), ..Default::default() };
    let reply = GreeterClient::new(channel).say_hello(request).timeout(CALL_TIMEOUT).await;
    let reply = reply.map_err(|status| Failure::new(format!("the greeter's call failed: {}", one_line(&status))))?;
    Ok(reply.into_inner().message)
}

fn next_steps(address: SocketAddr) -> String {
    let tram = program();
    format!(
        "\nTry next, in another terminal:\n  \
         {tram} ls -l {address}\n  \
         {tram} describe {address} HelloRequest\n  \
         {tram} call {address} SayHello \"name: 'Alice'\"\n  \
         {tram} call {address} ChatStream '{{\"room\": \"lobby\", \"messageCount\": 3}}'\n  \
         {tram} call {address} UploadFile \"{{file_name: 'a.txt' content: 'one'}} {{content: 'two'}}\"\n  \
         {tram} call {address} BidirectionalChat \"{{sender: 'me' text: 'hi'}}\"\n  \
         {tram} call {address} grpc.health.v1.Health/Check\n\n\
         Ctrl-C stops the server.\n"
    )
}

/// How this program was started, so that what is proposed can be typed as it stands:
/// by its path, or by a name that the shell finds.
fn program() -> String {
    std::env::args().next().filter(|name| name.contains(std::path::MAIN_SEPARATOR)).unwrap_or_else(|| "tram".to_owned())
}

/// Ready at Ctrl-C, or when the process is asked to end.
async fn interrupted() -> Result<(), Failure> {
    let failure = |error: io::Error| Failure::new(format!("signals cannot be waited for: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(failure)?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupt = tokio::signal::ctrl_c() => interrupt.map_err(failure),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failure)
}
