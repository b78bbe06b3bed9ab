//! `pick_first`: the first address that answers takes all calls (gRFC A61, A62).

use std::sync::Arc;
use std::time::Duration;

use tramline_call::Status;

use super::{Balancer, BalancerControl, FailPicker, Pick, PickInfo, Picker, QueuePicker, failure, no_addresses};
use crate::client::resolver::Resolution;
use crate::client::state::ConnectivityState;
use crate::client::subchannel::Subchannel;
use crate::io::Address;

/// The next address is tried this much later, beside the ones before it (RFC 8305 §5,
/// Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

#[derive(Debug)]
struct Candidate {
    address: Address,
    subchannel: Option<Subchannel>,
    state: ConnectivityState,
    /// It failed in this pass, or the pass has not come to it.
    has_failed: bool,
}

/// How far the policy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    /// Going through the addresses; the next one is tried at this time.
    Pass {
        next: usize,
        at: Duration,
    },
    /// Every address failed: each is tried again when its pause is over.
    Failing,
    /// Calls go to this candidate.
    Connected(usize),
}

/// The policy `pick_first`, the default.
#[derive(Debug)]
pub struct PickFirst {
    candidates: Vec<Candidate>,
    phase: Phase,
    /// Sticky until a connection is there (gRFC A62).
    is_failed: bool,
    last_error: Option<Status>,
}

impl Default for PickFirst {
    fn default() -> Self {
        PickFirst { candidates: Vec::new(), phase: Phase::Idle, is_failed: false, last_error: None }
    }
}

impl PickFirst {
    /// A policy without addresses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn start_pass(&mut self, control: &mut dyn BalancerControl) {
        for candidate in &mut self.candidates {
            candidate.has_failed = false;
        }
        if !self.is_failed {
            control.update(ConnectivityState::Connecting, Arc::new(QueuePicker));
        }
        self.phase = Phase::Pass { next: 0, at: control.now() };
        self.advance(control);
    }

    /// Tries the next address that is not in a pause after a failure.
    fn advance(&mut self, control: &mut dyn BalancerControl) {
        let Phase::Pass { mut next, .. } = self.phase else { return };
        while let Some(candidate) = self.candidates.get_mut(next) {
            next += 1;
            let address = &candidate.address;
            let subchannel = candidate.subchannel.get_or_insert_with(|| control.add_subchannel(address));
            match candidate.state {
                ConnectivityState::TransientFailure => candidate.has_failed = true,
                ConnectivityState::Idle => {
                    control.connect(subchannel);
                    break;
                }
                _ => break,
            }
        }
        self.phase = Phase::Pass { next, at: control.now() + ATTEMPT_DELAY };
        self.check_pass(control);
    }

    /// A pass in which every address failed.
    fn check_pass(&mut self, control: &mut dyn BalancerControl) {
        if !self.candidates.iter().all(|candidate| candidate.has_failed) {
            return;
        }
        self.phase = Phase::Failing;
        self.is_failed = true;
        control.update(ConnectivityState::TransientFailure, Arc::new(FailPicker(failure(self.last_error.as_ref()))));
        control.request_resolution();
        for candidate in &self.candidates {
            if let (Some(subchannel), ConnectivityState::Idle) = (&candidate.subchannel, candidate.state) {
                control.connect(subchannel);
            }
        }
    }

    fn handle_ready(&mut self, chosen: usize, control: &mut dyn BalancerControl) {
        self.phase = Phase::Connected(chosen);
        self.is_failed = false;
        self.last_error = None;
        for (at, candidate) in self.candidates.iter_mut().enumerate() {
            if at == chosen {
                continue;
            }
            if let Some(subchannel) = candidate.subchannel.take() {
                control.remove_subchannel(&subchannel);
            }
            candidate.state = ConnectivityState::Idle;
        }
        if let Some(subchannel) = &self.candidates[chosen].subchannel {
            control.update(ConnectivityState::Ready, Arc::new(OnePicker(subchannel.clone())));
        }
    }

    /// The connection is gone: the policy waits for the next call.
    fn handle_lost(&mut self, control: &mut dyn BalancerControl) {
        self.phase = Phase::Idle;
        control.request_resolution();
        control.update(ConnectivityState::Idle, Arc::new(QueuePicker));
    }

    fn handle_failed(&mut self, at: usize, error: Option<&Status>, control: &mut dyn BalancerControl) {
        self.last_error = error.cloned();
        match self.phase {
            Phase::Pass { next, .. } => {
                self.candidates[at].has_failed = true;
                if at + 1 == next {
                    self.advance(control);
                } else {
                    self.check_pass(control);
                }
            }
            // The text that calls see is that of the latest failure.
            Phase::Failing => {
                control.update(ConnectivityState::TransientFailure, Arc::new(FailPicker(failure(error))));
                control.request_resolution();
            }
            Phase::Idle | Phase::Connected(_) => {}
        }
    }

    fn clear(&mut self, control: &mut dyn BalancerControl) {
        for candidate in self.candidates.drain(..) {
            if let Some(subchannel) = candidate.subchannel {
                control.remove_subchannel(&subchannel);
            }
        }
    }

    /// The new list, with what the old one had of it. False if it is the same list.
    fn replace(&mut self, addresses: Vec<Address>, control: &mut dyn BalancerControl) -> bool {
        if self.candidates.iter().map(|candidate| &candidate.address).eq(&addresses) {
            return false;
        }
        let mut before = std::mem::take(&mut self.candidates);
        for address in addresses {
            let candidate = match before.iter().position(|candidate| candidate.address == address) {
                Some(at) => before.swap_remove(at),
                None => Candidate { address, subchannel: None, state: ConnectivityState::Idle, has_failed: false },
            };
            self.candidates.push(candidate);
        }
        for subchannel in before.into_iter().filter_map(|candidate| candidate.subchannel) {
            control.remove_subchannel(&subchannel);
        }
        true
    }
}

