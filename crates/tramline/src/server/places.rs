//! How many connections a server has room for: in all, and for one peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::drive::leaf_lock::LeafLock;
use crate::io::ConnectionInfo;

/// The places of one server.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_ip_max: usize,
    /// Connections by peer. Peers choose the keys: the map's hasher is seeded.
    by_ip: LeafLock<HashMap<IpAddr, usize>>,
}

impl Places {
    pub(super) fn new(all_max: usize, per_ip_max: usize) -> Arc<Self> {
        let all = Arc::new(Semaphore::new(all_max.min(Semaphore::MAX_PERMITS)));
        Arc::new(Places { all, per_ip_max, by_ip: LeafLock::default() })
    }

    /// Waits until the server has room for one more connection.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// A place among those of its peer; `None` if it has them all. Connections without an
    /// IP address are not counted.
    pub(super) fn enter_of_ip(self: &Arc<Self>, info: &ConnectionInfo) -> Option<IpPlace> {
        let ip = info.peer().ip().map(|address| counted_as(address.ip())).filter(|_| self.per_ip_max != usize::MAX);
        if let Some(ip) = ip {
            let mut by_ip = self.by_ip.lock();
            let count = by_ip.get(&ip).copied().unwrap_or(0);
            if count >= self.per_ip_max {
                return None;
            }
            by_ip.insert(ip, count + 1);
        }
        Some(IpPlace { places: Arc::clone(self), ip })
    }
}

/// One place of a peer, until it is dropped.
#[derive(Debug)]
pub(super) struct IpPlace {
    places: Arc<Places>,
    ip: Option<IpAddr>,
}

impl Drop for IpPlace {
    fn drop(&mut self) {
        let Some(ip) = self.ip else { return };
        let mut by_ip = self.places.by_ip.lock();
        match by_ip.get_mut(&ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                by_ip.remove(&ip);
            }
        }
    }
}

/// One customer has a /64 of IPv6 (RFC 6177), and would have all its addresses. IPv4 is one
/// peer whichever socket took it.
fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Address;

    fn peer(address: &str) -> ConnectionInfo {
        ConnectionInfo::from_peer(Address::Ip(address.parse().unwrap()))
    }

    #[test]
    fn neighbours_in_one_network_share_their_places() {
        let places = Places::new(usize::MAX, 1);
        let held = [peer("192.0.2.1:1"), peer("[2001:db8::1]:1")].map(|peer| places.enter_of_ip(&peer).unwrap());
        for taken in ["192.0.2.1:2", "[::ffff:192.0.2.1]:3", "[2001:db8::2]:1"] {
            assert!(places.enter_of_ip(&peer(taken)).is_none(), "{taken}");
        }
        for free in ["192.0.2.2:1", "[2001:db8:0:1::1]:1"] {
            assert!(places.enter_of_ip(&peer(free)).is_some(), "{free}");
        }
        let unknown = ConnectionInfo::default();
        let _both = (places.enter_of_ip(&unknown).unwrap(), places.enter_of_ip(&unknown).unwrap());
        drop(held);
        assert!(places.by_ip.lock().is_empty());
    }
}
