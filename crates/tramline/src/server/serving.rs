//! A server that is built: its listeners, and its end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::task::Poll;
use std::time::Duration;

use super::accept::accept_all;
use super::builder::{Runtime, ServerBuilder};
use super::executor::Executor;
use super::group::Group;
use super::listener::Listener;
use super::places::Places;
use super::settings::ServerShared;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::io::Address;

/// A gRPC server: built by [`Server::builder`], bound to addresses, then run.
///
/// ```no_run
/// # async fn f() -> Result<(), tramline::Error> {
/// use std::time::Duration;
///
/// let server = tramline::Server::builder().bind("127.0.0.1:0")?;
/// println!("listening on {}", server.local_addr().unwrap());
/// let handle = server.handle();
/// tokio::spawn(async move {
///     tokio::time::sleep(Duration::from_secs(60)).await;
///     handle.drain(Duration::from_secs(10)).await;
/// });
/// server.serve().await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<ServerShared>,
    runtime: Runtime,
    places: Arc<Places>,
    listening: Vec<Listening>,
}

/// One address, with a listener for each runtime that accepts on it.
#[derive(Debug)]
struct Listening {
    listeners: Vec<Listener>,
    address: Address,
    group: Arc<Group>,
}

impl Server {
    /// Starts with default settings and without services.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    pub(super) fn new(shared: ServerShared, runtime: Runtime, places: Arc<Places>) -> Self {
        Server { shared: Arc::new(shared), runtime, places, listening: Vec::new() }
    }

    /// Listens on one more address; see [`Listener::bind`] for what it may be.
    ///
    /// # Errors
    /// The address cannot be read or bound.
    pub fn bind(mut self, address: &str) -> Result<Self, Error> {
        let listeners = Listener::bind_shared(address, self.runtime.thread_count())?;
        self.add(listeners);
        Ok(self)
    }

    /// Takes connections from one more listener.
    #[must_use]
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.add(vec![listener.into()]);
        self
    }

    fn add(&mut self, listeners: Vec<Listener>) {
        let address = listeners.first().map(|first| first.address().clone()).unwrap_or_default();
        self.listening.push(Listening { listeners, address, group: Group::new(Arc::clone(&self.places)) });
    }

    /// The first IP address that it listens on, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses().find_map(Address::ip)
    }

    /// All addresses that it listens on, in the order in which they were added.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listening.iter().map(|listening| &listening.address)
    }

    /// Names of the services.
    #[must_use]
    pub fn services(&self) -> &[&'static str] {
        self.shared.routes.services()
    }

    /// What ends it, from anywhere.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        let groups = self.listening.iter().map(|l| (l.address.clone(), Arc::clone(&l.group))).collect();
        ServerHandle { groups, clock: self.shared.clock.clone() }
    }

    /// Serves until it is drained or aborted by its [`handle`](Self::handle), or all its
    /// listeners have ended.
    ///
    /// # Errors
    /// There is no listener, or one cannot be used.
    pub async fn serve(self) -> Result<(), Error> {
        let handle = self.start()?;
        let guard = AbortOnDrop(&handle);
        handle.ended().await;
        std::mem::forget(guard);
        Ok(())
    }

    /// Serves until `signal` is ready, then drains for at most `grace`.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_until(self, signal: impl Future<Output = ()>, grace: Duration) -> Result<(), Error> {
        let handle = self.start()?;
        let guard = AbortOnDrop(&handle);
        {
            let mut signal = std::pin::pin!(signal);
            let mut ended = std::pin::pin!(handle.ended());
            std::future::poll_fn(|cx| {
                if signal.as_mut().poll(cx).is_ready() || ended.as_mut().poll(cx).is_ready() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
        handle.drain(grace).await;
        std::mem::forget(guard);
        Ok(())
    }

    /// Starts to serve on tasks of the current runtime (or threads of its own), and
    /// returns at once.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Result<ServerHandle, Error> {
        if self.listening.is_empty() {
            return Err(Error::config("the server has nothing to listen on: call `bind` or `listen` first"));
        }
        let handle = self.handle();
        // What has started before a failure must not go on without a handle.
        self.start_listeners().inspect_err(|_| handle.abort())?;
        Ok(handle)
    }

    fn start_listeners(self) -> Result<(), Error> {
        let executor = match self.runtime {
            Runtime::Shared => Executor::start(),
            Runtime::PerCore { .. } => None,
        };
        for listening in self.listening {
            tracing::info!(address = %listening.address, "serving");
            for (n, listener) in listening.listeners.into_iter().enumerate() {
                let (shared, group) = (Arc::clone(&self.shared), Arc::clone(&listening.group));
                let executor = executor.clone();
                // The group is alive from now on, not only once the task or thread runs.
                let alive = group.enter();
                self.runtime.run(n, move || {
                    let acceptor = listener.start()?;
                    Ok(async move {
                        accept_all(acceptor, shared, Arc::clone(&group), executor).await;
                        drop(alive);
                        group.ended().await;
                    })
                })?;
            }
        }
        Ok(())
    }
}

