//! The whole road of a unary call: driver, engine, call layer, codec and handler, on a
//! runtime of one thread, through the public API with default settings.
//!
//! No sockets: the other side is a byte stream in memory that answers by rote ([`canned`]).
//! Its own instructions, about 400 for a call that is alone and 120 for one of 32, are in
//! the figures, and so are tokio's and those of the handler. A stream's figures are for one
//! of its messages.

mod canned;
mod template;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use canned::{Caller, Gate, Responder};
use template::{Asked, HELLO, Requests};
use tokio::runtime::Runtime;
use tramline::server::{Listener, ServerHandle};
use tramline::{Channel, Clock, ConnectionInfo, Sleep, TimeSource};

use crate::proto::helloworld::HelloRequest;
use crate::proto::helloworld::greeter_client::GreeterClient;
use crate::{Run, Scenario, guard, service};

const COUNT: usize = 3200;
const WARM_UP_COUNT: usize = 640;
/// Messages of all streams of one run.
const MESSAGE_COUNT: usize = 64 * template::STREAM_COUNT;
const STREAM_WARM_UP_COUNT: usize = 16;

/// All scenarios of this file.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "road/server/unary-1", count: COUNT, prepare: || serve(1, Load::Bare, HELLO) },
    Scenario { name: "road/server/unary-32", count: COUNT, prepare: || serve(32, Load::Bare, HELLO) },
    Scenario { name: "road/server/metadata-1", count: COUNT, prepare: || serve(1, Load::Metadata, HELLO) },
    Scenario { name: "road/server/metadata-32", count: COUNT, prepare: || serve(32, Load::Metadata, HELLO) },
    Scenario { name: "road/server/laden-1", count: COUNT, prepare: || serve(1, Load::Guarded, HELLO) },
    Scenario { name: "road/server/laden-32", count: COUNT, prepare: || serve(32, Load::Guarded, HELLO) },
    Scenario { name: "road/server/stream-message", count: MESSAGE_COUNT, prepare: || stream(Load::Bare) },
    Scenario { name: "road/server/laden-stream-message", count: MESSAGE_COUNT, prepare: || stream(Load::Guarded) },
    Scenario { name: "road/server/ping-pong-32", count: COUNT, prepare: || ping_pong(32) },
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

/// What calls carry, and what a server does with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    Bare,
    /// Three entries and a deadline, which differs from call to call.
    Metadata,
    /// The same, and an interceptor that looks at one of them.
    Guarded,
}

/// A server that answers what its one client asks.
fn server(requests: Requests, load: Load) -> (Runtime, Arc<Gate>, ServerHandle) {
    let (runtime, gate) = (runtime(), Arc::new(Gate::default()));
    let caller = Caller::new(requests, Arc::clone(&gate));
    let mut builder = service::builder().clock(Clock::custom(Frozen));
    if load == Load::Guarded {
        builder = builder.interceptor(guard::Guard);
    }
    let server = builder.listen(Listener::from_stream(Once(Some(caller)))).expect("a server");
    let handle = {
        let _entered = runtime.enter();
        server.start().expect("a server")
    };
    (runtime, gate, handle)
}

/// It answers `COUNT` calls, `depth` at a time.
fn serve(depth: usize, load: Load, asked: Asked) -> Run {
    let (runtime, gate, handle) = server(template::requests(depth, load != Load::Bare, asked), load);
    runtime.block_on(gate.pass(WARM_UP_COUNT / depth));
    Box::new(move || {
        let _alive = &handle;
        runtime.block_on(gate.pass(COUNT / depth));
    })
}

/// It answers `MESSAGE_COUNT` messages, one stream after another.
fn stream(load: Load) -> Run {
    let (runtime, gate, handle) = server(template::requests(1, load != Load::Bare, template::STREAM), load);
    runtime.block_on(gate.pass(STREAM_WARM_UP_COUNT));
    Box::new(move || {
        let _alive = &handle;
        runtime.block_on(gate.pass(MESSAGE_COUNT / template::STREAM_COUNT));
    })
}

/// It answers `COUNT` messages, on `depth` calls that all go on.
fn ping_pong(depth: usize) -> Run {
    let (runtime, gate, handle) = server(template::pings(depth), Load::Bare);
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
