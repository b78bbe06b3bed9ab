//! `zstd` (RFC 8878).

use std::io;

use tramline_call::Encoding;
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::Codec;
use super::bounded::Bounded;

pub(super) const CODEC: Codec = Codec { encoding: Encoding::Zstd, compress, decompress };

/// RFC 8878 §3.1.1.1.2 recommends to support windows of 8 MiB and to refuse larger ones,
/// which would be allocated before the first octet comes out.
const WINDOW_LOG_MAX: u32 = 23;
/// The library's own default.
const LEVEL: i32 = 3;

fn compress(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = Encoder::new(out, LEVEL)?;
    // The window need not be larger than the message.
    encoder.set_pledged_src_size(Some(plain.len() as u64))?;
    io::Write::write_all(&mut encoder, plain)?;
    encoder.finish().map(|_| ())
}

/// Several frames in a row are legal; anything else behind the last one reads as a frame
/// with a wrong head.
fn decompress(compressed: &[u8], output: &mut Bounded) -> io::Result<()> {
    let mut decoder = Decoder::with_buffer(compressed)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    output.read_from(&mut decoder)
}
