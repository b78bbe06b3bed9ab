//! One address, and the connections to it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::call::Ticket;
use super::connection::Letter;
use crate::drive::leaf_lock::LeafLock;
use crate::drive::mailbox::Mailbox;
use crate::io::Address;

/// What calls and the channel's task hold of a connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) mailbox: Arc<Mailbox<Letter>>,
    /// Calls that it has begun, and those of them that are over. Only its owner writes.
    started: AtomicUsize,
    ended: AtomicUsize,
    is_retired: AtomicBool,
}

impl Connection {
    /// It takes no more calls: it is going away, or gone.
    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Its owner began a call.
    pub(crate) fn handle_start(&self) {
        // Nobody else writes: no need to lock the bus.
        self.started.store(self.started.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Its owner ended `count` calls.
    pub(crate) fn handle_end(&self, count: usize) {
        self.ended.store(self.ended.load(Ordering::Relaxed) + count, Ordering::Release);
    }

    /// Calls begun and calls in flight.
    pub(crate) fn load(&self) -> (usize, usize) {
        let ended = self.ended.load(Ordering::Acquire);
        let started = self.started.load(Ordering::Acquire);
        (started, started.saturating_sub(ended))
    }
}

struct Shared {
    id: u64,
    address: Address,
    connections: LeafLock<Vec<Arc<Connection>>>,
}

/// One address of a channel, as balancers and pickers see it: it owns the connections.
/// Cheap to clone; clones are equal.
#[derive(Clone)]
pub struct Subchannel {
    shared: Arc<Shared>,
}

impl fmt::Debug for Subchannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subchannel({}, {})", self.shared.id, self.shared.address)
    }
}

impl PartialEq for Subchannel {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Subchannel {}

impl Subchannel {
    pub(crate) fn new(id: u64, address: Address) -> Self {
        Subchannel { shared: Arc::new(Shared { id, address, connections: LeafLock::default() }) }
    }

    /// Unique within its channel.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Gives a call to a connection, or back if there is none that takes it.
    pub(crate) fn offer(&self, mut ticket: Ticket) -> Result<(), Ticket> {
        loop {
            let Some(connection) = self.connection() else { return Err(ticket) };
            match ticket.send_to(&connection) {
                Ok(()) => return Ok(()),
                Err(back) => ticket = back,
            }
            connection.retire();
        }
    }

    fn connection(&self) -> Option<Arc<Connection>> {
        let connections = self.shared.connections.lock();
        connections.iter().find(|connection| !connection.is_retired()).cloned()
    }

    pub(crate) fn add_connection(&self, connection: Arc<Connection>) {
        self.shared.connections.lock().push(connection);
    }

    pub(crate) fn remove_connection(&self, connection: &Arc<Connection>) {
        self.shared.connections.lock().retain(|other| !Arc::ptr_eq(other, connection));
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.shared.connections.lock().clone()
    }
}
