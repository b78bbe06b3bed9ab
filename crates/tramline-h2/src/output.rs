//! What must go out: one growing tail of octets, and long payloads spliced between.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

/// Payloads from this length on are spliced, not copied: below it a copy is
/// cheaper than another segment in the write.
pub(crate) const SPLICE_LEN_MIN: usize = 16 * 1024;
/// A tail buffer above this capacity is given back when it is empty.
const TAIL_KEPT_MAX: usize = 64 * 1024;

/// Something that is being appended: unless it is [kept](Self::keep), nothing of it stays,
/// also if who writes it fails or panics.
///
/// ```
/// let mut out = b"whole".to_vec();
/// let mut attempt = tramline_h2::Attempt::begin(&mut out);
/// attempt.out().extend_from_slice(b"half");
/// drop(attempt);
/// assert_eq!(out, b"whole");
/// ```
#[derive(Debug)]
pub struct Attempt<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    is_whole: bool,
}

impl<'a> Attempt<'a> {
    /// What is appended from now on is the attempt.
    #[inline]
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Attempt { out, start, is_whole: false }
    }

    /// Where to append.
    #[inline]
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// It is whole, and stays.
    #[inline]
    pub fn keep(mut self) {
        self.is_whole = true;
    }
}

impl Drop for Attempt<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_whole {
            self.out.truncate(self.start);
        }
    }
}

#[derive(Debug)]
enum Part {
    Tail(Vec<u8>),
    Spliced(Bytes),
}

impl Part {
    fn as_slice(&self) -> &[u8] {
        match self {
            Part::Tail(octets) => octets,
            Part::Spliced(octets) => octets,
        }
    }
}

/// Encoded octets in the order of the wire.
#[derive(Debug, Default)]
pub struct Output {
    parts: VecDeque<Part>,
    tail: Vec<u8>,
    /// Memory of a part that was written, for the next tail: as long as spliced payloads come, so
    /// do parts between them.
    spare: Vec<u8>,
    /// Octets of the first part (or the tail) that are already written.
    written: usize,
    len: usize,
    /// Octets that were written since the connection began.
    written_offset: u64,
}

