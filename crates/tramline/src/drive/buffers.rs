//! Memory that a connection borrows while it runs and gives back before it parks,
//! so that an idle connection holds none.

use std::cell::{Cell, RefCell};

/// One read takes at most this much.
pub(crate) const READ_LEN: usize = 64 * 1024;
/// Output buffers kept by a thread, and how large they are.
const SPARE_COUNT_MAX: usize = 8;
const SPARE_CAPACITY_MIN: usize = 4 * 1024;
const SPARE_CAPACITY_MAX: usize = 128 * 1024;

/// What one poll of a connection borrows.
#[derive(Default)]
pub(crate) struct Lent {
    /// `READ_LEN` long, at least.
    pub(crate) read: Vec<u8>,
    /// Empty.
    output: Vec<u8>,
}

thread_local! {
    /// In a box: one word is taken and given back, not six.
    static LENT: Cell<Option<Box<Lent>>> = const { Cell::new(None) };
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl Lent {
    /// Takes this thread's buffers. A nested borrower gets new ones.
    #[inline(always)]
    pub(crate) fn take() -> Box<Lent> {
        let mut lent = LENT.take().unwrap_or_default();
        if lent.read.len() != READ_LEN {
            lent.read.resize(READ_LEN, 0);
        }
        lent
    }

    /// Gives them back.
    #[inline]
    pub(crate) fn give_back(self: Box<Lent>) {
        LENT.set(Some(self));
    }

    /// Memory for output that has none.
    #[inline]
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let output = std::mem::take(&mut self.output);
        if output.capacity() > 0 { output } else { take_spare() }
    }

    /// Memory that no output needs any more.
    #[inline]
    pub(crate) fn give_output(&mut self, mut output: Vec<u8>) {
        if self.output.capacity() > 0 || output.capacity() > SPARE_CAPACITY_MAX {
            return give_spare(output);
        }
        output.clear();
        self.output = output;
    }
}

/// An empty buffer for output.
pub(crate) fn take_spare() -> Vec<u8> {
    SPARES.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(SPARE_CAPACITY_MIN))
}

/// Gives an output buffer back.
pub(crate) fn give_spare(mut spare: Vec<u8>) {
    if !(SPARE_CAPACITY_MIN..=SPARE_CAPACITY_MAX).contains(&spare.capacity()) {
        return;
    }
    spare.clear();
    SPARES.with_borrow_mut(|spares| {
        if spares.len() < SPARE_COUNT_MAX {
            spares.push(spare);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output with spliced payloads gives several buffers back, of which most are short.
    #[test]
    fn short_buffers_do_not_take_the_place_of_others() {
        let mut lent = Lent::default();
        for capacity in [SPARE_CAPACITY_MAX, 64, 0] {
            lent.give_output(Vec::with_capacity(capacity));
        }
        assert_eq!(lent.take_output().capacity(), SPARE_CAPACITY_MAX);
        assert!(lent.take_output().capacity() >= SPARE_CAPACITY_MIN);
    }
}
