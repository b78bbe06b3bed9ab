//! `round_robin`: calls go to all servers in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tramline_call::Status;

use super::{Balancer, BalancerControl, FailPicker, Pick, PickInfo, Picker, QueuePicker, failure, no_addresses};
use crate::client::resolver::Resolution;
use crate::client::state::ConnectivityState;
use crate::client::subchannel::Subchannel;
use crate::io::Address;

#[derive(Debug)]
struct Member {
    address: Address,
    subchannel: Subchannel,
    /// TRANSIENT_FAILURE stays until READY (gRFC A62 for each member).
    state: ConnectivityState,
}

/// The policy `round_robin`.
#[derive(Debug, Default)]
pub struct RoundRobin {
    members: Vec<Member>,
    last_error: Option<Status>,
}

impl RoundRobin {
    /// A policy without addresses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn publish(&self, control: &mut dyn BalancerControl) {
        let in_state = |state| self.members.iter().filter(move |member| member.state == state);
        let ready: Vec<Subchannel> =
            in_state(ConnectivityState::Ready).map(|member| member.subchannel.clone()).collect();
        if !ready.is_empty() {
            // Clients that start together do not all begin with the same server.
            let start = control.random() as usize;
            let picker = RingPicker { ready, next: AtomicUsize::new(start) };
            return control.update(ConnectivityState::Ready, Arc::new(picker));
        }
        let is_failed = in_state(ConnectivityState::TransientFailure).count() == self.members.len();
        if is_failed {
            let status = if self.members.is_empty() { no_addresses() } else { failure(self.last_error.as_ref()) };
            return control.update(ConnectivityState::TransientFailure, Arc::new(FailPicker(status)));
        }
        control.update(ConnectivityState::Connecting, Arc::new(QueuePicker));
    }
}

impl Balancer for RoundRobin {
    fn handle_resolution(&mut self, resolution: &Resolution, control: &mut dyn BalancerControl) -> Result<(), Status> {
        let mut before = std::mem::take(&mut self.members);
        for address in resolution.addresses() {
            if self.members.iter().any(|member| member.address == *address) {
                continue;
            }
            if let Some(at) = before.iter().position(|member| member.address == *address) {
                self.members.push(before.swap_remove(at));
                continue;
            }
            let subchannel = control.add_subchannel(address);
            control.connect(&subchannel);
            self.members.push(Member { address: address.clone(), subchannel, state: ConnectivityState::Connecting });
        }
        for member in before {
            control.remove_subchannel(&member.subchannel);
        }
        self.publish(control);
        if self.members.is_empty() { Err(no_addresses()) } else { Ok(()) }
    }

    fn handle_resolution_error(&mut self, error: &Status, control: &mut dyn BalancerControl) {
        if self.members.is_empty() {
            control.update(ConnectivityState::TransientFailure, Arc::new(FailPicker(error.clone())));
        }
    }

    fn handle_subchannel(
        &mut self,
        subchannel: &Subchannel,
        state: ConnectivityState,
        error: Option<&Status>,
        control: &mut dyn BalancerControl,
    ) {
        let Some(member) = self.members.iter_mut().find(|member| member.subchannel == *subchannel) else { return };
        match state {
            ConnectivityState::Idle => {
                control.connect(subchannel);
                if member.state == ConnectivityState::Ready {
                    control.request_resolution();
                }
            }
            ConnectivityState::TransientFailure => {
                self.last_error = error.cloned();
                control.request_resolution();
            }
            _ => {}
        }
        let is_sticky = member.state == ConnectivityState::TransientFailure && state != ConnectivityState::Ready;
        match state {
            _ if is_sticky => {}
            // It is told to connect, above.
            ConnectivityState::Idle => member.state = ConnectivityState::Connecting,
            state => member.state = state,
        }
        self.publish(control);
    }

    fn exit_idle(&mut self, _control: &mut dyn BalancerControl) {}
}

#[derive(Debug)]
struct RingPicker {
    ready: Vec<Subchannel>,
    next: AtomicUsize,
}

impl Picker for RingPicker {
    fn pick(&self, _info: &PickInfo<'_>) -> Pick {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        match self.ready.get(turn % self.ready.len()) {
            Some(subchannel) => Pick::subchannel(subchannel),
            None => Pick::Queue,
        }
    }
}
