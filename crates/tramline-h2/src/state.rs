//! The states of a stream (RFC 9113 §5.1) as one table.
//!
//! ```text
//!            HEADERS            END_STREAM sent          END_STREAM received / RST
//!   Idle ───────────▶ Open ─────────────────▶ HalfClosedLocal ───────────▶ Closed
//!                      │    END_STREAM received                 END_STREAM sent / RST
//!                      └────────────────────▶ HalfClosedRemote ───────────▶ Closed
//! ```
//! The reserved states do not exist here: this engine never pushes, and a pushed
//! stream is a connection error (RFC 9113 §8.4).

use crate::error::Reason;

/// Where a stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum State {
    /// Not yet used.
    Idle,
    /// Both sides may send.
    Open,
    /// We sent END_STREAM.
    HalfClosedLocal,
    /// The peer sent END_STREAM.
    HalfClosedRemote,
    /// Both sides are done, or it was reset.
    Closed,
}

/// What can happen to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Input {
    /// We send a field section.
    SendHeaders {
        /// It carries END_STREAM.
        end_stream: bool,
    },
    /// A field section came.
    ReceiveHeaders {
        /// It carries END_STREAM.
        end_stream: bool,
    },
    /// We send DATA.
    SendData {
        /// It carries END_STREAM.
        end_stream: bool,
    },
    /// DATA came.
    ReceiveData {
        /// It carries END_STREAM.
        end_stream: bool,
    },
    /// We send RST_STREAM.
    SendReset,
    /// RST_STREAM came.
    ReceiveReset,
    /// WINDOW_UPDATE came.
    ReceiveWindowUpdate,
}

/// What a frame in the wrong state costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Violation {
    /// The peer broke the connection.
    Connection(Reason),
    /// The peer broke the stream.
    Stream(Reason),
    /// The application asked for something impossible; nothing is sent.
    Local,
}

impl State {
    /// Every state, for tables and tests.
    pub const ALL: [State; 5] =
        [State::Idle, State::Open, State::HalfClosedLocal, State::HalfClosedRemote, State::Closed];

    /// The state after `input`.
    ///
    /// # Errors
    /// The rule of RFC 9113 §5.1 that `input` breaks in this state.
    pub const fn next(self, input: Input) -> Result<State, Violation> {
        use State::{Closed, HalfClosedLocal, HalfClosedRemote, Idle, Open};
        match (self, input) {
            (Idle, Input::SendHeaders { end_stream: false } | Input::ReceiveHeaders { end_stream: false }) => Ok(Open),
            (Idle, Input::SendHeaders { end_stream: true }) => Ok(HalfClosedLocal),
            (Idle, Input::ReceiveHeaders { end_stream: true }) => Ok(HalfClosedRemote),
            (Idle, Input::SendData { .. } | Input::SendReset) => Err(Violation::Local),
            // RFC 9113 §5.1, idle: any other frame is a connection error PROTOCOL_ERROR.
            (Idle, Input::ReceiveData { .. } | Input::ReceiveReset | Input::ReceiveWindowUpdate) => {
                Err(Violation::Connection(Reason::PROTOCOL_ERROR))
            }

            (Open, Input::SendHeaders { end_stream } | Input::SendData { end_stream }) => {
                Ok(if end_stream { HalfClosedLocal } else { Open })
            }
            (Open, Input::ReceiveHeaders { end_stream } | Input::ReceiveData { end_stream }) => {
                Ok(if end_stream { HalfClosedRemote } else { Open })
            }
            (HalfClosedLocal, Input::ReceiveHeaders { end_stream } | Input::ReceiveData { end_stream }) => {
                Ok(if end_stream { Closed } else { HalfClosedLocal })
            }
            (HalfClosedRemote, Input::SendHeaders { end_stream } | Input::SendData { end_stream }) => {
                Ok(if end_stream { Closed } else { HalfClosedRemote })
            }
            (HalfClosedLocal, Input::SendHeaders { .. } | Input::SendData { .. }) => Err(Violation::Local),
            // RFC 9113 §5.1, half-closed (remote): a stream error STREAM_CLOSED.
            (HalfClosedRemote, Input::ReceiveHeaders { .. } | Input::ReceiveData { .. }) => {
                Err(Violation::Stream(Reason::STREAM_CLOSED))
            }
            (Open | HalfClosedLocal | HalfClosedRemote, Input::SendReset | Input::ReceiveReset) => Ok(Closed),
            (_, Input::ReceiveWindowUpdate) => Ok(self),

            (Closed, Input::SendHeaders { .. } | Input::SendData { .. } | Input::SendReset) => Err(Violation::Local),
            // RFC 9113 §5.1, closed: RST_STREAM may cross; what else comes after END_STREAM is STREAM_CLOSED.
            (Closed, Input::ReceiveReset) => Ok(Closed),
            (Closed, Input::ReceiveHeaders { .. } | Input::ReceiveData { .. }) => {
                Err(Violation::Connection(Reason::STREAM_CLOSED))
            }
        }
    }

    /// Whether we may still send on the stream.
    #[must_use]
    pub const fn can_send(self) -> bool {
        matches!(self, State::Open | State::HalfClosedRemote)
    }

    /// Whether the peer may still send on the stream.
    #[must_use]
    pub const fn can_receive(self) -> bool {
        matches!(self, State::Open | State::HalfClosedLocal)
    }
}
