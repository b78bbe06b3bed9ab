//! What every contestant of the benchmark shares: the command line and the meters.

#[cfg(feature = "tls")]
pub mod identity;
pub mod listen;
pub mod meter;
pub mod options;

pub use options::{ClientOptions, ServerOptions};
