//! Where choices come from: a seed, or a fuzzer's octets.

/// A source of choices.
pub(crate) trait Entropy {
    /// A number below `bound`; 0 if `bound` is 0.
    fn below(&mut self, bound: usize) -> usize;

    /// True in about `percent` of a hundred cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

impl Entropy for fastrand::Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.usize(..bound.max(1))
    }
}

/// Choices from a fuzzer's octets: one octet for small bounds, two for larger ones.
#[derive(Debug)]
pub(crate) struct Octets<'a> {
    rest: &'a [u8],
}

impl<'a> Octets<'a> {
    /// Choices are made until `octets` are used up; from then on they are all 0.
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Octets { rest: octets }
    }

    /// No octet is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` octets, or what is left.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        front
    }
}

impl Entropy for Octets<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let len = if bound <= 256 { 1 } else { 2 };
        let value = self.take(len).iter().fold(0usize, |sum, octet| sum << 8 | usize::from(*octet));
        if bound <= 1 { 0 } else { value % bound }
    }
}
