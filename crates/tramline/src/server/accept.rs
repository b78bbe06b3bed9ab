//! From a listener to a connection: accept, handshake, drive.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tramline_h2::Role;

use super::connection::ServerSide;
use super::executor::Executor;
use super::group::{Alive, Group};
use super::listener::Acceptor;
use super::places::IpPlace;
use super::settings::ServerShared;
use crate::classify::{Engine, Fields};
use crate::drive::driver::Driver;
use crate::drive::mailbox::Mailbox;
use crate::io::socket::is_of_one_connection;
use crate::io::{BoxIo, ConnectionInfo};

/// How long accepting pauses when it fails, as when descriptors or memory are used up: at
/// first, and at most.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Accepts until the group stops serving or the source ends. No error ends it: a
/// listener that gave up would be a server that is dead without saying so.
pub(super) async fn accept_all(
    mut acceptor: Acceptor,
    shared: Arc<ServerShared>,
    group: Arc<Group>,
    executor: Option<Arc<Executor>>,
) {
    let _alive = group.enter();
    let mut backoff = BACKOFF_MIN;
    loop {
        match group.while_serving(acceptor.accept()).await.flatten() {
            None => return,
            Some(Ok((io, info))) => {
                backoff = BACKOFF_MIN;
                let Some(of_ip) = group.places.enter_of_ip(&info) else {
                    tracing::debug!(peer = %info, "connection closed: its address has as many as it may");
                    continue;
                };
                // A listener that waits for a connection must not keep a place from another.
                let Some(Some(place)) = group.while_serving(group.places.enter()).await else { return };
                let (shared, alive) = (Arc::clone(&shared), group.enter());
                Connection { io, info, shared, alive, places: (place, of_ip) }.start(executor.clone());
            }
            Some(Err(error)) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
                tokio::task::yield_now().await;
            }
            Some(Err(error)) => {
                tracing::warn!(%error, ?backoff, "cannot accept: trying again after a pause");
                if group.while_serving(shared.clock.sleep(backoff)).await.is_none() {
                    return;
                }
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}

/// A connection that was accepted.
struct Connection {
    io: BoxIo,
    info: ConnectionInfo,
    shared: Arc<ServerShared>,
    alive: Alive,
    places: (OwnedSemaphorePermit, IpPlace),
}

impl Connection {
    fn start(self, executor: Option<Arc<Executor>>) {
        tracing::debug!(peer = %self.info, "connection accepted");
        if self.shared.is_plaintext() {
            return run(executor, self.drive());
        }
        // A handshake is long work: it does not stand before others, and its memory is its own.
        tokio::spawn(async move {
            if let Some(connection) = self.shake().await {
                run(executor, connection.drive());
            }
        });
    }

    async fn shake(mut self) -> Option<Self> {
        match self.alive.until_aborted(handshake(self.io, &mut self.info, &self.shared)).await? {
            Ok(io) => Some(Connection { io, ..self }),
            Err(error) => {
                tracing::info!(peer = %self.info, %error, "handshake failed");
                None
            }
        }
    }

    fn drive(self) -> impl Future<Output = ()> + Send + 'static {
        let Connection { io, info, shared, mut alive, places } = self;
        let driver = driver(io, info, shared, &mut alive);
        async move {
            driver.await;
            drop((alive, places));
        }
    }
}

/// Runs a connection that is ready for HTTP/2.
fn run(executor: Option<Arc<Executor>>, connection: impl Future<Output = ()> + Send + 'static) {
    match executor {
        Some(executor) => executor.spawn(connection),
        // Handlers are polled inside: tokio's budget would end their polls in the middle of a
        // batch. The driver has a budget of its own.
        None => drop(tokio::spawn(tokio::task::unconstrained(connection))),
    }
}

/// What a connection keeps while it is idle. In a box of its own: an async function
/// reserves room for each place that a large value passes through.
fn driver(
    io: BoxIo,
    info: ConnectionInfo,
    shared: Arc<ServerShared>,
    alive: &mut Alive,
) -> Pin<Box<Driver<ServerSide>>> {
    let mailbox = Arc::new(Mailbox::default());
    alive.register(&mailbox);
    let clock = shared.clock.clone();
    let fields = Fields::of_server(Arc::clone(&shared));
    let engine = Engine::new(Role::Server, shared.engine.clone(), fields, clock.now());
    let side = ServerSide::new(shared, Arc::new(info), Arc::clone(&mailbox));
    Box::pin(Driver::new(io, engine, side, mailbox, clock))
}

#[cfg(feature = "tls")]
async fn handshake(io: BoxIo, info: &mut ConnectionInfo, shared: &ServerShared) -> Result<BoxIo, crate::Error> {
    let Some(tls) = &shared.tls else { return Ok(io) };
    // Its memory is the handshake's alone.
    let shaken = Box::pin(shared.clock.timeout(shared.handshake_timeout, tls.accept(io, info))).await;
    let late = || crate::Error::new(crate::ErrorKind::Handshake, "TLS handshake not finished in time");
    let io = shaken.unwrap_or_else(|| Err(late()))?;
    tracing::debug!(peer = %info, tls = ?info.tls(), "TLS handshake done");
    Ok(io)
}

#[cfg(not(feature = "tls"))]
async fn handshake(io: BoxIo, _info: &mut ConnectionInfo, _shared: &ServerShared) -> Result<BoxIo, crate::Error> {
    Ok(io)
}
