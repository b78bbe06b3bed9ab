//! The whole road of a unary call: driver, engine, call layer, codec and handler, on a
//! runtime of one thread, through the public API with default settings.
//!
//! No sockets: the other side is a byte stream in memory that answers by rote ([`canned`]).
//! Its own instructions, about 400 for a call that is alone and 120 for one of 32, are in
//! the figures, and so are tokio's and those of the handler.

mod canned;
mod template;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use canned::{Caller, Gate, Responder};
use tokio::runtime::Runtime;
use tramline::server::Listener;
use tramline::{Channel, Clock, ConnectionInfo, Sleep, TimeSource};

use crate::proto::helloworld::HelloRequest;
use crate::proto::helloworld::greeter_client::GreeterClient;
use crate::{Run, Scenario, service};

const COUNT: usize = 3200;
const WARM_UP_COUNT: usize = 640;

/// All scenarios of this file.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "road/server/unary-1", count: COUNT, prepare: || serve(1, false) },
    Scenario { name: "road/server/unary-32", count: COUNT, prepare: || serve(32, false) },
    Scenario { name: "road/server/metadata-1", count: COUNT, prepare: || serve(1, true) },
    Scenario { name: "road/server/metadata-32", count: COUNT, prepare: || serve(32, true) },
    Scenario { name: "road/client/unary-1", count: COUNT, prepare: || ask(1) },
    Scenario { name: "road/client/unary-32", count: COUNT, prepare: || ask(32) },
];

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

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A server answers `COUNT` calls, `depth` at a time. With metadata, each has three entries
/// and a deadline.
fn serve(depth: usize, has_metadata: bool) -> Run {
    let (runtime, gate) = (runtime(), Arc::new(Gate::default()));
    let caller = Caller::new(template::requests(depth, has_metadata), Arc::clone(&gate));
    let listener = Listener::from_stream(Once(Some(caller)));
    let server = service::builder().clock(Clock::custom(Frozen)).listen(listener).expect("a server");
    let handle = {
        let _entered = runtime.enter();
        server.start().expect("a server")
    };
    runtime.block_on(gate.pass(WARM_UP_COUNT / depth));
    Box::new(move || {
        let _alive = &handle;
        runtime.block_on(gate.pass(COUNT / depth));
    })
}

async fn call(greeter: GreeterClient, count: usize) {
    for _ in 0..count {
        let request = HelloRequest { name: "world".to_owned(), ..Default::default() };
        let reply = greeter.say_hello(request).await.expect("a reply").into_inner();
        assert_eq!(reply.message, "Hello, world!");
    }
}

async fn calls(greeter: &GreeterClient, depth: usize, count: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    (0..depth).for_each(|_| drop(tasks.spawn(call(greeter.clone(), count / depth))));
    while let Some(outcome) = tasks.join_next().await {
        outcome.expect("a task that ends");
    }
}

/// A client makes `COUNT` calls, `depth` at a time.
fn ask(depth: usize) -> Run {
    let (runtime, template) = (runtime(), template::answers());
    let connector = move |_| std::future::ready(Ok(Responder::new(template.clone())));
    let builder = Channel::builder("ipv4:127.0.0.1:50051").connector(connector).clock(Clock::custom(Frozen));
    let greeter = GreeterClient::new(builder.build().expect("a channel"));
    runtime.block_on(calls(&greeter, depth, WARM_UP_COUNT));
    Box::new(move || runtime.block_on(calls(&greeter, depth, COUNT)))
}
