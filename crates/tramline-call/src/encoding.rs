//! How messages are compressed, and what each side can read.

use core::fmt;

/// A message encoding, as `grpc-encoding` names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Encoding {
    /// None.
    #[default]
    Identity = 0,
    /// RFC 1952.
    Gzip = 1,
    /// The zlib format of RFC 1950.
    Deflate = 2,
    /// RFC 8878.
    Zstd = 3,
    /// RFC 7932.
    Br = 4,
    /// The framing format of Snappy.
    Snappy = 5,
}

const ENCODING_COUNT: usize = 6;

impl Encoding {
    /// All encodings.
    pub const ALL: [Encoding; ENCODING_COUNT] =
        [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Br, Encoding::Snappy];

    /// The name in header fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
            Encoding::Zstd => "zstd",
            Encoding::Br => "br",
            Encoding::Snappy => "snappy",
        }
    }

    /// The encoding of this name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Encoding> {
        match name {
            b"identity" => Some(Encoding::Identity),
            b"gzip" => Some(Encoding::Gzip),
            b"deflate" => Some(Encoding::Deflate),
            b"zstd" => Some(Encoding::Zstd),
            b"br" => Some(Encoding::Br),
            b"snappy" => Some(Encoding::Snappy),
            _ => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of encodings. [`Encoding::Identity`] is in every set: a message that is not
/// compressed can always be read.
///
/// ```
/// use tramline_call::{Encoding, EncodingSet};
///
/// let set = EncodingSet::from_list(b"gzip, lzma ,br");
/// assert!(set.contains(Encoding::Gzip) && set.contains(Encoding::Br));
/// assert_eq!(set.list(), "identity,gzip,br");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingSet(u8);

impl EncodingSet {
    /// Identity alone.
    pub const IDENTITY: EncodingSet = EncodingSet(1);

    /// Reads a `grpc-accept-encoding` list. Names that are not known are left out.
    #[must_use]
    pub fn from_list(list: &[u8]) -> EncodingSet {
        list.split(|&octet| octet == b',').filter_map(|name| Encoding::from_name(name.trim_ascii())).collect()
    }

    /// The set as a number, which is another for each set.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Whether `encoding` is in the set.
    #[must_use]
    pub const fn contains(self, encoding: Encoding) -> bool {
        self.0 & 1 << encoding as u8 != 0
    }

    /// Adds `encoding`.
    pub fn insert(&mut self, encoding: Encoding) {
        self.0 |= 1 << encoding as u8;
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: EncodingSet) -> EncodingSet {
        EncodingSet(self.0 & other.0)
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: EncodingSet) -> EncodingSet {
        EncodingSet(self.0 | other.0)
    }

    /// How to compress for a peer that reads this set: as `wanted`, or else not at all
    /// (gRPC compression: a server never uses what the client did not list).
    #[must_use]
    pub const fn choose(self, wanted: Encoding) -> Encoding {
        if self.contains(wanted) { wanted } else { Encoding::Identity }
    }

    /// The members.
    pub fn iter(self) -> impl Iterator<Item = Encoding> {
        Encoding::ALL.into_iter().filter(move |encoding| self.contains(*encoding))
    }

    /// The names, comma-separated, as `grpc-accept-encoding` lists them.
    #[must_use]
    pub fn list(self) -> &'static str {
        core::str::from_utf8(self.list_octets()).unwrap_or_default()
    }

    pub(crate) fn list_octets(self) -> &'static [u8] {
        let list = LISTS.get(usize::from(self.0)).unwrap_or(&LISTS[1]);
        list.octets.get(..list.len).unwrap_or_default()
    }
}

impl Default for EncodingSet {
    fn default() -> Self {
        EncodingSet::IDENTITY
    }
}

impl FromIterator<Encoding> for EncodingSet {
    fn from_iter<I: IntoIterator<Item = Encoding>>(encodings: I) -> Self {
        let mut set = EncodingSet::IDENTITY;
        encodings.into_iter().for_each(|encoding| set.insert(encoding));
        set
    }
}

impl fmt::Debug for EncodingSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodingSet({})", self.list())
    }
}

/// Longest list: all names and the commas between them.
const LIST_LEN_MAX: usize = 36;

#[derive(Clone, Copy)]
struct List {
    len: usize,
    octets: [u8; LIST_LEN_MAX],
}

/// The list of every set, so that none is put together while calls run.
static LISTS: [List; 1 << ENCODING_COUNT] = {
    let mut lists = [List { len: 0, octets: [0; LIST_LEN_MAX] }; 1 << ENCODING_COUNT];
    let mut set = 0;
    while set < lists.len() {
        lists[set] = list(EncodingSet(set as u8));
        set += 1;
    }
    lists
};

const fn list(set: EncodingSet) -> List {
    let mut list = List { len: 0, octets: [0; LIST_LEN_MAX] };
    let mut n = 0;
    while n < ENCODING_COUNT {
        if set.contains(Encoding::ALL[n]) {
            if list.len > 0 {
                list = push(list, b",");
            }
            list = push(list, Encoding::ALL[n].name().as_bytes());
        }
        n += 1;
    }
    list
}

const fn push(mut list: List, octets: &[u8]) -> List {
    let mut n = 0;
    while n < octets.len() {
        list.octets[list.len] = octets[n];
        list.len += 1;
        n += 1;
    }
    list
}
