//! What an encoder remembers of the fields that it wrote: how they look, and which one
//! followed which.

use alloc::vec::Vec;

/// Fields that are remembered.
const COUNT_MAX: usize = 32;

/// The first and the last octets of a string, at most eight each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ends(u64, u64);

/// With their lengths, the ends of a name say all of one that has no more than this, and
/// those of the two halves of a value all of one that has no more than twice as much.
const ENDS_LEN_MAX: usize = 16;

impl Ends {
    #[inline(always)]
    const fn of(octets: &[u8]) -> Self {
        if let (Some(front), Some(back)) = (octets.first_chunk(), octets.last_chunk()) {
            return Ends(u64::from_le_bytes(*front), u64::from_le_bytes(*back));
        }
        if let (Some(front), Some(back)) = (octets.first_chunk(), octets.last_chunk()) {
            return Ends(u32::from_le_bytes(*front) as u64, u32::from_le_bytes(*back) as u64);
        }
        match *octets {
            [] => Ends(0, 0),
            [a] => Ends(a as u64, 0),
            [a, b] => Ends(u16::from_le_bytes([a, b]) as u64, 0),
            [a, b, c, ..] => Ends(u32::from_le_bytes([a, b, c, 0]) as u64, 0),
        }
    }

    #[inline(always)]
    const fn of_halves(octets: &[u8]) -> [Self; 2] {
        match (octets.first_chunk::<ENDS_LEN_MAX>(), octets.last_chunk::<ENDS_LEN_MAX>()) {
            (Some(front), Some(back)) => [Ends::of(front), Ends::of(back)],
            _ => [Ends::of(octets), Ends(0, 0)],
        }
    }

    /// What differs in the middle alone collides, which costs a comparison.
    fn mix(self, seed: u64, len: u32) -> u64 {
        let mixed = (seed ^ self.0).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(29);
        (mixed ^ self.1 ^ u64::from(len)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// A field at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Looks {
    name: Ends,
    value: [Ends; 2],
    name_len: u32,
    value_len: u32,
}

impl Looks {
    #[inline(always)]
    pub(super) const fn of(name: &[u8], value: &[u8]) -> Self {
        Looks {
            name: Ends::of(name),
            value: Ends::of_halves(value),
            name_len: name.len() as u32,
            value_len: value.len() as u32,
        }
    }

    /// Whether no octets of the field are behind what is seen.
    #[inline(always)]
    pub(super) const fn say_all(&self) -> bool {
        self.name_len as usize <= ENDS_LEN_MAX && self.value_len as usize <= 2 * ENDS_LEN_MAX
    }

    /// Hashes of the name, and of the whole. The best bits of a product are its high ones.
    pub(super) fn hashes(&self) -> [u32; 2] {
        let name = self.name.mix(0x9e37_79b9_7f4a_7c15, self.name_len);
        [name, self.value[0].mix(name, self.value_len) ^ self.value[1].mix(name, 0)].map(|hash| (hash >> 32) as u32)
    }
}

/// Where a field stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reference {
    /// At this index of the static table.
    Static(u8),
    /// It is the dynamic entry of this number, or was.
    Dynamic(u32),
}

#[derive(Clone, Copy, Debug)]
struct Node {
    looks: Looks,
    reference: Reference,
    /// The node of the field that followed last time.
    next: u8,
}

/// Sections repeat themselves: after one field, the field that followed it last time is
/// looked at first.
#[derive(Debug, Default)]
pub(super) struct Memo {
    nodes: Vec<Node>,
    last: u8,
    expected: u8,
    /// The node that is given away next when all are taken.
    oldest: u8,
}

impl Memo {
    /// Where the field that is expected stands, if it looks like this.
    #[inline(always)]
    pub(super) fn expected(&self, looks: &Looks) -> Option<Reference> {
        let node = self.nodes.get(usize::from(self.expected))?;
        (node.looks == *looks).then_some(node.reference)
    }

    /// What was expected came.
    #[inline(always)]
    pub(super) fn follow(&mut self) {
        self.last = self.expected;
        if let Some(node) = self.nodes.get(usize::from(self.last)) {
            self.expected = node.next;
        }
    }

    /// A field that looks like this, its place, and what `fits` makes of it.
    pub(super) fn find<R>(&self, looks: &Looks, fits: impl Fn(Reference) -> Option<R>) -> Option<(usize, R)> {
        let mut nodes = self.nodes.iter().enumerate().filter(|(_, node)| node.looks == *looks);
        nodes.find_map(|(at, node)| Some((at, fits(node.reference)?)))
    }

    /// Something else came than what was expected: the field at this place.
    pub(super) fn turn_to(&mut self, at: usize) {
        if let Some(node) = self.nodes.get_mut(usize::from(self.last)) {
            node.next = at as u8;
        }
        self.expected = at as u8;
        self.follow();
    }

    /// A field came that was not remembered, and is from now on.
    pub(super) fn turn(&mut self, looks: Looks, reference: Reference) {
        let node = Node { looks, reference, next: 0 };
        let at = self.place();
        match self.nodes.get_mut(at) {
            Some(place) => *place = node,
            None => self.nodes.push(node),
        }
        self.turn_to(at);
    }

    fn place(&mut self) -> usize {
        if self.nodes.len() < COUNT_MAX {
            return self.nodes.len();
        }
        self.oldest = (self.oldest + 1) % COUNT_MAX as u8;
        usize::from(self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(name: &str) -> Looks {
        Looks::of(name.as_bytes(), b"value")
    }

    #[test]
    fn what_followed_is_expected() {
        let mut memo = Memo::default();
        for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
            memo.turn(looks(name), Reference::Dynamic(n as u32));
        }
        assert_eq!(memo.find(&looks("a"), Some), Some((0, Reference::Dynamic(0))));
        memo.turn_to(0);
        for (n, name) in ["b", "c", "a", "b"].into_iter().enumerate() {
            assert_eq!(memo.expected(&looks(name)), Some(Reference::Dynamic((n as u32 + 1) % 3)), "{name}");
            memo.follow();
        }
        assert_eq!(memo.find(&looks("a"), |_| None::<()>), None);
        assert_eq!(memo.expected(&looks("a")), None, "c is expected");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut memo = Memo::default();
        for n in 0..100u32 {
            memo.turn(Looks::of(b"n", &n.to_be_bytes()), Reference::Dynamic(n));
        }
        let all: Vec<u32> =
            (0..100).filter(|n: &u32| memo.find(&Looks::of(b"n", &n.to_be_bytes()), Some).is_some()).collect();
        assert_eq!(all, (68..100).collect::<Vec<u32>>());
    }

    #[test]
    fn ends_tell_short_strings_apart() {
        let strings: [&[u8]; 9] = [b"", b"a", b"b", b"ab", b"abc", b"abcd", b"abcde", b"abcdefgh", b"abcdefghabcdefgh"];
        for (n, a) in strings.iter().enumerate() {
            for (m, b) in strings.iter().enumerate() {
                assert_eq!(Looks::of(a, b"") == Looks::of(b, b""), n == m);
            }
        }
    }
}