impl Balancer for PickFirst {
    fn handle_resolution(&mut self, resolution: &Resolution, control: &mut dyn BalancerControl) -> Result<(), Status> {
        let mut addresses: Vec<Address> = Vec::new();
        for address in resolution.addresses() {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        let addresses = interleave(addresses);
        if addresses.is_empty() {
            self.clear(control);
            self.phase = Phase::Idle;
            self.is_failed = true;
            control.update(ConnectivityState::TransientFailure, Arc::new(FailPicker(no_addresses())));
            return Err(no_addresses());
        }
        let is_first = self.candidates.is_empty();
        if !self.replace(addresses, control) {
            return Ok(());
        }
        let ready = self.candidates.iter().position(|candidate| candidate.state == ConnectivityState::Ready);
        match (self.phase, ready) {
            (Phase::Connected(_), Some(at)) => self.phase = Phase::Connected(at),
            (Phase::Idle, _) if !is_first => {}
            _ => self.start_pass(control),
        }
        Ok(())
    }

    fn handle_resolution_error(&mut self, error: &Status, control: &mut dyn BalancerControl) {
        if self.candidates.is_empty() {
            self.is_failed = true;
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
        let Some(at) = self.candidates.iter().position(|c| c.subchannel.as_ref() == Some(subchannel)) else { return };
        let before = std::mem::replace(&mut self.candidates[at].state, state);
        match state {
            ConnectivityState::Ready => self.handle_ready(at, control),
            ConnectivityState::TransientFailure => self.handle_failed(at, error, control),
            ConnectivityState::Idle if before == ConnectivityState::Ready => self.handle_lost(control),
            ConnectivityState::Idle if self.phase == Phase::Failing => control.connect(subchannel),
            _ => {}
        }
    }

    fn exit_idle(&mut self, control: &mut dyn BalancerControl) {
        if self.phase == Phase::Idle && !self.candidates.is_empty() {
            self.start_pass(control);
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Pass { next, at } if next < self.candidates.len() => Some(at),
            _ => None,
        }
    }

    fn handle_timeout(&mut self, control: &mut dyn BalancerControl) {
        self.advance(control);
    }
}

/// Address families in turn, beginning with that of the first address (RFC 8305 §4).
fn interleave(addresses: Vec<Address>) -> Vec<Address> {
    let family = |address: &Address| address.ip().map(|ip| ip.is_ipv6());
    let first = addresses.first().map(family);
    let (same, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| Some(family(address)) == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut all = Vec::with_capacity(same.len() + other.len());
    loop {
        let pair = [same.next(), other.next()];
        let before = all.len();
        all.extend(pair.into_iter().flatten());
        if all.len() == before {
            return all;
        }
    }
}

#[derive(Debug)]
struct OnePicker(Subchannel);

impl Picker for OnePicker {
    fn pick(&self, _info: &PickInfo<'_>) -> Pick {
        Pick::subchannel(&self.0)
    }
}
