//! The whole road of a unary call in this process, for callgrind: `tramline-road server|client DEPTH COUNT`.
//!
//! No sockets: the other side is a byte stream in memory that answers with canned octets
//! (`canned.rs`, whose own cost is to be taken off). Everything else is what a user has:
//! the public API with default settings, on a runtime of one thread. What counts is
//! inside of `measured`: `valgrind --tool=callgrind --toggle-collect='*::measured'`.

mod canned;
#[path = "../proto.rs"]
mod proto;
#[path = "../service.rs"]
mod service;
mod template;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use canned::{Caller, Gate, Responder};
use proto::helloworld::HelloRequest;
use proto::helloworld::greeter_client::GreeterClient;
use tokio::runtime::Runtime;
use tramline::server::Listener;
use tramline::{Channel, Clock, ConnectionInfo, Sleep, TimeSource};

const WARM_UP_COUNT: usize = 4096;

/// Under valgrind everything is slow, and Tramline would take every handler for a slow one.
struct Frozen;

impl TimeSource for Frozen {
    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn sleep_until(&self, _at: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

/// A listener with one connection.
struct Once(Option<Caller>);

impl futures_core::Stream for Once {
    type Item = std::io::Result<(Caller, ConnectionInfo)>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(io) => Poll::Ready(Some(Ok((io, ConnectionInfo::default())))),
            None => Poll::Pending,
        }
    }
}

#[inline(never)]
fn measured(runtime: &Runtime, gate: &Gate, batches: usize) {
    runtime.block_on(gate.pass(batches));
}

fn serve(runtime: &Runtime, depth: usize, count: usize) -> anyhow::Result<()> {
    let gate = Arc::new(Gate::default());
    let caller = Caller::new(template::requests(depth), Arc::clone(&gate));
    let server = service::builder().clock(Clock::custom(Frozen)).listen(Listener::from_stream(Once(Some(caller))))?;
    let _handle = {
        let _entered = runtime.enter();
        server.start()?
    };
    runtime.block_on(gate.pass(WARM_UP_COUNT / depth));
    let before = gate.reply_octets();
    measured(runtime, &gate, count / depth);
    let octets = gate.reply_octets() - before;
    println!("{:.1} octets a reply", octets as f64 / count as f64);
    Ok(())
}

async fn call(greeter: GreeterClient, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        let request = HelloRequest { name: "world".to_owned(), ..Default::default() };
        let reply = greeter.say_hello(request).await?.into_inner();
        ensure!(reply.message == "Hello, world!", "wrong reply: {:?}", reply.message);
    }
    Ok(())
}

async fn calls(greeter: &GreeterClient, depth: usize, count: usize) -> anyhow::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    (0..depth).for_each(|_| drop(tasks.spawn(call(greeter.clone(), count / depth))));
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

#[inline(never)]
fn measured_client(runtime: &Runtime, greeter: &GreeterClient, depth: usize, count: usize) -> anyhow::Result<()> {
    runtime.block_on(calls(greeter, depth, count))
}

fn ask(runtime: &Runtime, depth: usize, count: usize) -> anyhow::Result<()> {
    let template = template::answers();
    let connector = move |_| std::future::ready(Ok(Responder::new(template.clone())));
    let channel = Channel::builder("ipv4:127.0.0.1:50051").connector(connector).clock(Clock::custom(Frozen)).build()?;
    let greeter = GreeterClient::new(channel);
    runtime.block_on(calls(&greeter, depth, WARM_UP_COUNT))?;
    measured_client(runtime, &greeter, depth, count)
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().context("server or client?")?;
    let depth = arguments.next().map_or(Ok(1), |depth| depth.parse())?;
    let count = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match role.as_str() {
        "server" => serve(&runtime, depth, count),
        "client" => ask(&runtime, depth, count),
        other => bail!("neither server nor client: {other}"),
    }
}
