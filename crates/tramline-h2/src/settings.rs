//! SETTINGS parameters (RFC 9113 §6.5.2).

use alloc::collections::VecDeque;

use crate::error::{ConnectionError, Reason};
use crate::flow::{WINDOW_DEFAULT, WINDOW_MAX};
use crate::frame::{FRAME_LEN_DEFAULT, FRAME_LEN_MAX};

pub(crate) const HEADER_TABLE_SIZE: u16 = 0x1;
pub(crate) const ENABLE_PUSH: u16 = 0x2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;
pub(crate) const MAX_FRAME_SIZE: u16 = 0x5;
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// Streams that a client may open before the peer's SETTINGS arrive.
const CONCURRENT_STREAMS_ASSUMED: u32 = 100;

/// What the peer asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerSettings {
    pub(crate) header_table_size: u32,
    pub(crate) concurrent_streams_max: u32,
    pub(crate) initial_window_len: u32,
    pub(crate) frame_len_max: u32,
    pub(crate) header_list_len_max: u32,
}

impl Default for PeerSettings {
    fn default() -> Self {
        PeerSettings {
            header_table_size: 4096,
            concurrent_streams_max: CONCURRENT_STREAMS_ASSUMED,
            initial_window_len: WINDOW_DEFAULT,
            frame_len_max: FRAME_LEN_DEFAULT,
            header_list_len_max: u32::MAX,
        }
    }
}

impl PeerSettings {
    /// Applies one parameter; unknown ones are ignored (RFC 9113 §6.5.2).
    pub(crate) fn apply(&mut self, id: u16, value: u32, from_server: bool) -> Result<(), ConnectionError> {
        match id {
            HEADER_TABLE_SIZE => self.header_table_size = value,
            ENABLE_PUSH if value > 1 || (from_server && value == 1) => {
                return Err(ConnectionError::protocol("invalid SETTINGS_ENABLE_PUSH"));
            }
            MAX_CONCURRENT_STREAMS => self.concurrent_streams_max = value,
            INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                return Err(ConnectionError::with_reason(
                    Reason::FLOW_CONTROL_ERROR,
                    "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1",
                ));
            }
            INITIAL_WINDOW_SIZE => self.initial_window_len = value,
            MAX_FRAME_SIZE if !(FRAME_LEN_DEFAULT..=FRAME_LEN_MAX).contains(&value) => {
                return Err(ConnectionError::protocol("invalid SETTINGS_MAX_FRAME_SIZE"));
            }
            MAX_FRAME_SIZE => self.frame_len_max = value,
            MAX_HEADER_LIST_SIZE => self.header_list_len_max = value,
            _ => {}
        }
        Ok(())
    }
}

/// The SETTINGS_INITIAL_WINDOW_SIZE values that the peer may be acting on: the last that it
/// acknowledged, then those that it has not. Until it tells which, the largest holds.
#[derive(Debug)]
pub(crate) struct OfferedWindow {
    acked: u32,
    unacked: VecDeque<u32>,
}

impl OfferedWindow {
    /// The default of RFC 9113, and `first` in the SETTINGS of our preface. What a client
    /// sends before it has read them is within the default, and the default within what we take.
    pub(crate) fn new(first: u32) -> Self {
        OfferedWindow { acked: WINDOW_DEFAULT, unacked: VecDeque::from([first]) }
    }

    /// One more SETTINGS frame goes out, with this value or without a change.
    pub(crate) fn offer(&mut self, value: Option<u32>) {
        let last = self.unacked.back().copied().unwrap_or(self.acked);
        self.unacked.push_back(value.unwrap_or(last));
    }

    /// The peer acknowledged the oldest.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(value) = self.unacked.pop_front() {
            self.acked = value;
        }
    }

    /// The peer acknowledged all.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.unacked.is_empty()
    }

    /// What the peer may take a stream's window to be at the start.
    pub(crate) fn largest(&self) -> u32 {
        self.unacked.iter().fold(self.acked, |largest, value| largest.max(*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_has_its_rule() {
        let cases: &[(u16, u32, bool, Option<Reason>)] = &[
            (ENABLE_PUSH, 0, false, None),
            (ENABLE_PUSH, 1, false, None),
            (ENABLE_PUSH, 1, true, Some(Reason::PROTOCOL_ERROR)),
            (ENABLE_PUSH, 2, false, Some(Reason::PROTOCOL_ERROR)),
            (INITIAL_WINDOW_SIZE, 0x7fff_ffff, false, None),
            (INITIAL_WINDOW_SIZE, 0x8000_0000, false, Some(Reason::FLOW_CONTROL_ERROR)),
            (MAX_FRAME_SIZE, 16_383, false, Some(Reason::PROTOCOL_ERROR)),
            (MAX_FRAME_SIZE, 16_384, false, None),
            (MAX_FRAME_SIZE, 16_777_215, false, None),
            (MAX_FRAME_SIZE, 16_777_216, false, Some(Reason::PROTOCOL_ERROR)),
            (HEADER_TABLE_SIZE, u32::MAX, false, None),
            (MAX_HEADER_LIST_SIZE, 0, false, None),
            (0xff, 1, false, None),
        ];
        for &(id, value, from_server, reason) in cases {
            let got = PeerSettings::default().apply(id, value, from_server);
            assert_eq!(got.err().map(|e| e.reason()), reason, "{id} = {value}");
        }
    }
}
