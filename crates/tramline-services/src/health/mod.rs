//! Health checking, `grpc.health.v1` (<https://grpc.io/docs/guides/health-checking/>).
//!
//! A [`HealthReporter`] holds what is known about each service; a [`HealthService`] of it
//! answers those who ask. The empty name stands for the whole server.
//!
//! ```
//! use tramline_services::health::{HealthReporter, ServingStatus};
//!
//! let health = HealthReporter::new();
//! health.set("greeter.Greeter", ServingStatus::Serving);
//! let service = health.service(); // for Server::builder().add_service(service)
//! # let _ = service;
//! // Before the server drains:
//! health.shutdown();
//! assert_eq!(health.get("greeter.Greeter"), Some(ServingStatus::NotServing));
//! ```

mod service;
#[cfg(test)]
mod tests;

pub use service::HealthService;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::proto::grpc_health as proto;

/// Whether a service can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServingStatus {
    /// Nobody has said.
    Unknown,
    /// It can.
    Serving,
    /// It cannot, for now.
    NotServing,
}

/// The descriptor set of `grpc.health.v1`, for [reflection](crate::reflection).
pub const DESCRIPTOR_SET: &[u8] = proto::FILE_DESCRIPTOR_SET;

/// Says how healthy each service is. Clones say it to the same audience.
#[derive(Debug, Clone)]
pub struct HealthReporter {
    health: Arc<Health>,
}

impl HealthReporter {
    /// The server as a whole is serving; nothing is known about single services.
    #[must_use]
    pub fn new() -> Self {
        let state = State { statuses: BTreeMap::from([(String::new(), ServingStatus::Serving)]), is_shut_down: false };
        HealthReporter { health: Arc::new(Health { state: Mutex::new(state), changes: watch::Sender::new(()) }) }
    }

    /// The service that answers, to be added to a server.
    #[must_use]
    pub fn service(&self) -> HealthService {
        HealthService::new(Arc::clone(&self.health))
    }

    /// Says how `service` is from now on; the empty name is the whole server. After
    /// [`shutdown`](Self::shutdown) it is ignored.
    pub fn set(&self, service: impl Into<String>, status: ServingStatus) {
        self.health.change(|state| {
            if !state.is_shut_down {
                state.statuses.insert(service.into(), status);
            }
        });
    }

    /// Forgets `service`: who watches it learns that it is unknown.
    pub fn clear(&self, service: &str) {
        self.health.change(|state| {
            state.statuses.remove(service);
        });
    }

    /// What was said last about `service`.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<ServingStatus> {
        self.health.status(service)
    }

    /// Everything is NOT_SERVING, and stays so: clients and load balancers turn away
    /// before the server stops.
    pub fn shutdown(&self) {
        self.health.change(|state| {
            state.is_shut_down = true;
            state.statuses.values_mut().for_each(|status| *status = ServingStatus::NotServing);
        });
    }

    /// Everything is SERVING again, after a [`shutdown`](Self::shutdown) that was called off.
    pub fn resume(&self) {
        self.health.change(|state| {
            state.is_shut_down = false;
            state.statuses.values_mut().for_each(|status| *status = ServingStatus::Serving);
        });
    }
}

impl Default for HealthReporter {
    fn default() -> Self {
        HealthReporter::new()
    }
}

/// What reporters and services share.
#[derive(Debug)]
struct Health {
    state: Mutex<State>,
    /// Wakes all watchers. One bell for all: a bell for each name would let a client
    /// that watches made-up names fill the memory.
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    statuses: BTreeMap<String, ServingStatus>,
    is_shut_down: bool,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changes.send_replace(());
    }

    fn status(&self, service: &str) -> Option<ServingStatus> {
        self.lock().statuses.get(service).copied()
    }
}
