//! Messages and services that are known by their descriptors alone.
//!
//! This layer knows nothing of the command line or of calls: a schema, the methods in
//! it, and messages between octets, JSON and text.

mod data;
mod format;
mod json;
mod json_misfit;
mod lookup;
mod split;
mod types;

pub(crate) use data::{Shape, read, write};
pub(crate) use format::Format;
pub(crate) use lookup::{LookupError, MethodName, names, no_service};
pub(crate) use split::Splitter;
pub(crate) use types::{named_types, unresolved_types};

use std::sync::Arc;

use buffa_descriptor::{DescriptorPool, MessageIndex, MethodDescriptor, ServiceDescriptor};
use tramline::MethodKind;

/// The descriptors of a set of services and of all their messages.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pool: Arc<DescriptorPool>,
}

/// One method of a schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method<'s> {
    pub(crate) service: &'s ServiceDescriptor,
    pub(crate) method: &'s MethodDescriptor,
}

impl Schema {
    pub(crate) fn new(pool: DescriptorPool) -> Self {
        Schema { pool: Arc::new(pool) }
    }

    pub(crate) fn pool(&self) -> &Arc<DescriptorPool> {
        &self.pool
    }

    /// All methods of all services.
    pub(crate) fn methods(&self) -> impl Iterator<Item = Method<'_>> {
        self.pool
            .services()
            .iter()
            .flat_map(|service| service.methods().iter().map(move |method| Method { service, method }))
    }

    /// The full name of a message type.
    pub(crate) fn message_name(&self, index: MessageIndex) -> &str {
        self.pool.message(index).full_name()
    }
}

impl Method<'_> {
    /// `/package.Service/Method`, as it goes over the wire.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.full_name())
    }

    pub(crate) fn kind(&self) -> MethodKind {
        match (self.method.is_client_streaming(), self.method.is_server_streaming()) {
            (false, false) => MethodKind::Unary,
            (true, false) => MethodKind::ClientStreaming,
            (false, true) => MethodKind::ServerStreaming,
            (true, true) => MethodKind::BidiStreaming,
        }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind() {
            MethodKind::Unary => "unary",
            MethodKind::ClientStreaming => "client streaming",
            MethodKind::ServerStreaming => "server streaming",
            MethodKind::BidiStreaming => "bidi streaming",
        }
    }

    /// `package.Service/Method`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.service.full_name(), self.method.name())
    }
}
