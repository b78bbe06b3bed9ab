//! `br`: Brotli (RFC 7932).

use std::io::{self, Read, Write};

use brotli::{CompressorWriter, Decompressor};
use tramline_call::Encoding;

use super::bounded::Bounded;
use super::{Codec, trailing};

pub(super) const CODEC: Codec = Codec { encoding: Encoding::Br, compress, decompress };

const BUFFER_LEN: usize = 4 * 1024;
/// Dynamic content: a good ratio at the speed of the others.
const QUALITY: u32 = 4;
/// 4 MiB, what browsers' servers use.
const WINDOW_LOG: u32 = 22;

fn compress(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = CompressorWriter::new(out, BUFFER_LEN, QUALITY, WINDOW_LOG);
    encoder.write_all(plain)?;
    // The last block is written when the encoder is taken apart; a Vec cannot fail.
    encoder.into_inner();
    Ok(())
}

fn decompress(compressed: &[u8], output: &mut Bounded) -> io::Result<()> {
    let mut decoder = Decompressor::new(compressed, BUFFER_LEN);
    output.read_from(&mut decoder)?;
    // Asked again, the decoder tells of octets that it read ahead.
    let more = decoder.read(&mut [0])?;
    if more == 0 && decoder.get_ref().is_empty() { Ok(()) } else { Err(trailing()) }
}
