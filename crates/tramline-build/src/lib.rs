//! Protobuf schema to Rust: messages, clients, servers and the descriptor set.
//!
//! A build script is one line, and needs no `protoc`:
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), tramline_build::Error> {
//!     tramline_build::compile(&["proto/greeter.proto"])
//! }
//! ```
//!
//! The crate then includes a package as a module with `tramline::include_proto!("greeter")`, or all packages of the
//! run as a tree of modules with `tramline::include_protos!()`; the tree is what packages that use each other's types
//! need. [`Builder`] has the settings.
//!
//! # Which compiler
//!
//! Schemas in proto2 and proto3 are compiled in process. A file with an `edition` takes a `protoc`: `$PROTOC`, else
//! one on the `PATH`, else the one that the feature `vendored-protoc` brings. A build with `-vv` says which it was.
//! The well-known types and google/api, google/rpc and google/type are built in: importing them just works.
//!
//! # Which code
//!
//! Each package becomes one file with its messages and, for each service, three modules: `greeter_service` with the
//! constants of its methods, `greeter_server` with the trait to implement, `greeter_client` with the client. Files
//! that are imported get code, too, if a type of theirs is used. The code names the crate `tramline` alone.

mod builder;
#[cfg(test)]
mod checked_in;
mod comments;
mod compiler;
mod config;
mod diagnostic;
mod error;
mod generate;
mod messages;
mod names;
mod output;
pub mod plugin;
mod rewrite;
mod schema;
mod service;

use std::path::Path;

pub use builder::Builder;
pub use config::{
    Messages::{self, Buffa, Prost},
    ServicePart,
};
pub use error::{Error, ErrorKind};

/// Compiles `protos`, files or directories of them, into `OUT_DIR`, for a build script.
///
/// Imports are looked for in the directory that the files have in common; [`Builder::includes`] says otherwise.
///
/// # Errors
///
/// The schema is wrong, a file cannot be read or written, or an edition finds no `protoc`.
pub fn compile(protos: &[impl AsRef<Path>]) -> Result<(), Error> {
    Builder::new().compile(protos)
}

/// The serialized `FileDescriptorSet` of a file that every import finds, `google/protobuf/any.proto` and its like,
/// with what it imports: for tools that meet schemas whose makers left these files out.
#[must_use]
pub fn builtin_descriptor_set(name: &str) -> Option<Vec<u8>> {
    compiler::builtin_set(name)
}
