//! Memory that a connection borrows while it runs and gives back before it parks,
//! so that an idle connection holds none.

use std::cell::{Cell, RefCell};

/// One read takes at most this much.
pub(crate) const READ_LEN: usize = 64 * 1024;
/// Output buffers kept by a thread, and how large they may be.
const SPARE_COUNT_MAX: usize = 8;
const SPARE_CAPACITY_MIN: usize = 4 * 1024;
const SPARE_CAPACITY_MAX: usize = 128 * 1024;

thread_local! {
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Takes this thread's read buffer, `READ_LEN` long. A nested borrower gets a new one.
pub(crate) fn take_read() -> Vec<u8> {
    let mut buffer = READ.take();
    if buffer.len() != READ_LEN {
        buffer.resize(READ_LEN, 0);
    }
    buffer
}

/// Gives the read buffer back.
pub(crate) fn give_read(buffer: Vec<u8>) {
    READ.set(buffer);
}

/// An empty buffer for output.
pub(crate) fn take_spare() -> Vec<u8> {
    SPARES.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(SPARE_CAPACITY_MIN))
}

/// Gives an output buffer back.
pub(crate) fn give_spare(mut spare: Vec<u8>) {
    if spare.capacity() > SPARE_CAPACITY_MAX {
        return;
    }
    spare.clear();
    SPARES.with_borrow_mut(|spares| {
        if spares.len() < SPARE_COUNT_MAX {
            spares.push(spare);
        }
    });
}
