//! Settings of a channel.

use std::sync::Arc;
use std::time::Duration;

use tramline_call::Encoding;
use tramline_call::backoff::BackoffPolicy;
use tramline_call::client_call::{Scheme, user_agent};
use tramline_call::codec::Limits;

use super::balancer::BalancerFactory;
use super::channel::{Channel, LoadBalancing};
use super::connector::{Connector, SocketConnector};
use super::profile::Profile;
use super::resolver::ResolverFactory;
use super::target::{Place, Security, Target};
use crate::clock::Clock;
use crate::compression;
use crate::drive::outbound;
use crate::error::Error;
use crate::interceptor::{Interceptor, Interceptors};
use crate::io::InProcessConnector;
#[cfg(feature = "tls")]
use crate::tls::ClientTls;

/// gRPC's channel idleness.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// HTTP/2's default; with less, what a reader holds back could stop the peer for good.
pub(crate) const STREAM_WINDOW_LEN_MIN: u32 = 65_535;
/// gRPC: a shorter one would close connections between two calls of one client.
const IDLE_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Builds a [`Channel`].
///
/// ```
/// # fn f() -> Result<(), tramline::Error> {
/// use tramline::client::LoadBalancing;
/// use tramline::Channel;
///
/// let channel = Channel::builder("dns:///greeter.internal:50051")
///     .load_balancing(LoadBalancing::RoundRobin)
///     .user_agent("my-program/1.0")
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ChannelBuilder {
    target: Result<String, Target>,
    authority: Option<String>,
    user_agent: Option<String>,
    limits: Limits,
    sent_message_len_max: usize,
    compression: Encoding,
    waits_for_ready: bool,
    engine: tramline_h2::Config,
    connector: Arc<dyn Connector>,
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    resolver: Option<Arc<dyn ResolverFactory>>,
    balancer: Arc<dyn BalancerFactory>,
    interceptors: Interceptors,
    backoff: BackoffPolicy,
    idle_timeout: Option<Duration>,
    clock: Clock,
    seed: Option<u64>,
}

impl ChannelBuilder {
    pub(super) fn new(target: &str) -> Self {
        ChannelBuilder {
            target: Ok(target.to_owned()),
            authority: None,
            user_agent: None,
            limits: Limits::default(),
            sent_message_len_max: usize::MAX,
            compression: Encoding::Identity,
            waits_for_ready: false,
            engine: tramline_h2::Config::default(),
            connector: Arc::new(SocketConnector),
            #[cfg(feature = "tls")]
            tls: None,
            resolver: None,
            balancer: LoadBalancing::PickFirst.factory(),
            interceptors: Interceptors::default(),
            backoff: BackoffPolicy::default(),
            idle_timeout: Some(IDLE_TIMEOUT),
            clock: Clock::default(),
            seed: None,
        }
    }

    /// A channel to a server inside this process, with settings of its own.
    #[must_use]
    pub fn in_process(connector: &InProcessConnector) -> Self {
        let builder = ChannelBuilder { target: Err(Target::in_process()), ..ChannelBuilder::new("") };
        builder.connector(connector.clone())
    }

    /// Speaks TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Opens byte streams by `connector` in place of sockets.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// What calls say in `:authority`, and TLS asks for and checks, in place of the
    /// target's host.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// What is put in front of this library's user agent.
    #[must_use]
    pub fn user_agent(mut self, application: impl Into<String>) -> Self {
        self.user_agent = Some(application.into());
        self
    }

    /// Longest message that is received, after decompression, in octets; 4 MiB by default.
    #[must_use]
    pub fn message_len_max(mut self, len: usize) -> Self {
        self.limits = self.limits.with_message_len_max(len);
        self
    }

    /// Longest message that is sent, before compression, in octets; no limit by default.
    #[must_use]
    pub fn sent_message_len_max(mut self, len: usize) -> Self {
        self.sent_message_len_max = len;
        self
    }

    /// Limits of decoding: depth, unknown fields, memory.
    #[must_use]
    pub fn decode_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Longest head or trailers that are received, in octets; 16 KiB by default.
    #[must_use]
    pub fn header_list_len_max(mut self, len: usize) -> Self {
        self.engine.limits.header_list_len_max = len;
        self
    }

    /// How requests are compressed, unless a call says otherwise; not at all by default.
    #[must_use]
    pub fn compression(mut self, encoding: Encoding) -> Self {
        self.compression = encoding;
        self
    }

    /// Whether calls wait for a connection while the server cannot be reached, unless a
    /// call says otherwise; they fail by default.
    #[must_use]
    pub fn wait_for_ready(mut self, waits_for_ready: bool) -> Self {
        self.waits_for_ready = waits_for_ready;
        self
    }

    /// How calls are spread over addresses; all to the first that answers by default.
    #[must_use]
    pub fn load_balancing(mut self, policy: LoadBalancing) -> Self {
        self.balancer = policy.factory();
        self
    }

    /// A load-balancing policy of the application's own.
    #[must_use]
    pub fn balancer(mut self, factory: impl BalancerFactory) -> Self {
        self.balancer = Arc::new(factory);
        self
    }

