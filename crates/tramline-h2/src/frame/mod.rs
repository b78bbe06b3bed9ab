//! Frames: the nine octets in front, and the writers of each kind (RFC 9113 §4, §6).

mod head;
mod write;

pub use head::{FrameHead, FrameKind, HEAD_LEN, flags};
pub(crate) use write::{
    write_goaway, write_head, write_ping, write_reset, write_settings, write_settings_ack, write_window_update,
};

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The smallest value that SETTINGS_MAX_FRAME_SIZE may have, and its default (RFC 9113 §6.5.2).
pub const FRAME_LEN_DEFAULT: u32 = 16_384;
/// The largest value that SETTINGS_MAX_FRAME_SIZE may have.
pub const FRAME_LEN_MAX: u32 = (1 << 24) - 1;
/// The largest stream identifier (RFC 9113 §5.1.1).
pub const STREAM_ID_MAX: u32 = (1 << 31) - 1;
