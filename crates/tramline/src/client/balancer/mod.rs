//! From addresses to the connection that a call takes.
//!
//! A resolver's result goes to the channel's [`Balancer`], which keeps [`Subchannel`]s and
//! publishes a [`Picker`] whenever something changed. Calls see the picker alone.

mod pick_first;
mod round_robin;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tramline_call::{Metadata, Status};

use super::resolver::Resolution;
use super::state::ConnectivityState;
use super::subchannel::Subchannel;
use crate::io::Address;

pub use pick_first::PickFirst;
pub use round_robin::RoundRobin;

/// A load-balancing policy: a state machine on the channel's own task.
pub trait Balancer: Send + 'static {
    /// The resolver found servers.
    ///
    /// # Errors
    /// The result is of no use; the resolver is asked again later.
    fn handle_resolution(&mut self, resolution: &Resolution, control: &mut dyn BalancerControl) -> Result<(), Status>;

    /// The resolver failed. With servers of an earlier result, a policy goes on.
    fn handle_resolution_error(&mut self, error: &Status, control: &mut dyn BalancerControl);

    /// A subchannel changed its state; `error` says why it is in TRANSIENT_FAILURE.
    fn handle_subchannel(
        &mut self,
        subchannel: &Subchannel,
        state: ConnectivityState,
        error: Option<&Status>,
        control: &mut dyn BalancerControl,
    );

    /// A call, or the application, wants a connection while the policy is IDLE.
    fn exit_idle(&mut self, control: &mut dyn BalancerControl);

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    fn handle_timeout(&mut self, _control: &mut dyn BalancerControl) {}
}

/// What a [`Balancer`] can ask of its channel.
pub trait BalancerControl {
    /// The channel's time.
    fn now(&self) -> Duration;
    /// A random number.
    fn random(&mut self) -> u64;
    /// A new subchannel, IDLE.
    fn add_subchannel(&mut self, address: &Address) -> Subchannel;
    /// Lets a subchannel connect, if it is IDLE.
    fn connect(&mut self, subchannel: &Subchannel);
    /// Lets go of a subchannel: it takes no new calls, and ends when those on it did.
    fn remove_subchannel(&mut self, subchannel: &Subchannel);
    /// Tells calls how to pick from now on, and everybody the channel's state.
    fn update(&mut self, state: ConnectivityState, picker: Arc<dyn Picker>);
    /// The addresses may be stale.
    fn request_resolution(&mut self);
}

/// What a picker may look at.
#[derive(Debug)]
#[non_exhaustive]
pub struct PickInfo<'a> {
    /// The method's path, `/package.Service/Method`.
    pub path: &'a str,
    /// The call's metadata.
    pub metadata: &'a Metadata,
}

impl<'a> PickInfo<'a> {
    /// For a call of this method.
    #[must_use]
    pub fn new(path: &'a str, metadata: &'a Metadata) -> Self {
        PickInfo { path, metadata }
    }
}

/// What a picker decides.
#[derive(Debug)]
#[non_exhaustive]
pub enum Pick {
    /// Take this connection.
    Subchannel {
        /// Where.
        subchannel: Subchannel,
        /// Who wants to know how the call ends.
        completion: Option<Box<dyn PickCompletion>>,
    },
    /// Wait for the next picker.
    Queue,
    /// Fail; calls that wait for a connection wait on.
    Fail(Status),
    /// Fail, also calls that wait for a connection.
    Drop(Status),
}

impl Pick {
    /// A subchannel, and nobody who wants to know more.
    #[must_use]
    pub fn subchannel(subchannel: &Subchannel) -> Self {
        Pick::Subchannel { subchannel: subchannel.clone(), completion: None }
    }
}

/// Learns how one call ended that a picker sent somewhere.
pub trait PickCompletion: Send + fmt::Debug + 'static {
    /// The call is over: OK with its trailers, or not.
    fn complete(self: Box<Self>, outcome: Result<&Metadata, &Status>);
}

/// Chooses a connection for each call. It must be quick, and must not block.
pub trait Picker: Send + Sync + fmt::Debug + 'static {
    /// Chooses for one call.
    fn pick(&self, info: &PickInfo<'_>) -> Pick;
}

/// Makes balancers: a channel needs a new one each time it leaves IDLE.
pub trait BalancerFactory: Send + Sync + 'static {
    /// A balancer.
    fn balancer(&self) -> Box<dyn Balancer>;
}

impl fmt::Debug for dyn BalancerFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BalancerFactory")
    }
}

impl<F, B> BalancerFactory for F
where
    F: Fn() -> B + Send + Sync + 'static,
    B: Balancer,
{
    fn balancer(&self) -> Box<dyn Balancer> {
        Box::new(self())
    }
}

/// Calls wait.
#[derive(Debug)]
pub(crate) struct QueuePicker;

impl Picker for QueuePicker {
    fn pick(&self, _info: &PickInfo<'_>) -> Pick {
        Pick::Queue
    }
}

/// Calls fail.
#[derive(Debug)]
pub(crate) struct FailPicker(pub(crate) Status);

impl Picker for FailPicker {
    fn pick(&self, _info: &PickInfo<'_>) -> Pick {
        Pick::Fail(self.0.clone())
    }
}

/// A subchannel that failed, when nothing better is known.
fn failure(error: Option<&Status>) -> Status {
    error.cloned().unwrap_or_else(|| Status::unavailable("no server can be reached"))
}

/// The policy has no address to connect to.
fn no_addresses() -> Status {
    Status::unavailable("the target resolves to no address")
}

#[cfg(test)]
mod tests;
