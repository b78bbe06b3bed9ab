//! An allocator that counts what is alive, for programs that measure their own heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, with a count of the octets that are handed out. A program
/// makes it its global allocator.
#[derive(Debug, Default)]
pub struct CountingAllocator {
    live: AtomicUsize,
}

impl CountingAllocator {
    /// Nothing handed out yet.
    #[must_use]
    pub const fn new() -> Self {
        CountingAllocator { live: AtomicUsize::new(0) }
    }

    /// Octets handed out and not yet given back.
    pub fn live_len(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; each call goes to the system's own unchanged")]
// SAFETY: every method passes its arguments to `System` as they are and returns what it
// returned, so that the contract of `GlobalAlloc` is kept by `System`; the count beside
// it touches no memory of the caller's.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.live.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_counts_what_is_alive() {
        let allocator = CountingAllocator::new();
        let layout = Layout::from_size_align(1000, 8).unwrap();
        #[allow(unsafe_code, reason = "an allocator's methods are unsafe to call")]
        // SAFETY: the layout has a length, and the block is given back once, with it.
        unsafe {
            let block = allocator.alloc(layout);
            assert!(!block.is_null());
            assert_eq!(allocator.live_len(), 1000);
            allocator.dealloc(block, layout);
        }
        assert_eq!(allocator.live_len(), 0);
    }
}
