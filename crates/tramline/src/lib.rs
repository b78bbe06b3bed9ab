//! gRPC for Rust: servers and clients on an HTTP/2 engine of their own.

mod classify;
pub mod client;
mod clock;
pub mod codegen;
mod compression;
mod context;
mod drive;
mod error;
mod http_door;
mod interceptor;
mod io;
mod request;
mod response;
pub mod server;
mod streaming;
#[cfg(feature = "tls")]
mod tls;

pub use client::Channel;
pub use clock::{Clock, Sleep, TimeSource};
pub use context::CallContext;
pub use drive::scope::spawn;
pub use error::{Error, ErrorKind, ErrorSide};
pub use http_door::{HttpBody, HttpFields, HttpRequest, HttpResponse};
pub use interceptor::{CallEnd, CallSide, CallStart, Interceptor, Message, Started};
pub use io::{
    Address, ConnectionInfo, InProcessConnector, InProcessListener, Io, TlsInfo, UnixCredentials, in_process,
};
pub use request::{Extensions, Request};
pub use response::Response;
pub use server::{Dispatch, Replies, Server};
pub use streaming::Streaming;
#[cfg(feature = "tls")]
pub use tls::{ClientTls, ServerTls, TlsIdentity};
pub use tramline_call::mapping::CancelReason;
pub use tramline_call::{
    Code, Encoding, EncodingSet, Idempotency, Metadata, MetadataError, Method, MethodInfo, MethodKind, Path, PathError,
    Status, Subtype, Value,
};

/// What messages are encoded with.
pub mod codec {
    #[cfg(feature = "buffa")]
    pub use tramline_buffa::*;
    pub use tramline_call::FrameReader;
    pub use tramline_call::codec::*;
    #[cfg(feature = "prost")]
    pub use tramline_prost::*;
}

/// The HTTP/2 engine's settings.
pub mod http2 {
    pub use tramline_h2::{Config, Limits};
}