impl Output {
    /// Octets that wait.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len + self.tail.len()
    }

    /// Nothing waits.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether everything is in one slice.
    #[must_use]
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.parts.is_empty()
    }

    /// The first slice that waits.
    #[must_use]
    #[inline]
    pub fn first(&self) -> &[u8] {
        let part = self.parts.front().map_or(&self.tail[..], Part::as_slice);
        part.get(self.written..).unwrap_or_default()
    }

    /// All slices that wait, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let parts = self.parts.iter().map(Part::as_slice).chain([&self.tail[..]]);
        let mut written = self.written;
        parts.map(move |part| part.get(core::mem::take(&mut written)..).unwrap_or_default()).filter(|s| !s.is_empty())
    }

    /// `count` octets were written.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        if self.parts.is_empty() && count >= self.tail.len() {
            self.written_offset += self.tail.len() as u64;
            self.clear_tail();
        } else {
            self.advance_partly(count);
        }
    }

    fn advance_partly(&mut self, mut count: usize) {
        count = count.min(self.len());
        self.written_offset += count as u64;
        while let Some(part) = self.parts.front() {
            let left = part.as_slice().len() - self.written;
            if count < left {
                self.written += count;
                self.len -= count;
                return;
            }
            count -= left;
            self.len -= left;
            self.written = 0;
            if let Some(Part::Tail(octets)) = self.parts.pop_front() {
                self.keep_spare(octets);
            }
        }
        self.advance_tail(count);
    }

    fn keep_spare(&mut self, mut octets: Vec<u8>) {
        let place = if self.tail.capacity() == 0 { &mut self.tail } else { &mut self.spare };
        if (place.capacity()..=TAIL_KEPT_MAX).contains(&octets.capacity()) {
            octets.clear();
            *place = octets;
        }
    }

    fn advance_tail(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.tail.len() {
            self.clear_tail();
        } else {
            // `len` counts the parts alone; the written front of the tail is taken off it.
            self.tail.drain(..self.written);
            self.written = 0;
        }
    }

    #[inline]
    fn clear_tail(&mut self) {
        self.tail.clear();
        if self.tail.capacity() > TAIL_KEPT_MAX {
            self.tail.shrink_to(TAIL_KEPT_MAX);
        }
        self.written = 0;
    }

    /// Octets that were written since the connection began.
    #[inline]
    pub(crate) fn written_offset(&self) -> u64 {
        self.written_offset
    }

    /// The offset behind everything that waits.
    pub(crate) fn end_offset(&self) -> u64 {
        self.written_offset + self.len() as u64
    }

    /// Octets behind the last spliced payload.
    pub(crate) fn tail_len(&self) -> usize {
        self.tail.len()
    }

    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    pub(crate) fn splice(&mut self, octets: Bytes) {
        if octets.len() < SPLICE_LEN_MIN {
            self.tail.extend_from_slice(&octets);
            return;
        }
        if !self.tail.is_empty() {
            let tail = core::mem::replace(&mut self.tail, core::mem::take(&mut self.spare));
            self.len += tail.len();
            self.parts.push_back(Part::Tail(tail));
        }
        self.len += octets.len();
        self.parts.push_back(Part::Spliced(octets));
    }

    /// Gives the memory of an empty output away, so that an idle connection holds none. There may
    /// be more of it; what is longest comes first.
    #[inline]
    pub fn take_spare(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() {
            return None;
        }
        let place = if self.tail.capacity() >= self.spare.capacity() { &mut self.tail } else { &mut self.spare };
        (place.capacity() > 0).then(|| core::mem::take(place))
    }

    /// Lends memory for the tail; ignored while the tail has some.
    #[inline]
    pub fn lend(&mut self, spare: Vec<u8>) {
        if self.tail.capacity() == 0 {
            self.tail = spare;
            self.tail.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !output.is_empty() {
            let expected: Vec<u8> = output.slices().flatten().copied().collect();
            assert_eq!(expected.len(), output.len());
            let first = output.first();
            let count = step.min(first.len());
            all.extend_from_slice(&first[..count]);
            output.advance(count);
            assert_eq!(output.slices().flatten().copied().collect::<Vec<_>>(), expected[count..]);
        }
        all
    }

    #[test]
    fn order_is_kept_whatever_the_writes() {
        for step in [1000, 16 * 1024, 1 << 20] {
            let mut output = Output::default();
            output.tail().extend_from_slice(b"head");
            output.splice(Bytes::from(vec![1; 20_000]));
            output.splice(Bytes::from_static(b"short"));
            output.splice(Bytes::from(vec![2; 17_000]));
            output.tail().extend_from_slice(b"tail");
            let mut expected = b"head".to_vec();
            expected.extend(vec![1; 20_000]);
            expected.extend(b"short");
            expected.extend(vec![2; 17_000]);
            expected.extend(b"tail");
            assert_eq!(drain(&mut output, step), expected);
        }
    }

    #[test]
    fn memory_of_parts_serves_the_next_and_is_given_away() {
        let mut output = Output::default();
        let mut places = Vec::new();
        for _ in 0..3 {
            output.tail().extend_from_slice(&[0; 600]);
            places.push(output.tail().as_ptr());
            output.splice(Bytes::from(vec![1; 20_000]));
            output.advance(20_600);
        }
        assert_eq!(places[1], places[0]);
        assert_eq!(places[2], places[0]);
        output.tail().extend_from_slice(b"tail");
        assert_eq!(output.take_spare(), None, "it is not empty");
        output.advance(4);
        assert!(core::iter::from_fn(|| output.take_spare()).count() <= 2);
        assert_eq!((output.tail.capacity(), output.spare.capacity()), (0, 0));
    }

    #[test]
    fn the_longest_memory_is_given_away_first() {
        let mut output = Output::default();
        output.lend(Vec::with_capacity(4096));
        output.tail().extend_from_slice(b"head");
        output.splice(Bytes::from(vec![1; 20_000]));
        output.tail().extend_from_slice(b"trailers");
        output.advance(20_012);
        assert_eq!(output.take_spare().map(|spare| spare.capacity()), Some(4096));
        assert!(output.take_spare().is_some_and(|spare| spare.capacity() < 4096));
        assert_eq!(output.take_spare(), None);
    }

    #[test]
    fn advance_may_cross_parts() {
        let mut output = Output::default();
        output.tail().extend_from_slice(b"head");
        output.splice(Bytes::from(vec![1; 20_000]));
        output.tail().extend_from_slice(b"tail");
        output.advance(4 + 20_000 + 2);
        assert_eq!(output.first(), b"il");
        assert_eq!(output.len(), 2);
        output.advance(2);
        assert!(output.is_empty());
        assert!(output.take_spare().is_some());
    }
}
