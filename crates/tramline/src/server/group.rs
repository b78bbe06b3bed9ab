//! The connections of one listener: counted, and told when the end comes.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;

use super::connection::Letter;
use super::places::Places;
use crate::drive::leaf_lock::LeafLock;
use crate::drive::mailbox::Mailbox;

/// How far a listener is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Serving,
    /// No connection is accepted; calls in flight are finished.
    Draining,
    /// Everything ends now.
    Aborted,
}

#[derive(Debug, Default)]
struct Connections {
    mailboxes: HashMap<u64, Arc<Mailbox<Letter>>>,
    next_id: u64,
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Group {
    phase: watch::Sender<Phase>,
    /// Accept loops and connections that are not over.
    alive: watch::Sender<usize>,
    connections: LeafLock<Connections>,
    pub(super) places: Arc<Places>,
}

impl Group {
    /// `places` are those of the whole server.
    pub(super) fn new(places: Arc<Places>) -> Arc<Self> {
        Arc::new(Group {
            phase: watch::Sender::new(Phase::Serving),
            alive: watch::Sender::new(0),
            connections: LeafLock::default(),
            places,
        })
    }

    /// Stands for an accept loop or a connection while it is alive.
    pub(crate) fn enter(self: &Arc<Self>) -> Alive {
        self.alive.send_modify(|count| *count += 1);
        Alive { group: Arc::clone(self), id: None }
    }

    /// `future`'s output, unless the group stops accepting first.
    pub(crate) async fn while_serving<F: Future>(&self, future: F) -> Option<F::Output> {
        self.before(Phase::Draining, future).await
    }

    /// `future`'s output, unless `end` is reached first.
    async fn before<F: Future>(&self, end: Phase, future: F) -> Option<F::Output> {
        let mut phase = self.phase.subscribe();
        let mut stop = std::pin::pin!(phase.wait_for(|phase| *phase >= end));
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Accepts nothing more, and asks connections to finish their calls.
    pub(crate) fn drain(&self) {
        self.advance(Phase::Draining, || Letter::Drain);
    }

    /// Ends everything now.
    pub(crate) fn abort(&self) {
        self.advance(Phase::Aborted, || Letter::Abort);
    }

    fn advance(&self, phase: Phase, letter: fn() -> Letter) {
        let is_new = self.phase.send_if_modified(|before| {
            let is_new = *before < phase;
            *before = phase.max(*before);
            is_new
        });
        if is_new {
            let mailboxes: Vec<_> = self.connections.lock().mailboxes.values().cloned().collect();
            mailboxes.iter().for_each(|mailbox| mailbox.post(letter()));
        }
    }

    /// Waits until the accept loop and all connections are over.
    pub(crate) async fn ended(&self) {
        let mut alive = self.alive.subscribe();
        // The sender lives in `self`.
        let _ = alive.wait_for(|count| *count == 0).await;
    }
}

/// Something of a group that is alive.
#[derive(Debug)]
pub(crate) struct Alive {
    group: Arc<Group>,
    id: Option<u64>,
}

impl Alive {
    /// `future`'s output, unless everything ends first.
    pub(crate) async fn until_aborted<F: Future>(&self, future: F) -> Option<F::Output> {
        self.group.before(Phase::Aborted, future).await
    }

    /// A connection can be told of the end from now on.
    pub(crate) fn register(&mut self, mailbox: &Arc<Mailbox<Letter>>) {
        let mut connections = self.group.connections.lock();
        let id = connections.next_id;
        connections.next_id += 1;
        connections.mailboxes.insert(id, Arc::clone(mailbox));
        self.id = Some(id);
        drop(connections);
        // The end may have begun before anybody knew of this connection.
        match *self.group.phase.borrow() {
            Phase::Serving => {}
            Phase::Draining => mailbox.post(Letter::Drain),
            Phase::Aborted => mailbox.post(Letter::Abort),
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.group.connections.lock().mailboxes.remove(&id);
        }
        self.group.alive.send_modify(|count| *count -= 1);
    }
}
