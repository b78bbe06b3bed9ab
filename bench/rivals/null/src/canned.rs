//! The octets that are answered, made once.

use anyhow::{Context, bail};

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const HEAD_LEN: usize = 9;
const FRAME_LEN_MAX: usize = 16 * 1024;

/// `:status: 200`, and both literals with incremental indexing (RFC 7541 §6.2.1).
const FIRST_HEAD: &[u8] = b"\x88\x5f\x10application/grpc";
const FIRST_TRAILERS: &[u8] = b"\x40\x0bgrpc-status\x010";
/// The newest entry of the table has index 62.
const TRAILERS: &[u8] = b"\xbe";

/// What is answered to every call.
pub(crate) enum Reply {
    /// These DATA frames with stream identifiers to be filled in, when the request has ended.
    Fixed(Vec<u8>),
    /// The frames of the request, as they come.
    Echo,
}

impl Reply {
    /// `hello`, `echo`, or `stream:COUNT:LEN`.
    pub(crate) fn from_mode(mode: &str) -> anyhow::Result<Self> {
        let mut words = mode.split(':');
        match words.next() {
            Some("hello") => Ok(Reply::Fixed(frames(&message(0x0a, b"Hello, world!")))),
            Some("echo") => Ok(Reply::Echo),
            Some("stream") => {
                let count = words.next().context("stream:COUNT:LEN")?.parse()?;
                let len = words.next().context("stream:COUNT:LEN")?.parse()?;
                Ok(Reply::Fixed(frames(&message(0x0a, &vec![0; len]).repeat(count))))
            }
            other => bail!("mode {other:?}: expected hello, echo or stream:COUNT:LEN"),
        }
    }
}

/// A gRPC message with one field.
fn message(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut body = vec![tag];
    let mut rest = content.len();
    while rest >= 0x80 {
        body.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    body.push(rest as u8);
    body.extend_from_slice(content);
    let mut out = vec![0];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

fn frames(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in payload.chunks(FRAME_LEN_MAX) {
        put_head(&mut out, chunk.len(), DATA, 0, 0);
        out.extend_from_slice(chunk);
    }
    out
}

pub(crate) fn put_head(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream_id: u32) {
    let len = (len as u32).to_be_bytes();
    let id = stream_id.to_be_bytes();
    out.extend_from_slice(&[len[1], len[2], len[3], kind, flags, id[0], id[1], id[2], id[3]]);
}

/// Appends canned DATA frames under this stream's identifier.
pub(crate) fn put_frames(out: &mut Vec<u8>, frames: &[u8], stream_id: u32) {
    let start = out.len();
    out.extend_from_slice(frames);
    let mut rest = &mut out[start..];
    while rest.len() >= HEAD_LEN {
        rest[5..HEAD_LEN].copy_from_slice(&stream_id.to_be_bytes());
        let len = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        rest = &mut rest[HEAD_LEN + len..];
    }
}

/// What the peer's HPACK table holds of us: the content type, then `grpc-status: 0`.
#[derive(Default)]
pub(crate) struct Table {
    has_head: bool,
    has_trailers: bool,
}

impl Table {
    pub(crate) fn put_head(&mut self, out: &mut Vec<u8>, stream_id: u32) {
        let block = match (self.has_head, self.has_trailers) {
            (false, _) => FIRST_HEAD,
            (true, false) => b"\x88\xbe",
            (true, true) => b"\x88\xbf",
        };
        self.has_head = true;
        put_head(out, block.len(), HEADERS, END_HEADERS, stream_id);
        out.extend_from_slice(block);
    }

    pub(crate) fn put_trailers(&mut self, out: &mut Vec<u8>, stream_id: u32) {
        let block = if self.has_trailers { TRAILERS } else { FIRST_TRAILERS };
        self.has_trailers = true;
        put_head(out, block.len(), HEADERS, END_HEADERS | END_STREAM, stream_id);
        out.extend_from_slice(block);
    }
}
