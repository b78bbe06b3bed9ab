//! Standard output.

use std::io::{ErrorKind, Write as _};

use crate::failure::Failure;

/// Writes to standard output at once. A reader that has gone away, as `head` does, is no
/// failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
