//! A transport inside one process: no socket, no kernel.

use std::io;
use std::task::{Context, Poll};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::{Address, BoxIo, ConnectionInfo};

/// Octets in flight in one direction.
const PIPE_LEN: usize = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;

/// A listener and the connector that reaches it, inside this process.
///
/// Give the listener to a server and the connector, as often as wanted, to channels.
#[must_use]
pub fn in_process() -> (InProcessConnector, InProcessListener) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (InProcessConnector { sender }, InProcessListener { receiver })
}

/// Opens connections to one [`InProcessListener`].
#[derive(Clone, Debug)]
pub struct InProcessConnector {
    sender: mpsc::Sender<DuplexStream>,
}

impl InProcessConnector {
    /// One more connection.
    pub(crate) async fn connect(&self) -> io::Result<(BoxIo, ConnectionInfo)> {
        let (near, far) = tokio::io::duplex(PIPE_LEN);
        let refused = |_| io::Error::new(io::ErrorKind::ConnectionRefused, "the in-process server is gone");
        self.sender.send(far).await.map_err(refused)?;
        Ok((Box::new(near), info()))
    }

    /// Whether the listener is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Where the connections of an [`InProcessConnector`] arrive.
#[derive(Debug)]
pub struct InProcessListener {
    receiver: mpsc::Receiver<DuplexStream>,
}

impl InProcessListener {
    /// The next connection; `None` when every connector is gone.
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<(BoxIo, ConnectionInfo)>> {
        self.receiver.poll_recv(cx).map(|stream| stream.map(|stream| (Box::new(stream) as BoxIo, info())))
    }
}

fn info() -> ConnectionInfo {
    ConnectionInfo { local: Address::InProcess, peer: Address::InProcess, ..ConnectionInfo::default() }
}
