//! From what a transport says to a status. Each table is the one of the gRPC documents;
//! where they leave a choice, it is said beside the row.

use alloc::format;
use core::fmt;
use core::time::Duration;

use crate::{Code, Status};

/// The code for an HTTP response without a `grpc-status` (gRPC http-grpc-status-mapping).
///
/// 431 is UNKNOWN, as for every status without a row of its own: the document has no row
/// for it, and the implementations that have one disagree.
#[must_use]
pub const fn code_of_http_status(status: u16) -> Code {
    match status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// Why a peer or a transport ended a call's stream early, in words that every HTTP version has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ResetReason {
    /// No error: the peer wants nothing more.
    NoError,
    /// A rule of the protocol was broken.
    ProtocolError,
    /// The peer failed inside.
    InternalError,
    /// Flow control was not kept.
    FlowControlError,
    /// Settings were not acknowledged in time.
    SettingsTimeout,
    /// Something came for a stream that had ended.
    StreamClosed,
    /// A frame had a wrong length.
    FrameSizeError,
    /// The peer did no work for this call.
    Refused,
    /// The call is not wanted any more.
    Cancel,
    /// Header compression lost its state.
    CompressionError,
    /// A tunnel was lost.
    ConnectError,
    /// The peer had too much of this side.
    EnhanceYourCalm,
    /// The connection is not secure enough.
    InadequateSecurity,
    /// The peer wants HTTP/1.1.
    Http11Required,
    /// A number that no document defines.
    Unknown(u32),
}

impl ResetReason {
    /// The code that a client reports (gRPC PROTOCOL-HTTP2, "Errors").
    ///
    /// A number that is not defined is as INTERNAL_ERROR (RFC 9113 §7), and so is
    /// STREAM_CLOSED, which has no row.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            ResetReason::NoError
            | ResetReason::ProtocolError
            | ResetReason::InternalError
            | ResetReason::FlowControlError
            | ResetReason::SettingsTimeout
            | ResetReason::StreamClosed
            | ResetReason::FrameSizeError
            | ResetReason::CompressionError
            | ResetReason::ConnectError
            | ResetReason::Unknown(_) => Code::Internal,
            ResetReason::Refused => Code::Unavailable,
            ResetReason::Cancel => Code::Cancelled,
            ResetReason::EnhanceYourCalm => Code::ResourceExhausted,
            ResetReason::InadequateSecurity => Code::PermissionDenied,
            ResetReason::Http11Required => Code::Unknown,
        }
    }

    /// The reason's name in the documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ResetReason::NoError => "NO_ERROR",
            ResetReason::ProtocolError => "PROTOCOL_ERROR",
            ResetReason::InternalError => "INTERNAL_ERROR",
            ResetReason::FlowControlError => "FLOW_CONTROL_ERROR",
            ResetReason::SettingsTimeout => "SETTINGS_TIMEOUT",
            ResetReason::StreamClosed => "STREAM_CLOSED",
            ResetReason::FrameSizeError => "FRAME_SIZE_ERROR",
            ResetReason::Refused => "REFUSED_STREAM",
            ResetReason::Cancel => "CANCEL",
            ResetReason::CompressionError => "COMPRESSION_ERROR",
            ResetReason::ConnectError => "CONNECT_ERROR",
            ResetReason::EnhanceYourCalm => "ENHANCE_YOUR_CALM",
            ResetReason::InadequateSecurity => "INADEQUATE_SECURITY",
            ResetReason::Http11Required => "HTTP_1_1_REQUIRED",
            ResetReason::Unknown(_) => "unknown error",
        }
    }

    /// The status of a client's call that ended this way at `now`.
    ///
    /// A server whose own timer was faster cancels the stream: near the call's own
    /// deadline, that is the deadline, whoever saw it first.
    #[must_use]
    pub fn status(self, now: Duration, deadline: Option<Duration>) -> Status {
        if self == ResetReason::Cancel && deadline.is_some_and(|at| now.saturating_add(DEADLINE_SLACK) >= at) {
            return deadline_exceeded();
        }
        Status::new(self.code(), format!("the server reset the stream: {self}"))
    }

    /// Whether the call may be tried again without anybody noticing, once: the peer
    /// promises that it did nothing (gRFC A6, "Transparent Retries").
    #[must_use]
    pub const fn is_transparently_retryable(self) -> bool {
        matches!(self, ResetReason::Refused)
    }
}

/// Clocks of two machines, and the way between them.
const DEADLINE_SLACK: Duration = Duration::from_millis(10);

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResetReason::Unknown(number) => write!(f, "{} {number:#x}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// The status of a call whose own deadline passed on this side.
#[must_use]
pub fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline passed before the call ended")
}

/// Why a call has no connection, or lost the one that it was on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The target's name has no address.
    Resolve,
    /// No connection was made.
    Connect,
    /// TLS failed, or the peer is not who it should be.
    Handshake,
    /// The peer does not speak the protocol.
    Protocol,
    /// An attempt took too long.
    Timeout,
    /// The connection broke while the call was on it.
    Lost,
    /// The peer is closing the connection and did not begin with the call.
    GoingAway,
    /// The channel is shut down.
    Shutdown,
}

impl ConnectFailure {
    /// What happened, as the beginning of a message.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ConnectFailure::Resolve => "name resolution failed",
            ConnectFailure::Connect => "no connection could be made",
            ConnectFailure::Handshake => "the TLS handshake failed",
            ConnectFailure::Protocol => "the peer does not speak gRPC over HTTP/2",
            ConnectFailure::Timeout => "connecting took too long",
            ConnectFailure::Lost => "the connection was lost",
            ConnectFailure::GoingAway => "the server closed the connection before it took the call",
            ConnectFailure::Shutdown => "the channel is shut down",
        }
    }

    /// The status of a call that fails for this reason: always UNAVAILABLE. `detail` is
    /// what the last attempt said.
    #[must_use]
    pub fn status(self, detail: impl fmt::Display) -> Status {
        Status::unavailable(format!("{}: {detail}", self.name()))
    }

    /// Whether the call has not reached any server, and may be tried again (gRFC A6).
    #[must_use]
    pub const fn is_transparently_retryable(self) -> bool {
        !matches!(self, ConnectFailure::Lost | ConnectFailure::Shutdown)
    }
}

/// What a call fails with when a part of this side that is no server gave `status`: a
/// resolver, a balancer, call credentials. Codes that only applications use become
/// INTERNAL, so that nobody takes them for the server's (gRFC A54).
#[must_use]
pub fn control_plane_status(status: Status) -> Status {
    match status.code() {
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => {
            Status::internal(format!("a part of the client failed with a code that only servers use: {status}"))
        }
        _ => status,
    }
}

/// Why a call on a server ended before its handler did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CancelReason {
    /// The client reset the stream.
    Client,
    /// The deadline passed.
    Deadline,
    /// The connection was lost.
    ConnectionLost,
    /// The server is shutting down and its grace is over.
    Shutdown,
}

impl CancelReason {
    /// What those who still hold a part of the call are told, and the client if it can be.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            CancelReason::Client => Status::cancelled("the client cancelled the call"),
            CancelReason::Deadline => Status::deadline_exceeded("the deadline passed on the server"),
            CancelReason::ConnectionLost => Status::cancelled("the connection to the client was lost"),
            CancelReason::Shutdown => Status::unavailable("the server is shutting down"),
        }
    }
}
