//! Names by the system's resolver: hosts file, NSS and containers as users expect.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tramline_call::Status;

use super::{Resolution, Resolver};
use crate::clock::{Clock, Timer};
use crate::io::Address;

/// Lookups are at least this far apart (gRPC: `min_time_between_resolutions`).
const INTERVAL_MIN: Duration = Duration::from_secs(30);

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

enum Step {
    /// A lookup is wanted, as soon as the interval allows.
    Wanted,
    Running(Lookup),
    /// The last result stands.
    Settled,
}

/// Looks a name up with the system's resolver, off the runtime's threads.
pub struct DnsResolver {
    host: String,
    port: u16,
    step: Step,
    not_before: Duration,
    clock: Clock,
    timer: Timer,
    waker: Option<Waker>,
}

impl std::fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsResolver").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl DnsResolver {
    /// A resolver of `host`.
    #[must_use]
    pub fn new(host: &str, port: u16, clock: Clock) -> Self {
        DnsResolver {
            host: host.to_owned(),
            port,
            step: Step::Wanted,
            not_before: Duration::ZERO,
            timer: clock.timer(),
            clock,
            waker: None,
        }
    }

    fn finish(&self, found: io::Result<Vec<SocketAddr>>) -> Result<Resolution, Status> {
        let name = &self.host;
        match found {
            Ok(addresses) if addresses.is_empty() => {
                Err(Status::unavailable(format!("the name `{name}` has no address")))
            }
            Ok(addresses) => Ok(Resolution::from_addresses(addresses.into_iter().map(Address::Ip))),
            Err(error) => Err(Status::unavailable(format!("the name `{name}` cannot be looked up: {error}"))),
        }
    }
}

impl Resolver for DnsResolver {
    fn poll_resolution(&mut self, cx: &mut Context<'_>) -> Poll<Result<Resolution, Status>> {
        loop {
            match &mut self.step {
                Step::Settled => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Step::Wanted => {
                    let now = self.clock.now();
                    if !self.timer.poll_at(cx, now, Some(self.not_before)) {
                        return Poll::Pending;
                    }
                    self.not_before = now + INTERVAL_MIN;
                    self.step = Step::Running(Box::pin(look_up(self.host.clone(), self.port)));
                }
                Step::Running(lookup) => {
                    let found = ready!(lookup.as_mut().poll(cx));
                    self.step = Step::Settled;
                    let resolution = self.finish(found);
                    if resolution.is_err() {
                        // The channel paces what follows an error.
                        self.not_before = Duration::ZERO;
                    }
                    return Poll::Ready(resolution);
                }
            }
        }
    }

    fn request_resolution(&mut self) {
        if matches!(self.step, Step::Settled) {
            self.step = Step::Wanted;
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(resolver: &mut DnsResolver) -> Result<Resolution, Status> {
        std::future::poll_fn(|cx| resolver.poll_resolution(cx)).await
    }

    #[tokio::test]
    async fn localhost_has_an_address_and_nonsense_has_none() {
        let mut resolver = DnsResolver::new("localhost", 80, Clock::default());
        let resolution = next(&mut resolver).await.unwrap();
        assert!(resolution.addresses().any(|a| a.ip().is_some_and(|ip| ip.ip().is_loopback() && ip.port() == 80)));
        let mut resolver = DnsResolver::new("nonsense.invalid", 80, Clock::default());
        let status = next(&mut resolver).await.unwrap_err();
        assert!(status.message().contains("`nonsense.invalid`"), "{status:?}");
    }

    #[tokio::test]
    async fn lookups_keep_their_distance() {
        let mut resolver = DnsResolver::new("localhost", 80, Clock::default());
        next(&mut resolver).await.unwrap();
        let first = resolver.not_before;
        assert!(first >= INTERVAL_MIN);
        resolver.request_resolution();
        let waits = std::future::poll_fn(|cx| Poll::Ready(resolver.poll_resolution(cx).is_pending())).await;
        assert!(waits && matches!(resolver.step, Step::Wanted), "the interval is not over");
    }
}
