//! Server reflection, `grpc.reflection.v1` and `v1alpha`
//! (<https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>): a server that
//! describes its services, so that tools can call them without a schema of their own; and
//! the client of it.
//!
//! ```
//! use tramline_services::{health, reflection::Reflection};
//!
//! let reflection = Reflection::builder()
//!     .descriptor_set(health::DESCRIPTOR_SET)
//!     .build()
//!     .expect("the set is whole");
//! // Server::builder().add_service(reflection) serves both versions.
//! # let _ = reflection;
//! ```

mod client;
mod index;
mod service;
#[cfg(test)]
mod tests;

pub use client::{ReflectionClient, Version};
pub use service::{Reflection, ReflectionBuilder};

use std::fmt;

/// A set of descriptors that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReflectionError {
    message: String,
}

impl ReflectionError {
    fn new(message: impl Into<String>) -> Self {
        ReflectionError { message: message.into() }
    }
}

impl fmt::Display for ReflectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReflectionError {}
