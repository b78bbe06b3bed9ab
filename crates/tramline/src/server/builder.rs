//! The settings of a server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tramline_call::codec::Limits;
use tramline_call::{Encoding, Status};

use super::listener::Listener;
use super::places::Places;
use super::replies::Replies;
use super::routes::{Dispatch, Routes, Service};
use super::serving::Server;
use super::settings::{HandlerLimit, ServerShared};
use crate::clock::Clock;
use crate::compression;
use crate::drive::outbound;
use crate::error::Error;
use crate::http_door::{self, HttpHandler, HttpRequest, HttpResponse};
use crate::interceptor::{Interceptor, Interceptors};
use crate::request::Request;
use crate::streaming::Streaming;

/// Time for a TLS handshake, from the accepted connection to its end.
#[cfg(feature = "tls")]
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest window of a stream, in octets (RFC 9113 §6.9.1).
const WINDOW_LEN_MAX: u32 = 0x7fff_ffff;

/// Where a server's connections run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Runtime {
    /// On the tokio runtime that runs [`Server::serve`]. If that has several threads, connections
    /// are kept on as few of them as keep up; a handler that blocks its thread stops other
    /// connections for up to 10 ms, until another thread takes them over.
    #[default]
    Shared,
    /// On threads of their own, each with a current-thread runtime; a connection stays
    /// where it was accepted. TCP addresses are bound once for each thread
    /// (`SO_REUSEPORT`), and the kernel spreads connections blindly: good for many
    /// connections, bad for few.
    PerCore {
        /// How many threads.
        threads: usize,
    },
}

type Registration = Box<dyn FnOnce(&mut Routes) + Send>;

/// Builds a [`Server`].
///
/// ```no_run
/// # use tramline::{Server, Dispatch};
/// # use std::time::Duration;
/// # fn f() -> Result<Server, tramline::Error> {
/// let server = Server::builder()
///     .message_len_max(16 * 1024 * 1024)
///     .timeout(Duration::from_secs(30))
///     .connections_max(10_000)
///     .bind("[::]:50051")?
///     .bind("unix:/run/greeter.sock")?;
/// # Ok(server) }
/// ```
pub struct ServerBuilder {
    registrations: Vec<Registration>,
    interceptors: Interceptors,
    http: Option<HttpHandler>,
    dispatches: Vec<(String, Dispatch)>,
    limits: Limits,
    sent_message_len_max: usize,
    timeout: Option<Duration>,
    compression: Encoding,
    handlers_max: Option<usize>,
    connections_max: usize,
    connections_per_ip_max: usize,
    engine: tramline_h2::Config,
    #[cfg(feature = "tls")]
    handshake_timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::ServerTls>,
    runtime: Runtime,
    clock: Clock,
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("services", &self.registrations.len()).finish_non_exhaustive()
    }
}

impl Default for ServerBuilder {
    fn default() -> Self {
        ServerBuilder {
            registrations: Vec::new(),
            interceptors: Interceptors::default(),
            http: None,
            dispatches: Vec::new(),
            limits: Limits::default(),
            sent_message_len_max: usize::MAX,
            timeout: None,
            compression: Encoding::Identity,
            handlers_max: None,
            connections_max: usize::MAX,
            connections_per_ip_max: usize::MAX,
            engine: tramline_h2::Config::default(),
            #[cfg(feature = "tls")]
            handshake_timeout: HANDSHAKE_TIMEOUT,
            #[cfg(feature = "tls")]
            tls: None,
            runtime: Runtime::default(),
            clock: Clock::default(),
        }
    }
}

