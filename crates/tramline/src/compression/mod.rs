//! Compression of messages. Each codec is a module and a feature; all inflate through
//! one bounded buffer.

#[cfg_attr(
    not(any(feature = "br", feature = "deflate", feature = "gzip", feature = "snappy", feature = "zstd")),
    allow(dead_code, reason = "without a codec, nothing is inflated")
)]
mod bounded;
#[cfg(feature = "br")]
mod br;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

use std::io;

use tramline_call::{Encoding, EncodingSet, Status};

use bounded::Bounded;

/// One way to compress.
struct Codec {
    encoding: Encoding,
    /// Appends the compressed form of a message.
    compress: fn(&[u8], &mut Vec<u8>) -> io::Result<()>,
    /// Inflates the whole of a message; octets behind its end are an error.
    decompress: fn(&[u8], &mut Bounded) -> io::Result<()>,
}

/// What this build can do.
const CODECS: &[Codec] = &[
    #[cfg(feature = "gzip")]
    gzip::CODEC,
    #[cfg(feature = "zstd")]
    zstd::CODEC,
    #[cfg(feature = "br")]
    br::CODEC,
    #[cfg(feature = "deflate")]
    deflate::CODEC,
    #[cfg(feature = "snappy")]
    snappy::CODEC,
];

fn codec(encoding: Encoding) -> Option<&'static Codec> {
    CODECS.iter().find(|codec| codec.encoding == encoding)
}

/// The encodings that this build can read and write, beside identity.
pub(crate) fn supported() -> EncodingSet {
    CODECS.iter().map(|codec| codec.encoding).collect()
}

/// Whether messages can be written in `encoding`.
pub(crate) fn is_supported(encoding: Encoding) -> bool {
    encoding == Encoding::Identity || codec(encoding).is_some()
}

/// Appends the compressed form of `plain` to `out`.
pub(crate) fn compress(encoding: Encoding, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
    if encoding == Encoding::Identity {
        out.extend_from_slice(plain);
        return Ok(());
    }
    let codec = codec(encoding).ok_or_else(|| unsupported(encoding))?;
    (codec.compress)(plain, out)
        .map_err(|error| Status::internal(format!("a message cannot be compressed with {}: {error}", encoding.name())))
}

/// Inflates one message to at most `len_max` octets, a limit that holds while inflating.
pub(crate) fn decompress(encoding: Encoding, compressed: &[u8], len_max: usize) -> Result<Vec<u8>, Status> {
    if encoding == Encoding::Identity {
        // gRPC PROTOCOL-HTTP2: a compressed flag needs an encoding.
        return Err(Status::internal("a message is marked as compressed, but grpc-encoding names no compression"));
    }
    let codec = codec(encoding).ok_or_else(|| unsupported(encoding))?;
    let mut output = Bounded::new(compressed.len(), len_max);
    match (codec.decompress)(compressed, &mut output) {
        Ok(()) => Ok(output.into_octets()),
        Err(error) => Err(output.take_breach().unwrap_or_else(|| {
            Status::internal(format!("a message cannot be decompressed with {}: {error}", encoding.name()))
        })),
    }
}

fn unsupported(encoding: Encoding) -> Status {
    Status::internal(format!(
        "this program was built without the compression {0}; enable the feature `{0}` of the crate `tramline`",
        encoding.name()
    ))
}

/// Octets behind the end of a compressed message.
#[cfg(any(feature = "br", feature = "deflate"))]
fn trailing() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "octets follow the end of the compressed data")
}

#[cfg(test)]
mod tests;