/// A server whose `serve` is dropped must not go on without its owner.
struct AbortOnDrop<'a>(&'a ServerHandle);

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends a server, or one of its listeners.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    groups: Vec<(Address, Arc<Group>)>,
    clock: Clock,
}

impl ServerHandle {
    /// Stops accepting, lets calls in flight finish for at most `grace`, then aborts what
    /// is left. Ready when everything is over.
    ///
    /// Clients are told by a two-phase GOAWAY (RFC 9113 §6.8), so that no call is lost.
    pub async fn drain(&self, grace: Duration) {
        self.groups.iter().for_each(|(_, group)| group.drain());
        if self.clock.timeout(grace, self.ended()).await.is_none() {
            self.abort();
            self.ended().await;
        }
    }

    /// Ends everything now: calls in flight get UNAVAILABLE.
    pub fn abort(&self) {
        self.groups.iter().for_each(|(_, group)| group.abort());
    }

    /// The part of this handle that concerns one address.
    #[must_use]
    pub fn of_listener(&self, address: &Address) -> ServerHandle {
        let groups = self.groups.iter().filter(|(of, _)| of == address).cloned().collect();
        ServerHandle { groups, clock: self.clock.clone() }
    }

    /// Ready when everything is over.
    pub async fn ended(&self) {
        for (_, group) in &self.groups {
            group.ended().await;
        }
    }
}

impl Runtime {
    /// Listeners on one address.
    fn thread_count(self) -> usize {
        match self {
            Runtime::Shared => 1,
            Runtime::PerCore { threads } => threads.max(1),
        }
    }

    /// Runs what `start` makes, for the `n`-th listener of an address.
    fn run<F>(self, n: usize, start: impl FnOnce() -> std::io::Result<F> + Send + 'static) -> Result<(), Error>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let unusable = |error| Error::new(ErrorKind::Bind, "a listener cannot be used").with_source(error);
        match self {
            Runtime::Shared => {
                tokio::spawn(start().map_err(unusable)?);
                Ok(())
            }
            Runtime::PerCore { .. } => {
                let (report, started) = std::sync::mpsc::sync_channel(1);
                let thread = std::thread::Builder::new().name(format!("tramline-{n}"));
                thread.spawn(move || run_alone(start, &report)).map_err(unusable)?;
                started.recv().unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(unusable)
            }
        }
    }
}

/// Runs what `start` makes on a runtime of this thread, and reports whether it could start.
/// The runtime lives and ends on this thread: tokio forbids to drop one in async code.
fn run_alone<F>(start: impl FnOnce() -> std::io::Result<F>, report: &SyncSender<std::io::Result<()>>)
where
    F: Future<Output = ()>,
{
    let (runtime, future) = match start_alone(start) {
        Ok(started) => started,
        Err(error) => return report.send(Err(error)).unwrap_or_default(),
    };
    report.send(Ok(())).unwrap_or_default();
    runtime.block_on(future);
}

fn start_alone<F>(start: impl FnOnce() -> std::io::Result<F>) -> std::io::Result<(tokio::runtime::Runtime, F)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let future = {
        let _entered = runtime.enter();
        start()?
    };
    Ok((runtime, future))
}
