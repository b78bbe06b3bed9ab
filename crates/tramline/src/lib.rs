//! gRPC for Rust: servers and clients on an HTTP/2 engine of their own.

pub mod client;
mod clock;
mod error;
mod io;
#[cfg(feature = "tls")]
mod tls;

pub use clock::{Clock, Sleep, TimeSource};
pub use error::{Error, ErrorKind, ErrorSide};
pub use io::{
    Address, ConnectionInfo, InProcessConnector, InProcessListener, Io, TlsInfo, UnixCredentials, in_process,
};
#[cfg(feature = "tls")]
pub use tls::{ClientTls, ServerTls, TlsIdentity};
