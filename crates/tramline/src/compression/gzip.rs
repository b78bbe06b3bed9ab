//! `gzip` (RFC 1952).

use std::io::{self, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use tramline_call::Encoding;

use super::Codec;
use super::bounded::Bounded;

pub(super) const CODEC: Codec = Codec { encoding: Encoding::Gzip, compress, decompress };

fn compress(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = GzEncoder::new(out, Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish().map(|_| ())
}

/// A file of several members is legal; anything behind the last one reads as a member
/// with a wrong head.
fn decompress(compressed: &[u8], output: &mut Bounded) -> io::Result<()> {
    output.read_from(&mut MultiGzDecoder::new(compressed))
}
