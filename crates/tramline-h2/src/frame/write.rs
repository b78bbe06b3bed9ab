//! Writers of whole frames.

use alloc::vec::Vec;

use super::head::{FrameHead, FrameKind, flags};
use crate::error::Reason;

pub(crate) fn write_head(out: &mut Vec<u8>, len: usize, kind: FrameKind, flags: u8, stream_id: u32) {
    let head = FrameHead { len: len as u32, kind, flags, stream_id };
    out.extend_from_slice(&head.to_octets());
}

/// RFC 9113 §6.5: pairs of identifier and value.
pub(crate) fn write_settings(out: &mut Vec<u8>, pairs: &[(u16, u32)]) {
    write_head(out, pairs.len() * 6, FrameKind::Settings, 0, 0);
    for (id, value) in pairs {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn write_settings_ack(out: &mut Vec<u8>) {
    write_head(out, 0, FrameKind::Settings, flags::ACK, 0);
}

pub(crate) fn write_ping(out: &mut Vec<u8>, flags: u8, payload: [u8; 8]) {
    write_head(out, 8, FrameKind::Ping, flags, 0);
    out.extend_from_slice(&payload);
}

pub(crate) fn write_reset(out: &mut Vec<u8>, stream_id: u32, reason: Reason) {
    write_head(out, 4, FrameKind::RstStream, 0, stream_id);
    out.extend_from_slice(&reason.0.to_be_bytes());
}

pub(crate) fn write_window_update(out: &mut Vec<u8>, stream_id: u32, increment: u32) {
    write_head(out, 4, FrameKind::WindowUpdate, 0, stream_id);
    out.extend_from_slice(&increment.to_be_bytes());
}

pub(crate) fn write_goaway(out: &mut Vec<u8>, last_stream_id: u32, reason: Reason, debug: &[u8]) {
    write_head(out, 8 + debug.len(), FrameKind::GoAway, 0, 0);
    out.extend_from_slice(&last_stream_id.to_be_bytes());
    out.extend_from_slice(&reason.0.to_be_bytes());
    out.extend_from_slice(debug);
}
