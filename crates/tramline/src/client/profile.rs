//! What is fixed when a channel is built.

use std::sync::Arc;
use std::time::Duration;

use tramline_call::backoff::BackoffPolicy;
use tramline_call::client_call::Scheme;
use tramline_call::codec::Limits;
use tramline_call::{Encoding, EncodingSet};

use super::balancer::BalancerFactory;
use super::connector::Connector;
use super::resolver::ResolverFactory;
use super::target::Target;
use crate::clock::Clock;
use crate::drive::transfer::Packing;
use crate::interceptor::Interceptors;

/// The settings of one channel.
pub(crate) struct Profile {
    pub(crate) target: Target,
    pub(crate) authority: String,
    pub(crate) scheme: Scheme,
    pub(crate) user_agent: String,
    /// Limits of messages that arrive.
    pub(crate) limits: Limits,
    /// Longest message that is sent, before compression.
    pub(crate) sent_message_len_max: usize,
    /// How requests are compressed, unless the call says otherwise.
    pub(crate) compression: Encoding,
    /// What responses may be compressed with.
    pub(crate) accept: EncodingSet,
    pub(crate) waits_for_ready: bool,
    pub(crate) engine: tramline_h2::Config,
    pub(crate) connector: Arc<dyn Connector>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::ClientTls>,
    pub(crate) resolver: Option<Arc<dyn ResolverFactory>>,
    pub(crate) balancer: Arc<dyn BalancerFactory>,
    pub(crate) interceptors: Arc<Interceptors>,
    pub(crate) backoff: BackoffPolicy,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) seed: Option<u64>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Profile {
    /// How a call with this encoding writes its messages.
    pub(crate) fn packing(&self, encoding: Encoding) -> Packing {
        Packing::new(encoding, self.sent_message_len_max)
    }

    /// The host that TLS asks for: the authority without its port.
    #[cfg(feature = "tls")]
    pub(crate) fn server_name(&self) -> &str {
        let authority = self.authority.as_str();
        if let Some((host, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return host;
        }
        authority.rsplit_once(':').map_or(authority, |(host, _)| host)
    }
}
