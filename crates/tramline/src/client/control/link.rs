//! The making of one connection, and what it tells the channel's task.

use std::sync::Arc;
use std::time::Duration;

use tramline_call::Status;
use tramline_call::mapping::ConnectFailure;
use tramline_h2::Role;

use super::Letter;
use crate::classify::{Engine, Fields};
use crate::client::connection::ClientSide;
use crate::client::connector;
use crate::client::profile::Profile;
use crate::client::subchannel::Connection;
use crate::drive::driver::Driver;
use crate::drive::mailbox::Mailbox;
use crate::error::{Error, ErrorKind};
use crate::io::Address;

/// What happened to a connection.
#[derive(Debug)]
pub(crate) enum Report {
    /// The server's SETTINGS came: calls can go.
    Ready(Arc<Connection>),
    /// It takes no more calls.
    GoingAway(Arc<Connection>),
    /// It is over.
    Closed(Arc<Connection>, Status),
    /// It never came to be.
    Failed(Status),
}

/// Writes reports about one attempt to connect, and the connection that came of it.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    pub(super) control: Arc<Mailbox<Letter>>,
    pub(super) subchannel: u64,
    pub(super) attempt: u64,
}

impl Reporter {
    fn report(&self, report: Report) {
        self.control.post(Letter::Report { subchannel: self.subchannel, attempt: self.attempt, report });
    }

    pub(crate) fn report_ready(&self, connection: &Arc<Connection>) {
        self.report(Report::Ready(Arc::clone(connection)));
    }

    pub(crate) fn report_going_away(&self, connection: &Arc<Connection>) {
        self.report(Report::GoingAway(Arc::clone(connection)));
    }

    pub(crate) fn report_closed(&self, connection: &Arc<Connection>, status: Status) {
        self.report(Report::Closed(Arc::clone(connection), status));
    }
}

/// Connects, and then drives the connection to its end.
pub(super) async fn run(profile: Arc<Profile>, address: Address, reporter: Reporter, expires_at: Duration) {
    let clock = profile.clock.clone();
    let time = expires_at.saturating_sub(clock.now());
    let status = match clock.timeout(time, connector::connect(&profile, &address)).await {
        None => ConnectFailure::Timeout.status(format_args!("{address} did not answer within {time:?}")),
        Some(Err(error)) => failure(&error, &address),
        Some(Ok((io, info))) => {
            let connection = Arc::new(Connection::default());
            let mailbox = Arc::clone(&connection.mailbox);
            let engine = Engine::new(Role::Client, profile.engine.clone(), Fields::of_client(), clock.now());
            let side = ClientSide::new(profile, connection, info, reporter);
            return Box::pin(Driver::new(io, engine, side, mailbox, clock)).await;
        }
    };
    tracing::debug!(%address, %status, "cannot connect");
    reporter.report(Report::Failed(status));
}

fn failure(error: &Error, address: &Address) -> Status {
    let failure = match error.kind() {
        ErrorKind::Handshake => ConnectFailure::Handshake,
        _ => ConnectFailure::Connect,
    };
    failure.status(format_args!("{address}: {error}"))
}
