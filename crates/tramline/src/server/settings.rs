//! What all connections of a server share, fixed when it is built.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tramline_call::codec::Limits;
use tramline_call::{Encoding, EncodingSet};

use super::routes::Routes;
use crate::clock::Clock;
use crate::drive::transfer::Packing;

/// The settings of one server.
#[derive(Debug)]
pub(crate) struct ServerShared {
    pub(crate) routes: Routes,
    /// Limits of messages that arrive.
    pub(crate) limits: Limits,
    /// Longest message that is sent, before compression.
    pub(crate) sent_message_len_max: usize,
    /// The deadline of calls that bring none, and a bound for the others.
    pub(crate) timeout: Option<Duration>,
    /// How replies are compressed if the client takes it.
    pub(crate) compression: Encoding,
    /// What requests may be compressed with.
    pub(crate) accept: EncodingSet,
    pub(crate) handlers: Option<Arc<HandlerLimit>>,
    pub(crate) engine: tramline_h2::Config,
    #[cfg(feature = "tls")]
    pub(crate) handshake_timeout: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::ServerTls>,
    pub(crate) clock: Clock,
}

impl ServerShared {
    /// Connections begin without a handshake.
    pub(crate) fn is_plaintext(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_none();
        #[cfg(not(feature = "tls"))]
        true
    }

    /// How replies to a client that accepts `accept` are written.
    pub(crate) fn packing(&self, accept: EncodingSet) -> Packing {
        let encoding = self.response_encoding(accept).unwrap_or(Encoding::Identity);
        Packing::new(encoding, self.sent_message_len_max)
    }

    /// What `grpc-encoding` says to a client that accepts `accept`.
    pub(crate) fn response_encoding(&self, accept: EncodingSet) -> Option<Encoding> {
        (self.compression != Encoding::Identity && accept.contains(self.compression)).then_some(self.compression)
    }
}

/// A bound for the handlers of a whole server.
#[derive(Debug)]
pub(crate) struct HandlerLimit {
    alive: AtomicUsize,
    max: usize,
}

impl HandlerLimit {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(HandlerLimit { alive: AtomicUsize::new(0), max })
    }

    /// Takes a place, if there is one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<HandlerPlace> {
        let place = HandlerPlace { limit: Arc::clone(self) };
        (self.alive.fetch_add(1, Ordering::Relaxed) < self.max).then_some(place)
    }
}

/// The place of one handler: it is free again when the handler is gone, on whatever task
/// that is, and whether or not its connection still is.
#[derive(Debug)]
pub(crate) struct HandlerPlace {
    limit: Arc<HandlerLimit>,
}

impl Drop for HandlerPlace {
    fn drop(&mut self) {
        self.limit.alive.fetch_sub(1, Ordering::Relaxed);
    }
}
