//! The rules of a gRPC call, as a pure library: HTTP fields and octets in, call events out.
//!
//! Status, metadata, envelope, deadline, compression negotiation, and every mapping from
//! what HTTP says to a gRPC status are decided here, and nowhere else. The crate reads no
//! socket, no clock and no random source; what it needs of them are arguments.
//!
//! A server reads a request with [`server_call::RequestHead`] and answers with
//! [`server_call::write_head`] and [`server_call::write_trailers`]; a client writes
//! [`client_call::RequestParts`] and reads [`client_call::ResponseHead`]. Fields come with
//! a [`FieldToken`] that [`field::classify`] made when they were first seen, so that a
//! field that a peer repeats costs a comparison of small integers.
//!
//! # What allocates
//!
//! A call that succeeds allocates nothing here once its connection is warm: tokens are
//! `Copy`; heads, trailers, timeouts and lists of encodings are written from the stack or
//! from constants; OK is not a [`Status`]; an empty [`Metadata`] is a null pointer, and a
//! [`RequestHead`](server_call::RequestHead) that is used again keeps the block that its
//! metadata lies in; a message that lies in one piece of input is handed on where it lies.
//! What does allocate: metadata of a client that is not empty (three blocks for a
//! handful of entries), messages in several pieces, and errors.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod backoff;
pub mod cardinality;
pub mod client_call;
mod code;
pub mod codec;
pub mod dialect;
mod encoding;
pub mod envelope;
pub mod field;
mod frame_reader;
pub mod mapping;
mod metadata;
mod method;
pub mod percent;
pub mod server_call;
mod status;
mod subtype;
pub mod timeout;

pub use code::Code;
pub use codec::{Codec, Decode, Encode, Frame};
pub use encoding::{Encoding, EncodingSet};
pub use field::{FieldReuse, FieldSink, FieldToken};
pub use frame_reader::FrameReader;
pub use metadata::{Metadata, MetadataError, Value};
pub use method::{Idempotency, Method, MethodInfo, MethodKind, Path, PathError};
pub use status::Status;
pub use subtype::Subtype;
