//! A short memory of streams that have no slot any more.

/// Streams that are remembered: the last that were opened.
const MEMORY_COUNT: u32 = 1024;
const PER_WORD: u32 = 32;
const WORD_COUNT: usize = (MEMORY_COUNT / PER_WORD) as usize;

/// How a remembered stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// Open, or skipped: closed without having been opened (RFC 9113 §5.1.1).
    None,
    /// Both sides sent END_STREAM.
    Ended,
    /// We reset it.
    ResetByUs,
    /// The peer reset it.
    ResetByPeer,
}

impl Mark {
    const ALL: [Mark; 4] = [Mark::None, Mark::Ended, Mark::ResetByUs, Mark::ResetByPeer];
}

/// Two bits for each of the last streams, by identifier: what may still come for a
/// closed stream depends on how it closed (RFC 9113 §5.1, closed).
#[derive(Debug)]
pub(crate) struct ClosedStreams {
    words: [u64; WORD_COUNT],
    /// The highest identifier that was opened.
    newest_id: u32,
}

impl ClosedStreams {
    /// Streams below `first_id` are taken for forgotten ones.
    pub(crate) const fn new(first_id: u32) -> Self {
        ClosedStreams { words: [0; WORD_COUNT], newest_id: first_id.saturating_sub(2) }
    }

    fn place(id: u32) -> (usize, u32) {
        let at = (id >> 1) % MEMORY_COUNT;
        ((at / PER_WORD) as usize, at % PER_WORD * 2)
    }

    /// The stream `id` opens; those between it and the newest are skipped.
    #[inline]
    pub(crate) fn open(&mut self, id: u32) {
        let count = id.saturating_sub(self.newest_id) / 2;
        if count == 1 {
            self.newest_id = id;
            self.mark(id, Mark::None);
            return;
        }
        if count >= MEMORY_COUNT {
            self.words = [0; WORD_COUNT];
        } else {
            (0..count).for_each(|n| self.mark(id - 2 * n, Mark::None));
        }
        self.newest_id = self.newest_id.max(id);
    }

    #[inline]
    pub(crate) fn mark(&mut self, id: u32, mark: Mark) {
        let (word, shift) = Self::place(id);
        if let Some(word) = self.words.get_mut(word).filter(|_| self.newest_id.wrapping_sub(id) < 2 * MEMORY_COUNT) {
            *word = *word & !(3 << shift) | (mark as u64) << shift;
        }
    }

    /// `None` if the stream is too old to be remembered.
    pub(crate) fn recall(&self, id: u32) -> Option<Mark> {
        let is_remembered = self.newest_id.wrapping_sub(id) < 2 * MEMORY_COUNT;
        let (word, shift) = Self::place(id);
        let bits = self.words.get(word)? >> shift & 3;
        Mark::ALL.get(bits as usize).copied().filter(|_| is_remembered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_has_a_mark_of_its_own() {
        let mut closed = ClosedStreams::new(1);
        for id in (1..3000).step_by(2) {
            closed.open(id);
            closed.mark(id, Mark::ALL[id as usize / 2 % 4]);
        }
        for id in (1..3000).step_by(2) {
            let expected = (id >= 953).then_some(Mark::ALL[id as usize / 2 % 4]);
            assert_eq!(closed.recall(id), expected, "{id}");
        }
    }

    #[test]
    fn skipped_streams_were_never_opened() {
        let mut closed = ClosedStreams::new(1);
        closed.open(1);
        closed.mark(1, Mark::Ended);
        closed.open(9);
        closed.mark(9, Mark::ResetByUs);
        assert_eq!(
            [1, 3, 7, 9].map(|id| closed.recall(id)),
            [Some(Mark::Ended), Some(Mark::None), Some(Mark::None), Some(Mark::ResetByUs)]
        );
        closed.open(1_000_001);
        assert_eq!([9, 999_999].map(|id| closed.recall(id)), [None, Some(Mark::None)]);
    }

    #[test]
    fn marks_of_the_forgotten_are_dropped() {
        let mut closed = ClosedStreams::new(0x7fff_f001);
        closed.open(0x7fff_ffff);
        closed.mark(1, Mark::Ended);
        assert_eq!(closed.recall(1), None);
        assert_eq!(closed.recall(0x7fff_ffff), Some(Mark::None));
    }
}
