//! Byte streams and what is known of them.

mod in_process;
pub(crate) mod socket;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

pub use in_process::{InProcessConnector, InProcessListener, in_process};

/// A byte stream that a connection can run on: a socket, TLS over one, a pipe in memory.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Any byte stream.
pub(crate) type BoxIo = Box<dyn Io>;

/// One end of a connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A Unix socket by its path.
    Unix(PathBuf),
    /// A Unix socket by a name in the abstract namespace.
    UnixAbstract(Bytes),
    /// A Unix socket without a name, as clients have it.
    UnixUnnamed,
    /// A pipe inside this process.
    InProcess,
    /// A byte stream that the application brought.
    #[default]
    Unknown,
}

impl Address {
    /// The IP address and port, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    /// As gRPC's peer strings: `ipv4:…`, `ipv6:[…]`, `unix:…`, `unix-abstract:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address @ SocketAddr::V4(_)) => write!(f, "ipv4:{address}"),
            Address::Ip(address @ SocketAddr::V6(_)) => write!(f, "ipv6:{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::UnixAbstract(name) => write!(f, "unix-abstract:{}", name.escape_ascii()),
            Address::UnixUnnamed => f.write_str("unix:"),
            Address::InProcess => f.write_str("inproc"),
            Address::Unknown => f.write_str("unknown"),
        }
    }
}

/// What a TLS handshake agreed on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol version, such as `TLSv1_3`.
    pub version: String,
    /// The cipher suite, such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher_suite: String,
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The peer's certificate chain, verified, leaf first, each in DER.
    pub peer_certificates: Vec<Bytes>,
}

/// The process at the other end of a Unix socket, as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UnixCredentials {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process, where the system tells.
    pub pid: Option<i32>,
}

/// What is known of a connection's two ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConnectionInfo {
    pub(crate) local: Address,
    pub(crate) peer: Address,
    pub(crate) tls: Option<TlsInfo>,
    pub(crate) credentials: Option<UnixCredentials>,
}

impl ConnectionInfo {
    /// A connection of which only the peer's address is known.
    #[must_use]
    pub fn from_peer(peer: Address) -> Self {
        ConnectionInfo { peer, ..ConnectionInfo::default() }
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> &Address {
        &self.local
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// What TLS agreed on, if the connection uses it.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// The peer's certificate chain, verified, leaf first, in DER. Empty without mTLS.
    #[must_use]
    pub fn peer_certificates(&self) -> &[Bytes] {
        self.tls.as_ref().map(|tls| &tls.peer_certificates[..]).unwrap_or_default()
    }

    /// The process at the other end of a Unix socket.
    #[must_use]
    pub fn credentials(&self) -> Option<UnixCredentials> {
        self.credentials
    }
}

impl fmt::Display for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.fmt(f)
    }
}