impl ServerBuilder {
    /// Adds a service, as generated code makes it.
    #[must_use]
    pub fn add_service<S: Service + Send + 'static>(self, service: S) -> Self {
        self.add_routes(move |routes| routes.add_service(service))
    }

    /// Adds methods that are known at run time alone.
    #[must_use]
    pub fn add_routes(mut self, register: impl FnOnce(&mut Routes) + Send + 'static) -> Self {
        self.registrations.push(Box::new(register));
        self
    }

    /// Takes calls of methods that no service has, as streams of encoded messages.
    /// Without it, they are UNIMPLEMENTED before any interceptor sees them.
    ///
    /// ```no_run
    /// # use tramline::{Replies, Request, Server, Status, Streaming};
    /// # use bytes::Bytes;
    /// # fn f() {
    /// let builder = Server::builder().fallback(|mut request: Request<Streaming<Bytes>>, replies: Replies<Bytes>| async move {
    ///     while let Some(message) = request.get_mut().message().await? {
    ///         replies.send(message).await?;
    ///     }
    ///     Ok(())
    /// });
    /// # let _ = builder; }
    /// ```
    #[must_use]
    pub fn fallback<H, F>(self, handler: H) -> Self
    where
        H: Fn(Request<Streaming<Bytes>>, Replies<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        self.add_routes(move |routes| {
            routes.fallback(Arc::new(()), move |_, request, replies| handler(request, replies));
        })
    }

    /// Takes requests that are not gRPC. Without it, they get 415.
    #[must_use]
    pub fn http_handler<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(HttpRequest) -> F + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        self.http = Some(http_door::erase(handler));
        self
    }

    /// Puts an interceptor around every call of every service. What is added first is
    /// outermost.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// Where the handlers of one method run, in place of [`Dispatch::Inline`]. The path
    /// is `/package.Service/Method`.
    #[must_use]
    pub fn dispatch(mut self, path: impl Into<String>, dispatch: Dispatch) -> Self {
        self.dispatches.push((path.into(), dispatch));
        self
    }

    /// The longest message that is accepted, in bytes after decompression: 4 MiB unless
    /// set. Longer ones end their call with RESOURCE_EXHAUSTED.
    #[must_use]
    pub fn message_len_max(mut self, len: usize) -> Self {
        self.limits = self.limits.with_message_len_max(len);
        self
    }

    /// All limits for decoding messages.
    #[must_use]
    pub fn decode_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The longest message that is sent, in bytes before compression: no limit unless set.
    #[must_use]
    pub fn sent_message_len_max(mut self, len: usize) -> Self {
        self.sent_message_len_max = len;
        self
    }

    /// The longest time of a call, also for clients that set no deadline or a later one:
    /// none unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Compresses replies, for clients that accept it. Requests may come in any encoding
    /// that this build knows, whatever is set here.
    #[must_use]
    pub fn compression(mut self, encoding: Encoding) -> Self {
        self.compression = encoding;
        self
    }

    /// How many handlers may be alive at once on the whole server: no limit unless set.
    /// Calls above it are refused in a way that clients may safely retry elsewhere
    /// (REFUSED_STREAM, RFC 9113 §8.7).
    #[must_use]
    pub fn handlers_max(mut self, count: usize) -> Self {
        self.handlers_max = Some(count);
        self
    }

    /// How many connections the server may have: no limit unless set. Others wait: one at
    /// each listener, the rest in the kernel's backlog.
    #[must_use]
    pub fn connections_max(mut self, count: usize) -> Self {
        self.connections_max = count;
        self
    }

    /// How many connections one IP address may have, or one /64 network of IPv6: no limit
    /// unless set. Others are closed as soon as they are accepted. Behind a proxy, all
    /// clients have the proxy's address.
    #[must_use]
    pub fn connections_per_ip_max(mut self, count: usize) -> Self {
        self.connections_per_ip_max = count;
        self
    }

    /// Calls that one connection may have at once, handlers still running included: 256
    /// unless set.
    #[must_use]
    pub fn concurrent_streams_max(mut self, count: u32) -> Self {
        self.engine.limits.concurrent_streams_max = count;
        self
    }

    /// Time for a TLS handshake: 20 s unless set.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Changes the HTTP/2 engine's settings: windows, tables, budgets against abuse.
    #[must_use]
    pub fn http2(mut self, change: impl FnOnce(&mut tramline_h2::Config)) -> Self {
        change(&mut self.engine);
        self
    }

    /// Speaks TLS on all listeners.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where connections run.
    #[must_use]
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// The time that the server goes by.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Folds everything into a server that listens nowhere yet.
    ///
    /// # Errors
    /// A method is registered twice, a setting names a method or a compression that is not
    /// there, or the window of a stream is one that lets nothing in.
    pub fn build(mut self) -> Result<Server, Error> {
        check_window(self.engine.stream_window_len)?;
        outbound::fit_queue(&mut self.engine.limits);
        if !compression::is_supported(self.compression) {
            let name = self.compression.name();
            return Err(Error::config(format!(
                "this build cannot compress with {name}: enable the feature of that name"
            )));
        }
        let mut routes = Routes::default();
        routes.set_interceptors(self.interceptors);
        fold_routes(&mut routes, self.registrations, &self.dispatches)?;
        if let Some(handler) = self.http {
            routes.set_http(handler);
        }
        let mut accept = compression::supported();
        accept.insert(Encoding::Identity);
        let shared = ServerShared {
            routes,
            limits: self.limits,
            sent_message_len_max: self.sent_message_len_max,
            timeout: self.timeout,
            compression: self.compression,
            accept,
            handlers: self.handlers_max.map(HandlerLimit::new),
            engine: self.engine,
            #[cfg(feature = "tls")]
            handshake_timeout: self.handshake_timeout,
            #[cfg(feature = "tls")]
            tls: self.tls,
            clock: self.clock,
        };
        let places = Places::new(self.connections_max, self.connections_per_ip_max);
        Ok(Server::new(shared, self.runtime, places))
    }

    /// Builds the server and listens on a first address.
    ///
    /// # Errors
    /// As [`build`](Self::build) and [`Server::bind`].
    pub fn bind(self, address: &str) -> Result<Server, Error> {
        self.build()?.bind(address)
    }

    /// Builds the server and takes connections from a first listener.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn listen(self, listener: impl Into<Listener>) -> Result<Server, Error> {
        Ok(self.build()?.listen(listener))
    }

    /// Builds the server and serves on `address` until the process ends.
    ///
    /// # Errors
    /// As [`build`](Self::build) and [`Server::bind`].
    pub async fn serve(self, address: &str) -> Result<(), Error> {
        self.bind(address)?.serve().await
    }
}

/// With a window of 0 no request would ever come in; one above 2^31-1 is an error to every
/// client (RFC 9113 §6.5.2).
fn check_window(len: u32) -> Result<(), Error> {
    if (1..=WINDOW_LEN_MAX).contains(&len) {
        return Ok(());
    }
    Err(Error::config(format!(
        "`stream_window_len` is {len}, and must be 1 to {WINDOW_LEN_MAX}: it is what a client may send on a stream before the server answers, in octets"
    )))
}

fn fold_routes(
    routes: &mut Routes,
    registrations: Vec<Registration>,
    dispatches: &[(String, Dispatch)],
) -> Result<(), Error> {
    registrations.into_iter().for_each(|register| register(routes));
    if let Some(path) = routes.duplicate() {
        return Err(Error::config(format!("the method {path} is registered twice")));
    }
    for (path, dispatch) in dispatches {
        if !routes.set_dispatch(path, *dispatch) {
            return Err(Error::config(format!("`dispatch` names {path}, and the server has no such method")));
        }
    }
    Ok(())
}
