//! Where connections come from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::{Error, ErrorKind};
use crate::io::socket::{self, BoundSocket, SocketListener};
use crate::io::{Address, BoxIo, ConnectionInfo, InProcessListener, Io};

type Accepted = io::Result<(BoxIo, ConnectionInfo)>;

enum Source {
    Socket(BoundSocket),
    InProcess(InProcessListener),
    Stream(Pin<Box<dyn Stream<Item = Accepted> + Send>>),
}

/// A source of connections for a [`Server`](crate::Server): a bound socket, an
/// in-process listener, or any stream of accepted connections.
pub struct Listener {
    source: Source,
    address: Address,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({})", self.address)
    }
}

impl Listener {
    /// Connections that the application accepts itself.
    pub fn from_stream<S, T>(connections: S) -> Self
    where
        S: Stream<Item = io::Result<(T, ConnectionInfo)>> + Send + 'static,
        T: Io,
    {
        Listener { source: Source::Stream(Box::pin(Boxed { connections })), address: Address::Unknown }
    }

    /// Binds `address`: `host:port`, `[::]:port`, `:port` (all addresses), `unix:path`,
    /// or `unix-abstract:name`.
    ///
    /// # Errors
    /// The address cannot be read or bound.
    pub fn bind(address: &str) -> Result<Listener, Error> {
        Listener::bind_shared(address, 1)?.pop().ok_or_else(|| invalid(address))
    }

    /// Binds the address `count` times, so that the kernel spreads connections.
    pub(super) fn bind_shared(address: &str, count: usize) -> Result<Vec<Listener>, Error> {
        if let Some(bound) = bind_local(address) {
            let bound = bound.map_err(|error| cannot_bind(address, error))?;
            return Ok(vec![Listener::from(bound)]);
        }
        let first = bind_tcp(address, count > 1)?;
        let bound_to = first.address.ip().ok_or_else(|| invalid(address))?;
        let mut all = vec![first];
        for _ in 1..count {
            let next = socket::bind_tcp(bound_to, true).map_err(|error| cannot_bind(address, error))?;
            all.push(Listener::from(next));
        }
        Ok(all)
    }

    /// The address, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Ties it to the runtime that runs now.
    pub(super) fn start(self) -> io::Result<Acceptor> {
        Ok(match self.source {
            Source::Socket(bound) => Acceptor::Socket(bound.listen()?),
            Source::InProcess(listener) => Acceptor::InProcess(listener),
            Source::Stream(stream) => Acceptor::Stream(stream),
        })
    }
}

impl From<BoundSocket> for Listener {
    fn from(bound: BoundSocket) -> Self {
        Listener { address: bound.local_address(), source: Source::Socket(bound) }
    }
}

impl From<InProcessListener> for Listener {
    fn from(listener: InProcessListener) -> Self {
        Listener { source: Source::InProcess(listener), address: Address::InProcess }
    }
}

#[cfg(unix)]
fn bind_local(address: &str) -> Option<io::Result<BoundSocket>> {
    if let Some(name) = address.strip_prefix("unix-abstract:") {
        return Some(socket::bind_unix_abstract(name.as_bytes()));
    }
    let path = address.strip_prefix("unix:")?;
    // gRPC naming: `unix:path`, and `unix:///absolute/path`.
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(socket::bind_unix(Path::new(path)))
}

#[cfg(not(unix))]
fn bind_local(address: &str) -> Option<io::Result<BoundSocket>> {
    let is_local = address.starts_with("unix:") || address.starts_with("unix-abstract:");
    is_local.then(|| Err(io::ErrorKind::Unsupported.into()))
}

fn invalid(address: &str) -> Error {
    let message = format!("`{address}` is no address to listen on; use `host:port`, `[::]:port` or `unix:path`");
    Error::new(ErrorKind::Target, message)
}

fn cannot_bind(address: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Bind, format!("cannot listen on `{address}`")).with_source(error)
}

fn bind_tcp(address: &str, shares_port: bool) -> Result<Listener, Error> {
    let full = if address.starts_with(':') { format!("[::]{address}") } else { address.to_owned() };
    let candidates: Vec<SocketAddr> =
        full.to_socket_addrs().map_err(|error| invalid(address).with_source(error))?.collect();
    let mut last = invalid(address);
    for candidate in candidates {
        match socket::bind_tcp(candidate, shares_port) {
            Ok(listener) => return Ok(Listener::from(listener)),
            Err(error) if is_unspecified_v6(candidate) && error.kind() != io::ErrorKind::AddrInUse => {
                let fallback = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), candidate.port());
                tracing::info!(%error, %fallback, "IPv6 is off: listening on IPv4 alone");
                let bound = socket::bind_tcp(fallback, shares_port).map_err(|error| cannot_bind(address, error))?;
                return Ok(Listener::from(bound));
            }
            Err(error) => last = cannot_bind(address, error),
        }
    }
    Err(last)
}

fn is_unspecified_v6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// A listener that accepts.
pub(super) enum Acceptor {
    Socket(SocketListener),
    InProcess(InProcessListener),
    Stream(Pin<Box<dyn Stream<Item = Accepted> + Send>>),
}

impl Acceptor {
    /// The next connection; `None` when there will be none.
    pub(super) async fn accept(&mut self) -> Option<Accepted> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Accepted>> {
        match self {
            Acceptor::Socket(listener) => listener.poll_accept(cx).map(Some),
            Acceptor::InProcess(listener) => listener.poll_accept(cx).map(|accepted| accepted.map(Ok)),
            Acceptor::Stream(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

pin_project_lite::pin_project! {
    /// A stream whose connections are boxed.
    struct Boxed<S> {
        #[pin]
        connections: S,
    }
}

impl<S, T> Stream for Boxed<S>
where
    S: Stream<Item = io::Result<(T, ConnectionInfo)>>,
    T: Io,
{
    type Item = Accepted;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Accepted>> {
        let next = self.project().connections.poll_next(cx);
        next.map(|next| next.map(|accepted| accepted.map(|(io, info)| (Box::new(io) as BoxIo, info))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for address in ["127.0.0.1:0", "localhost:0", ":0", "[::]:0", "[::1]:0"] {
            match Listener::bind(address) {
                Ok(listener) => assert_ne!(listener.address().ip().unwrap().port(), 0, "{address}"),
                // A machine without IPv6 may refuse the loopback address, and nothing else.
                Err(error) => assert_eq!((address, error.kind()), ("[::1]:0", ErrorKind::Bind)),
            }
        }
        for address in ["", "nowhere", "1.2.3.4", "host:port"] {
            assert_eq!(Listener::bind(address).unwrap_err().kind(), ErrorKind::Target, "{address}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_orphaned_socket_file_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("tramline-listener-{}", std::process::id()));
        let address = format!("unix:{}", path.display());
        drop(Listener::bind(&address).unwrap());
        let alive = Listener::bind(&address).unwrap();
        assert_eq!(alive.address(), &Address::Unix(path.clone()));
        assert_eq!(Listener::bind(&address).unwrap_err().kind(), ErrorKind::Bind);
        std::fs::remove_file(path).unwrap();
    }
}
