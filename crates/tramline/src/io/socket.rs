//! Sockets. No other file names one.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::{Address, BoxIo, ConnectionInfo};
use crate::error::{Error, ErrorKind};
use crate::server::Listener;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Connects by TCP.
pub(crate) async fn connect_tcp(address: SocketAddr) -> io::Result<(BoxIo, ConnectionInfo)> {
    adopt_tcp(TcpStream::connect(address).await?)
}

/// Small writes leave at once: waiting for an acknowledgement (Nagle) would add a
/// delayed ACK, 40 ms, to a call.
fn adopt_tcp(stream: TcpStream) -> io::Result<(BoxIo, ConnectionInfo)> {
    stream.set_nodelay(true)?;
    let info = ConnectionInfo {
        local: stream.local_addr().map(Address::Ip).unwrap_or_default(),
        peer: Address::Ip(stream.peer_addr()?),
        ..ConnectionInfo::default()
    };
    Ok((Box::new(stream), info))
}

/// Binds a TCP socket. With `shares_port`, other sockets of this process may be bound to
/// the same address, and the kernel spreads connections over them.
pub(crate) fn bind_tcp(address: SocketAddr, shares_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Windows lets a second process steal an address that has SO_REUSEADDR.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        // `[::]` takes IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    set_reuse_port(&socket, shares_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(unix)]
fn set_reuse_port(socket: &Socket, shares_port: bool) -> io::Result<()> {
    socket.set_reuse_port(shares_port)
}

#[cfg(not(unix))]
fn set_reuse_port(_socket: &Socket, shares_port: bool) -> io::Result<()> {
    if shares_port { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

/// A bound socket, not yet tied to a runtime.
#[derive(Debug)]
pub(crate) enum BoundSocket {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl BoundSocket {
    pub(crate) fn local_address(&self) -> Address {
        match self {
            BoundSocket::Tcp(listener) => listener.local_addr().map(Address::Ip).unwrap_or_default(),
            #[cfg(unix)]
            BoundSocket::Unix(listener) => {
                listener.local_addr().map(|address| unix::address(&address)).unwrap_or_default()
            }
        }
    }

    /// Ties it to the runtime that runs now.
    pub(crate) fn listen(self) -> io::Result<SocketListener> {
        Ok(match self {
            BoundSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                SocketListener::Tcp(TcpListener::from_std(listener)?)
            }
            #[cfg(unix)]
            BoundSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                SocketListener::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        })
    }
}

impl From<std::net::TcpListener> for Listener {
    fn from(listener: std::net::TcpListener) -> Self {
        Listener::from(BoundSocket::Tcp(listener))
    }
}

impl TryFrom<TcpListener> for Listener {
    type Error = Error;

    fn try_from(listener: TcpListener) -> Result<Self, Error> {
        let listener = listener.into_std();
        let unusable = |error| Error::new(ErrorKind::Bind, "the listener cannot leave its runtime").with_source(error);
        listener.map(Listener::from).map_err(unusable)
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Listener {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Listener::from(BoundSocket::Unix(listener))
    }
}

/// A socket that accepts.
#[derive(Debug)]
pub(crate) enum SocketListener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl SocketListener {
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(BoxIo, ConnectionInfo)>> {
        Poll::Ready(match self {
            SocketListener::Tcp(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                adopt_tcp(stream)
            }
            #[cfg(unix)]
            SocketListener::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                unix::adopt(stream)
            }
        })
    }
}

/// Whether accepting failed because of the one connection that is not there any more
/// (accept(2), "Error handling"). Other errors come again with the next attempt.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, NotConnected, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | TimedOut
    )
}

#[cfg(unix)]
pub(crate) use unix::{bind_unix, bind_unix_abstract, connect_unix, connect_unix_abstract};

#[cfg(unix)]
mod unix {
    use std::os::unix::net;
    use std::path::Path;

    use tokio::net::UnixStream;

    use super::{Address, BoundSocket, BoxIo, ConnectionInfo, io};
    use crate::io::UnixCredentials;

    pub(super) fn address(address: &net::SocketAddr) -> Address {
        #[cfg(target_os = "linux")]
        if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(address) {
            return Address::UnixAbstract(name.to_vec().into());
        }
        match address.as_pathname() {
            Some(path) => Address::Unix(path.to_path_buf()),
            None => Address::UnixUnnamed,
        }
    }

    pub(super) fn adopt(stream: UnixStream) -> io::Result<(BoxIo, ConnectionInfo)> {
        let credentials = stream.peer_cred().ok();
        let stream = stream.into_std()?;
        let info = ConnectionInfo {
            local: stream.local_addr().map(|end| address(&end)).unwrap_or_default(),
            peer: stream.peer_addr().map(|end| address(&end)).unwrap_or_default(),
            tls: None,
            credentials: credentials.map(|of| UnixCredentials { uid: of.uid(), gid: of.gid(), pid: of.pid() }),
        };
        Ok((Box::new(UnixStream::from_std(stream)?), info))
    }

    /// Connects to a Unix socket by its path.
    pub(crate) async fn connect_unix(path: &Path) -> io::Result<(BoxIo, ConnectionInfo)> {
        adopt(UnixStream::connect(path).await?)
    }

    /// Connects to a Unix socket in Linux's abstract namespace.
    pub(crate) async fn connect_unix_abstract(name: &[u8]) -> io::Result<(BoxIo, ConnectionInfo)> {
        let address = abstract_address(name)?;
        // Local sockets connect at once, or fail at once.
        let stream = net::UnixStream::connect_addr(&address)?;
        stream.set_nonblocking(true)?;
        adopt(UnixStream::from_std(stream)?)
    }

    /// Binds a Unix socket. A socket file that nobody listens on any more is replaced.
    pub(crate) fn bind_unix(path: &Path) -> io::Result<BoundSocket> {
        match net::UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_orphan(path) => {
                std::fs::remove_file(path)?;
                net::UnixListener::bind(path).map(BoundSocket::Unix)
            }
            bound => bound.map(BoundSocket::Unix),
        }
    }

    fn is_orphan(path: &Path) -> bool {
        use std::os::unix::fs::FileTypeExt;
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        is_socket && net::UnixStream::connect(path).is_err_and(refused)
    }

    /// Binds a Unix socket in Linux's abstract namespace.
    pub(crate) fn bind_unix_abstract(name: &[u8]) -> io::Result<BoundSocket> {
        net::UnixListener::bind_addr(&abstract_address(name)?).map(BoundSocket::Unix)
    }

    #[cfg(target_os = "linux")]
    fn abstract_address(name: &[u8]) -> io::Result<net::SocketAddr> {
        <net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
    }

    #[cfg(not(target_os = "linux"))]
    fn abstract_address(_name: &[u8]) -> io::Result<net::SocketAddr> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "abstract Unix sockets exist on Linux alone"))
    }
}
