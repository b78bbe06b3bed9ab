//! The subchannels of a channel, as its balancer sees and moves them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tramline_call::Status;
use tramline_call::backoff::Backoff;
use tramline_call::mapping::ConnectFailure;

use super::Letter;
use super::link::{self, Report, Reporter};
use crate::client::balancer::{BalancerControl, Picker};
use crate::client::connection;
use crate::client::profile::Profile;
use crate::client::state::ConnectivityState;
use crate::client::subchannel::{Connection, Subchannel};
use crate::drive::mailbox::Mailbox;
use crate::io::Address;

/// How a subchannel is connected.
enum Link {
    Idle,
    Connecting {
        expires_at: Duration,
        task: AbortHandle,
    },
    Ready,
    /// Nothing is tried before `retry_at`.
    Failed,
}

struct Entry {
    subchannel: Subchannel,
    link: Link,
    /// Counts attempts, so that reports of an earlier one are known as such.
    attempt: u64,
    backoff: Backoff,
    /// The next attempt may begin then. A connection resets this and the backoff when it
    /// has proved itself, not when it is made: a server that sends SETTINGS and closes
    /// would otherwise be tried again and again without a pause.
    retry_at: Duration,
    /// The balancer let go of it; its connections finish their calls.
    is_removed: bool,
}

impl Entry {
    /// The next attempt is a first one, and at once.
    fn reset_backoff(&mut self) {
        self.backoff.reset();
        self.retry_at = Duration::ZERO;
    }
}

type Notice = (Subchannel, ConnectivityState, Option<Status>);

/// What the balancer has a hand on.
pub(super) struct Board {
    profile: Arc<Profile>,
    mailbox: Arc<Mailbox<Letter>>,
    now: Duration,
    random: fastrand::Rng,
    entries: Vec<Entry>,
    next_id: u64,
    notices: VecDeque<Notice>,
    update: Option<(ConnectivityState, Arc<dyn Picker>)>,
    wants_resolution: bool,
    last_error: Option<Status>,
}

impl Board {
    pub(super) fn new(profile: Arc<Profile>, mailbox: Arc<Mailbox<Letter>>) -> Self {
        Board {
            now: profile.clock.now(),
            random: profile.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            profile,
            mailbox,
            entries: Vec::new(),
            next_id: 0,
            notices: VecDeque::new(),
            update: None,
            wants_resolution: false,
            last_error: None,
        }
    }

    /// Looks at the clock.
    pub(super) fn advance(&mut self) -> Duration {
        self.now = self.profile.clock.now();
        self.now
    }

    pub(super) fn random_unit(&mut self) -> f64 {
        self.random.f64()
    }

    pub(super) fn last_error(&self) -> Option<&Status> {
        self.last_error.as_ref()
    }

    pub(super) fn set_last_error(&mut self, status: Status) {
        self.last_error = Some(status);
    }

    pub(super) fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    pub(super) fn take_update(&mut self) -> Option<(ConnectivityState, Arc<dyn Picker>)> {
        self.update.take()
    }

