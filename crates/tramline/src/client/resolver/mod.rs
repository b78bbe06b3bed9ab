//! From a target to addresses.

mod dns;
mod fixed;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tramline_call::Status;

use super::target::{Place, Target};
use crate::clock::Clock;
use crate::io::Address;
use crate::request::Extensions;

pub use dns::DnsResolver;
pub use fixed::FixedResolver;

/// Values that a resolver hands to a balancer beside an address: weights, localities,
/// host names. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    values: Option<Arc<Extensions>>,
}

impl Attributes {
    /// Attributes with these values.
    #[must_use]
    pub fn new(values: Extensions) -> Self {
        Attributes { values: Some(Arc::new(values)) }
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.values.as_deref()?.get()
    }
}

/// One server: the addresses that reach it, the best first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Where it listens.
    pub addresses: Vec<Address>,
    /// What the resolver knows of it.
    pub attributes: Attributes,
}

impl Endpoint {
    /// An endpoint with one address.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Endpoint { addresses: vec![address], attributes: Attributes::default() }
    }
}

/// What a resolver found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Resolution {
    /// The servers.
    pub endpoints: Vec<Endpoint>,
    /// What concerns them all.
    pub attributes: Attributes,
}

impl Resolution {
    /// Servers of one address each.
    #[must_use]
    pub fn from_addresses(addresses: impl IntoIterator<Item = Address>) -> Self {
        let endpoints = addresses.into_iter().map(Endpoint::new).collect();
        Resolution { endpoints, attributes: Attributes::default() }
    }

    /// All addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses)
    }
}

/// Finds the servers behind a target, once or again and again.
///
/// It runs on the channel's own task and is dropped when the channel goes idle.
pub trait Resolver: Send + 'static {
    /// The next result. It must yield one after the resolver was made, and after each
    /// [`request_resolution`](Self::request_resolution) unless it knows that nothing changed.
    /// After an error the channel asks again, with growing pauses.
    fn poll_resolution(&mut self, cx: &mut Context<'_>) -> Poll<Result<Resolution, Status>>;

    /// A connection failed or was lost: the addresses may be stale.
    fn request_resolution(&mut self) {}
}

/// Makes resolvers: a channel needs a new one each time it leaves IDLE.
pub trait ResolverFactory: Send + Sync + 'static {
    /// A resolver for `target`.
    fn resolver(&self, target: &Target, clock: &Clock) -> Box<dyn Resolver>;
}

impl<F> ResolverFactory for F
where
    F: Fn(&Target, &Clock) -> Box<dyn Resolver> + Send + Sync + 'static,
{
    fn resolver(&self, target: &Target, clock: &Clock) -> Box<dyn Resolver> {
        self(target, clock)
    }
}

impl fmt::Debug for dyn ResolverFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResolverFactory")
    }
}

/// The resolver of the schemes that are built in.
pub(crate) fn builtin(target: &Target, clock: &Clock) -> Box<dyn Resolver> {
    match &target.place {
        Place::Dns { server: None, host, port } => Box::new(DnsResolver::new(host, *port, clock.clone())),
        Place::Dns { server: Some(server), .. } => Box::new(FixedResolver::failing(Status::unavailable(format!(
            "the target `{target}` names the DNS server `{server}`, and this build asks the system's resolver only; \
             leave the server out: `dns:///{}`",
            target.endpoint()
        )))),
        Place::Addresses(addresses) => {
            Box::new(FixedResolver::new(Resolution::from_addresses(addresses.iter().cloned())))
        }
        Place::Custom => Box::new(FixedResolver::failing(Status::unavailable(format!(
            "no resolver for the scheme `{}`",
            target.scheme()
        )))),
    }
}
