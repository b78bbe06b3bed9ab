//! HTTP/2 (RFC 9113) and HPACK (RFC 7541) as a pure engine: bytes in, events out.
//!
//! The engine holds the state of one connection and nothing else. It reads no
//! socket, no clock and no random source: bytes, `now` and seeds are arguments.
//! Both roles, client and server, are one type, [`Connection`].
//!
//! The grammar of its methods: `handle_*` takes what came in, `poll_*` gives what
//! must go out, a plain verb is a command of the application, a bare noun reads.
//!
//! ```
//! use core::time::Duration;
//! use tramline_h2::{Config, Connection, Event, Indexing, Role, hpack::Opaque};
//!
//! let now = Duration::ZERO;
//! let mut client = Connection::new(Role::Client, Config::default(), Opaque, now);
//! let mut server = Connection::new(Role::Server, Config::default(), Opaque, now);
//!
//! let stream = client
//!     .send_request(now, true, |fields| {
//!         fields.field(b":method", b"GET", Indexing::Incremental);
//!         fields.field(b":scheme", b"http", Indexing::Incremental);
//!         fields.field(b":path", b"/", Indexing::Incremental);
//!     })
//!     .unwrap();
//! let wire = client.take_output();
//! let mut input = &wire[..];
//! assert_eq!(server.handle_input(now, &mut input).unwrap(), Some(Event::Settled));
//! let event = server.handle_input(now, &mut input).unwrap();
//! assert!(matches!(event, Some(Event::Headers { end_stream: true, .. })));
//! # let _ = stream;
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bdp;
mod budget;
mod closed;
mod connection;
mod error;
mod event;
pub mod flow;
pub mod frame;
pub mod hpack;
mod limits;
mod output;
mod schedule;
mod settings;
pub mod state;
mod store;
mod stream;
mod timer;

pub use connection::{Accounts, Config, Connection, FieldWriter, GroupStart, OpenError, Role, SendError, StreamClosed};
pub use error::{ConnectionError, ErrorKind, Initiator, Reason};
pub use event::{Event, StreamKey};
pub use hpack::Indexing;
pub use limits::Limits;
pub use output::{Attempt, Output};
