//! The client: channels, and the calls made on them.
//!
//! A channel goes from its target by a [`Resolver`] to addresses, by a [`Balancer`] to a
//! [`Picker`], and by that to the [`Subchannel`] that each call takes.

mod balancer;
mod builder;
mod call;
mod channel;
mod connection;
mod connector;
mod control;
mod profile;
mod resolver;
mod router;
mod state;
mod subchannel;
mod target;

pub use balancer::{
    Balancer, BalancerControl, BalancerFactory, Pick, PickCompletion, PickFirst, PickInfo, Picker, RoundRobin,
};
pub use builder::ChannelBuilder;
pub use call::{BidiCall, ClientStreamingCall, Reply, Requests, ServerStreamingCall, UnaryCall};
pub use channel::{Channel, LoadBalancing};
pub use connector::{Connected, Connecting, Connector};
pub use resolver::{Attributes, DnsResolver, Endpoint, FixedResolver, Resolution, Resolver, ResolverFactory};
pub use state::ConnectivityState;
pub use subchannel::Subchannel;
pub use target::Target;
pub use tramline_call::backoff::BackoffPolicy;
