//! What the engine tells its driver.

use crate::error::{Initiator, Reason};

/// Names one stream of one connection.
///
/// `index` is small and reused, so that a driver can keep its own state in a
/// plain vector beside the engine's; the stream id tells reuses apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct StreamKey {
    pub(crate) slot: u32,
    pub(crate) id: u32,
}

impl StreamKey {
    /// The slot of this stream: dense, reused after [`forget`](crate::Connection::forget).
    #[must_use]
    pub const fn index(self) -> usize {
        self.slot as usize
    }

    /// The stream identifier of RFC 9113 §5.1.1.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.id
    }
}

/// One thing that happened on the connection. `'i` is the driver's input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'i> {
    /// A request (server) or a final response (client) head; its fields are in
    /// [`fields`](crate::Connection::fields) until the next call of `handle_input`.
    Headers {
        /// The stream.
        stream: StreamKey,
        /// Nothing follows.
        end_stream: bool,
        /// The field section is over the advertised limit: fields are missing.
        oversize: bool,
    },
    /// Trailers; the stream has ended on the peer's side.
    Trailers {
        /// The stream.
        stream: StreamKey,
        /// The field section is over the advertised limit: fields are missing.
        oversize: bool,
    },
    /// Payload of a DATA frame, or a part of it. The driver gives the window back
    /// with [`release_capacity`](crate::Connection::release_capacity).
    Data {
        /// The stream.
        stream: StreamKey,
        /// The payload without padding.
        bytes: &'i [u8],
        /// Nothing follows.
        end_stream: bool,
    },
    /// The stream ended early, by RST_STREAM, GOAWAY, or a rule that the peer broke.
    Reset {
        /// The stream.
        stream: StreamKey,
        /// The error code.
        reason: Reason,
        /// Who ended it.
        initiator: Initiator,
        /// The peer promises that it did no work (RFC 9113 §8.7): safe to retry.
        unprocessed: bool,
    },
    /// The stream's send queue fell below its low-water mark after having been full.
    Writable {
        /// The stream.
        stream: StreamKey,
    },
    /// The peer's first SETTINGS arrived.
    Settled,
    /// The peer sent GOAWAY; no new streams can be opened.
    GoAway {
        /// The highest stream id that the peer may have processed.
        last_stream_id: u32,
        /// Why.
        reason: Reason,
        /// The peer's debug data, at most what one frame holds.
        debug: &'i [u8],
    },
    /// The peer answered [`ping`](crate::Connection::ping) with this payload.
    PingAck {
        /// The payload that was sent.
        payload: [u8; 8],
    },
    /// The peer sent a PING, which the engine has answered.
    Ping,
}
