//! From a listener to a connection: accept, handshake, drive.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tramline_h2::Role;

use super::connection::ServerSide;
use super::group::{Alive, Group};
use super::listener::Acceptor;
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
pub(super) async fn accept_all(mut acceptor: Acceptor, shared: Arc<ServerShared>, group: Arc<Group>) {
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
                let connection = serve_connection(io, info, Arc::clone(&shared), group.enter());
                tokio::spawn(async move {
                    connection.await;
                    drop((place, of_ip));
                });
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

async fn serve_connection(io: BoxIo, mut info: ConnectionInfo, shared: Arc<ServerShared>, mut alive: Alive) {
    tracing::debug!(peer = %info, "connection accepted");
    let io = match alive.until_aborted(handshake(io, &mut info, &shared)).await {
        None => return,
        Some(Ok(io)) => io,
        Some(Err(error)) => {
            tracing::info!(peer = %info, %error, "handshake failed");
            return;
        }
    };
    let driver = driver(io, info, shared, &mut alive);
    // Handlers are polled inside: tokio's budget would end their polls in the middle of
    // a batch. The driver has a budget of its own.
    tokio::task::unconstrained(driver).await;
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
