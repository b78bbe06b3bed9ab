//! Connectivity states (gRPC `doc/connectivity-semantics-and-api.md`).

use std::fmt;

/// How a channel, or one of its subchannels, is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum ConnectivityState {
    /// Not connected, and not trying: the next call makes it try.
    #[default]
    Idle,
    /// Looking up names, connecting, shaking hands.
    Connecting,
    /// Connected.
    Ready,
    /// The last attempt failed; the next one comes after a pause.
    TransientFailure,
    /// Closed for good.
    Shutdown,
}

impl fmt::Display for ConnectivityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectivityState::Idle => "IDLE",
            ConnectivityState::Connecting => "CONNECTING",
            ConnectivityState::Ready => "READY",
            ConnectivityState::TransientFailure => "TRANSIENT_FAILURE",
            ConnectivityState::Shutdown => "SHUTDOWN",
        })
    }
}
