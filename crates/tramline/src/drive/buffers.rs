//! Memory that a connection borrows while it runs and gives back before it parks,
//! so that an idle connection holds none.

use std::cell::Cell;

/// One read takes at most this much.
pub(crate) const READ_LEN: usize = 64 * 1024;
/// Output buffers kept by a thread, and how large they may be.
const SPARE_COUNT_MAX: usize = 8;
const SPARE_CAPACITY_MAX: usize = 128 * 1024;

thread_local! {
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static SPARES: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

/// Takes this thread's read buffer, `READ_LEN` long. A nested borrower gets a new one.
pub(crate) fn take_read() -> Vec<u8> {
    let mut buffer = READ.take();
    buffer.resize(READ_LEN, 0);
    buffer
}

/// Gives the read buffer back.
pub(crate) fn give_read(buffer: Vec<u8>) {
    READ.set(buffer);
}

/// An empty buffer for output.
pub(crate) fn take_spare() -> Vec<u8> {
    let mut spares = SPARES.take();
    let spare = spares.pop().unwrap_or_else(|| Vec::with_capacity(4096));
    SPARES.set(spares);
    spare
}

/// Gives an output buffer back.
pub(crate) fn give_spare(mut spare: Vec<u8>) {
    let mut spares = SPARES.take();
    if spares.len() < SPARE_COUNT_MAX && spare.capacity() <= SPARE_CAPACITY_MAX {
        spare.clear();
        spares.push(spare);
    }
    SPARES.set(spares);
}
