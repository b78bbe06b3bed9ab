//! The two programs that connectrpc's conformance suite runs.

mod cancel;
pub mod client;
mod error;
mod headers;
pub mod service;
pub mod wire;
