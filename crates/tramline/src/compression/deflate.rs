//! `deflate`: the zlib format (RFC 1950), as HTTP means it (RFC 9110 §8.4.1.2).

use std::io::{self, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use tramline_call::Encoding;

use super::bounded::Bounded;
use super::{Codec, trailing};

pub(super) const CODEC: Codec = Codec { encoding: Encoding::Deflate, compress, decompress };

fn compress(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = ZlibEncoder::new(out, Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish().map(|_| ())
}

fn decompress(compressed: &[u8], output: &mut Bounded) -> io::Result<()> {
    let mut decoder = ZlibDecoder::new(compressed);
    output.read_from(&mut decoder)?;
    if decoder.into_inner().is_empty() { Ok(()) } else { Err(trailing()) }
}