    pub(super) fn take_resolution_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_resolution)
    }

    /// Whether no connection is left.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Calls begun and calls in flight, over all connections.
    pub(super) fn load(&self) -> (usize, usize) {
        let connections = self.entries.iter().flat_map(|entry| entry.subchannel.connections());
        connections.map(|connection| connection.load()).fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1))
    }

    pub(super) fn handle_report(&mut self, subchannel: u64, attempt: u64, report: Report) {
        let Some(at) = self.entries.iter().position(|entry| entry.subchannel.id() == subchannel) else { return };
        let entry = &mut self.entries[at];
        let is_current = entry.attempt == attempt && !entry.is_removed;
        match report {
            Report::Ready(connection) => self.handle_ready(at, is_current, connection),
            Report::GoingAway(connection) if is_current => self.handle_lost(at, &connection),
            Report::GoingAway(_) => {}
            Report::Closed(connection, status) => {
                entry.subchannel.remove_connection(&connection);
                match entry.link {
                    Link::Ready if is_current => self.handle_lost(at, &connection),
                    Link::Connecting { .. } if is_current => self.set_failed(at, status),
                    _ => self.prune(),
                }
            }
            Report::Failed(status) if is_current => self.set_failed(at, status),
            Report::Failed(_) => {}
        }
    }

    fn handle_ready(&mut self, at: usize, is_current: bool, connection: Arc<Connection>) {
        let entry = &mut self.entries[at];
        if !is_current {
            connection.mailbox.post(connection::Letter::Drain);
            return;
        }
        entry.subchannel.add_connection(connection);
        entry.link = Link::Ready;
        self.notices.push_back((entry.subchannel.clone(), ConnectivityState::Ready, None));
    }

    /// The connection is gone, or going. It was a good one if it carried a call, or lasted
    /// as long as a failed attempt would have kept the next one waiting.
    fn handle_lost(&mut self, at: usize, connection: &Connection) {
        let entry = &mut self.entries[at];
        let (started, _) = connection.load();
        if started > 0 || entry.retry_at <= self.now {
            entry.reset_backoff();
        }
        self.set_idle(at);
    }

    fn set_idle(&mut self, at: usize) {
        let entry = &mut self.entries[at];
        if !matches!(entry.link, Link::Idle) {
            entry.link = Link::Idle;
            self.notices.push_back((entry.subchannel.clone(), ConnectivityState::Idle, None));
        }
    }

    fn set_failed(&mut self, at: usize, status: Status) {
        let entry = &mut self.entries[at];
        let Link::Connecting { task, .. } = &entry.link else { return };
        task.abort();
        self.pause(at, status);
    }

    fn pause(&mut self, at: usize, status: Status) {
        let entry = &mut self.entries[at];
        entry.link = Link::Failed;
        entry.attempt += 1;
        self.last_error = Some(status.clone());
        self.notices.push_back((entry.subchannel.clone(), ConnectivityState::TransientFailure, Some(status)));
    }

    /// Attempts that took too long, and pauses that are over.
    pub(super) fn handle_due(&mut self) -> bool {
        let mut has_progress = false;
        for at in 0..self.entries.len() {
            match self.entries[at].link {
                Link::Connecting { expires_at, .. } if expires_at <= self.now => {
                    let address = self.entries[at].subchannel.address();
                    let status =
                        ConnectFailure::Timeout.status(format_args!("{address} did not send its SETTINGS in time"));
                    self.set_failed(at, status);
                    has_progress = true;
                }
                Link::Failed if self.entries[at].retry_at <= self.now => {
                    self.set_idle(at);
                    has_progress = true;
                }
                _ => {}
            }
        }
        has_progress
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let times = self.entries.iter().filter_map(|entry| match entry.link {
            Link::Connecting { expires_at, .. } => Some(expires_at),
            Link::Failed => Some(entry.retry_at),
            Link::Idle | Link::Ready => None,
        });
        times.min()
    }

    /// The next attempts are first ones, and pauses are over.
    pub(super) fn reset_backoff(&mut self) {
        for at in 0..self.entries.len() {
            self.entries[at].reset_backoff();
            if matches!(self.entries[at].link, Link::Failed) {
                self.set_idle(at);
            }
        }
    }

    pub(super) fn remove_all(&mut self) {
        for at in 0..self.entries.len() {
            self.remove(at);
        }
        self.notices.clear();
        self.update = None;
        self.wants_resolution = false;
        self.prune();
    }

    pub(super) fn abort_all(&mut self) {
        for connection in self.entries.iter().flat_map(|entry| entry.subchannel.connections()) {
            connection.mailbox.post(connection::Letter::Abort);
        }
    }

    fn remove(&mut self, at: usize) {
        let entry = &mut self.entries[at];
        entry.is_removed = true;
        if let Link::Connecting { task, .. } = &entry.link {
            task.abort();
        }
        entry.link = Link::Idle;
        for connection in entry.subchannel.connections() {
            connection.retire();
            connection.mailbox.post(connection::Letter::Drain);
        }
    }

    /// Forgets removed subchannels without connections.
    fn prune(&mut self) {
        self.entries.retain(|entry| !entry.is_removed || !entry.subchannel.connections().is_empty());
    }

    fn position(&self, subchannel: &Subchannel) -> Option<usize> {
        self.entries.iter().position(|entry| entry.subchannel == *subchannel && !entry.is_removed)
    }
}

impl BalancerControl for Board {
    fn now(&self) -> Duration {
        self.now
    }

    fn random(&mut self) -> u64 {
        self.random.u64(..)
    }

    fn add_subchannel(&mut self, address: &Address) -> Subchannel {
        let subchannel = Subchannel::new(self.next_id, address.clone());
        self.next_id += 1;
        self.entries.push(Entry {
            subchannel: subchannel.clone(),
            link: Link::Idle,
            attempt: 0,
            backoff: Backoff::new(self.profile.backoff),
            retry_at: Duration::ZERO,
            is_removed: false,
        });
        subchannel
    }

    fn connect(&mut self, subchannel: &Subchannel) {
        let Some(at) = self.position(subchannel) else { return };
        if !matches!(self.entries[at].link, Link::Idle) {
            return;
        }
        if self.entries[at].retry_at > self.now {
            let address = subchannel.address();
            return self.pause(at, ConnectFailure::Lost.status(format_args!("{address} closed it before any call")));
        }
        let random = self.random_unit();
        let entry = &mut self.entries[at];
        let attempt = entry.backoff.begin_attempt(self.now, random);
        entry.retry_at = attempt.retry_at;
        entry.attempt += 1;
        let reporter =
            Reporter { control: Arc::clone(&self.mailbox), subchannel: subchannel.id(), attempt: entry.attempt };
        let address = subchannel.address().clone();
        let task = tokio::spawn(link::run(Arc::clone(&self.profile), address, reporter, attempt.expires_at));
        entry.link = Link::Connecting { expires_at: attempt.expires_at, task: task.abort_handle() };
        self.notices.push_back((subchannel.clone(), ConnectivityState::Connecting, None));
    }

    fn remove_subchannel(&mut self, subchannel: &Subchannel) {
        if let Some(at) = self.position(subchannel) {
            self.remove(at);
            self.prune();
        }
    }

    fn update(&mut self, state: ConnectivityState, picker: Arc<dyn Picker>) {
        self.update = Some((state, picker));
    }

    fn request_resolution(&mut self) {
        self.wants_resolution = true;
    }
}
