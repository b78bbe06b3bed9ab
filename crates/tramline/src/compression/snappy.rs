//! `snappy`: the framing format, in which every chunk has a checksum.

use std::io::{self, Write};

use snap::read::FrameDecoder;
use snap::write::FrameEncoder;
use tramline_call::Encoding;

use super::Codec;
use super::bounded::Bounded;

pub(super) const CODEC: Codec = Codec { encoding: Encoding::Snappy, compress, decompress };

fn compress(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = FrameEncoder::new(out);
    encoder.write_all(plain)?;
    encoder.into_inner().map(|_| ()).map_err(|error| io::Error::other(error.to_string()))
}

/// A stream of chunks has no end of its own: whatever follows must be a chunk.
fn decompress(compressed: &[u8], output: &mut Bounded) -> io::Result<()> {
    output.read_from(&mut FrameDecoder::new(compressed))
}
