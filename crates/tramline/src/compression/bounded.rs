//! The one place where inflated octets go.

use std::io::{self, Read};

use tramline_call::Status;

/// Messages up to this length may have any ratio; above it, [`RATIO_MAX`] holds.
const RATIO_FREE_LEN: usize = 4 * 1024 * 1024;
/// Inflated octets for each compressed one. Honest messages of this length stay far below.
const RATIO_MAX: usize = 256;
/// The buffer grows by at least this much.
const CHUNK_LEN: usize = 4 * 1024;

/// A buffer that refuses to grow over its limit, whatever the input claims
/// (decompression bombs, such as Netty's CVE-2026-42587).
pub(super) struct Bounded {
    octets: Vec<u8>,
    compressed_len: usize,
    len_max: usize,
    breach: Option<Status>,
}

impl Bounded {
    pub(super) fn new(compressed_len: usize, len_max: usize) -> Self {
        Bounded { octets: Vec::new(), compressed_len, len_max, breach: None }
    }

    /// Takes all that `source` yields.
    pub(super) fn read_from(&mut self, source: &mut impl Read) -> io::Result<()> {
        loop {
            let filled = self.octets.len();
            self.octets.resize(filled + CHUNK_LEN.max(filled), 0);
            let count = source.read(&mut self.octets[filled..]);
            self.octets.truncate(filled + *count.as_ref().unwrap_or(&0));
            match count {
                Ok(0) => return Ok(()),
                Ok(_) => self.check()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn check(&mut self) -> io::Result<()> {
        let len = self.octets.len();
        let breach = if len > self.len_max {
            format!(
                "a compressed message of {} bytes inflates to more than the limit of {} bytes for received messages",
                self.compressed_len, self.len_max
            )
        } else if len > RATIO_FREE_LEN && len / RATIO_MAX > self.compressed_len {
            format!(
                "a compressed message of {} bytes inflates to more than {RATIO_MAX} times its length (to {len} bytes so \
                 far, with a limit of {} bytes): taken for a decompression bomb",
                self.compressed_len, self.len_max
            )
        } else {
            return Ok(());
        };
        self.breach = Some(Status::resource_exhausted(breach));
        Err(io::ErrorKind::InvalidData.into())
    }

    /// The limit that was broken, if one was.
    pub(super) fn take_breach(&mut self) -> Option<Status> {
        self.breach.take()
    }

    pub(super) fn into_octets(self) -> Vec<u8> {
        self.octets
    }
}