    /// A resolver of the application's own: for other schemes, or in place of the one built in.
    #[must_use]
    pub fn resolver(mut self, factory: impl ResolverFactory) -> Self {
        self.resolver = Some(Arc::new(factory));
        self
    }

    /// Puts an interceptor around every call, inside those that were added before.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// How long to wait between attempts to connect.
    #[must_use]
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.backoff = policy;
        self
    }

    /// After this time without calls, connections are closed; 30 minutes by default, at
    /// least a second; `None` for never.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle_timeout = timeout.map(|timeout| timeout.max(IDLE_TIMEOUT_MIN));
        self
    }

    /// Receive window of a stream at the start, in octets, at least 65,535; it grows with
    /// bandwidth and delay.
    #[must_use]
    pub fn stream_window_len(mut self, len: u32) -> Self {
        self.engine.stream_window_len = len;
        self.engine.stream_window_len_max = self.engine.stream_window_len_max.max(len);
        self
    }

    /// Receive window of a connection at the start, in octets.
    #[must_use]
    pub fn connection_window_len(mut self, len: u32) -> Self {
        self.engine.connection_window_len = len;
        self.engine.connection_window_len_max = self.engine.connection_window_len_max.max(len);
        self
    }

    /// Changes the HTTP/2 engine's settings: windows, tables, budgets against abuse.
    #[must_use]
    pub fn http2(mut self, change: impl FnOnce(&mut tramline_h2::Config)) -> Self {
        change(&mut self.engine);
        self
    }

    /// Where the channel takes its time from.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes jitter and the choice of servers repeatable.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The channel. It does not connect yet.
    ///
    /// # Errors
    /// The target cannot be read, a setting contradicts it or cannot be, or the system has
    /// no root certificates for `https://`.
    pub fn build(self) -> Result<Channel, Error> {
        self.into_profile().map(Channel::from_profile)
    }

    pub(super) fn into_profile(mut self) -> Result<Profile, Error> {
        self.engine.stream_window_len = self.engine.stream_window_len.max(STREAM_WINDOW_LEN_MIN);
        outbound::fit_queue(&mut self.engine.limits);
        let target = match &self.target {
            Err(target) => target.clone(),
            Ok(text) if self.resolver.is_some() => Target::parse_any(text)?,
            Ok(text) => Target::parse(text)?,
        };
        debug_assert!(self.resolver.is_some() || target.place != Place::Custom);
        if !compression::is_supported(self.compression) {
            let name = self.compression.name();
            return Err(Error::config(format!(
                "this program was built without the compression {name}; enable the feature `{name}` of the crate `tramline`"
            )));
        }
        let authority = match self.authority {
            Some(authority) => check_authority(authority)?,
            None => target.authority().to_owned(),
        };
        #[cfg(feature = "tls")]
        let tls = secure(target.security, self.tls, &target)?;
        #[cfg(not(feature = "tls"))]
        check_plaintext(target.security, &target)?;
        #[cfg(feature = "tls")]
        let is_secure = tls.is_some();
        #[cfg(not(feature = "tls"))]
        let is_secure = false;
        Ok(Profile {
            authority,
            scheme: if is_secure { Scheme::Https } else { Scheme::Http },
            user_agent: user_agent(self.user_agent.as_deref()),
            limits: self.limits,
            sent_message_len_max: self.sent_message_len_max,
            compression: self.compression,
            accept: compression::supported(),
            waits_for_ready: self.waits_for_ready,
            engine: self.engine,
            connector: self.connector,
            #[cfg(feature = "tls")]
            tls,
            resolver: self.resolver,
            balancer: self.balancer,
            interceptors: Arc::new(self.interceptors),
            backoff: self.backoff,
            idle_timeout: self.idle_timeout,
            clock: self.clock,
            seed: self.seed,
            target,
        })
    }
}

fn check_authority(authority: String) -> Result<String, Error> {
    let is_valid = |b: u8| b.is_ascii_graphic() && !b"/@?#\\".contains(&b);
    if authority.is_empty() || !authority.bytes().all(is_valid) {
        return Err(Error::config(format!("the authority `{authority}` cannot be sent; write `host` or `host:port`")));
    }
    Ok(authority)
}

/// What the target says and what the builder says must agree.
#[cfg(feature = "tls")]
fn secure(security: Security, tls: Option<ClientTls>, target: &Target) -> Result<Option<ClientTls>, Error> {
    match (security, tls) {
        (Security::Tls, None) => ClientTls::system_roots().map(Some),
        (Security::Plaintext, Some(_)) => Err(Error::config(format!(
            "the target `{target}` says plaintext, and the builder says TLS; write `https://` or `dns:///`"
        ))),
        (_, tls) => Ok(tls),
    }
}

#[cfg(not(feature = "tls"))]
fn check_plaintext(security: Security, target: &Target) -> Result<(), Error> {
    match security {
        Security::Tls => Err(Error::config(format!(
            "the target `{target}` needs TLS, and this program was built without it; enable the feature `tls` of the crate `tramline`"
        ))),
        Security::Plaintext | Security::Unsaid => Ok(()),
    }
}
