//! From an address to a byte stream.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use super::profile::Profile;
use crate::error::{Error, ErrorKind};
use crate::io::{Address, BoxIo, ConnectionInfo, InProcessConnector, Io, socket};

/// A byte stream and what is known of its ends.
pub type Connected = (Box<dyn Io>, ConnectionInfo);

/// What a [`Connector`] returns.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Connected>> + Send>>;

/// Opens byte streams: in place of sockets, something of the application's own.
///
/// Any `Fn(Address) -> impl Future<Output = io::Result<impl Io>>` is one. TLS, if the
/// channel uses it, is spoken on top.
pub trait Connector: Send + Sync + 'static {
    /// Opens a byte stream to `address`.
    fn connect(&self, address: &Address) -> Connecting;
}

impl<F, T, I> Connector for F
where
    F: Fn(Address) -> T + Send + Sync + 'static,
    T: Future<Output = io::Result<I>> + Send + 'static,
    I: Io,
{
    fn connect(&self, address: &Address) -> Connecting {
        let connecting = self(address.clone());
        let info = ConnectionInfo::from_peer(address.clone());
        Box::pin(async move { Ok((Box::new(connecting.await?) as BoxIo, info)) })
    }
}

impl fmt::Debug for dyn Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Sockets: what a channel uses unless it is told otherwise.
#[derive(Debug)]
pub(crate) struct SocketConnector;

impl Connector for SocketConnector {
    fn connect(&self, address: &Address) -> Connecting {
        let address = address.clone();
        Box::pin(async move {
            match address {
                Address::Ip(ip) => socket::connect_tcp(ip).await,
                #[cfg(unix)]
                Address::Unix(path) => socket::connect_unix(&path).await,
                #[cfg(unix)]
                Address::UnixAbstract(name) => socket::connect_unix_abstract(&name).await,
                other => Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("no socket leads to `{other}`: give the channel's builder a connector"),
                )),
            }
        })
    }
}

impl Connector for InProcessConnector {
    fn connect(&self, _address: &Address) -> Connecting {
        let connector = self.clone();
        Box::pin(async move { InProcessConnector::connect(&connector).await })
    }
}

/// A byte stream with TLS on it, if the channel uses TLS.
pub(crate) async fn connect(profile: &Profile, address: &Address) -> Result<(BoxIo, ConnectionInfo), Error> {
    let connected = profile.connector.connect(address).await;
    #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "TLS changes it"))]
    let (mut io, mut info) =
        connected.map_err(|error| Error::new(ErrorKind::Connect, "cannot connect").with_source(error))?;
    #[cfg(feature = "tls")]
    if let Some(tls) = &profile.tls {
        io = tls.connect(io, profile.server_name(), &mut info).await?;
    }
    Ok((io, info))
}
