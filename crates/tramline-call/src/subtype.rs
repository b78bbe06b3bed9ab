//! The message format that a content type names.

use core::fmt;

/// Longest subtype that is told apart from others.
const LEN_MAX: usize = 14;

/// What follows `application/grpc+` in a content type; nothing for `application/grpc`
/// alone, which leaves the format to the method.
///
/// It is small and `Copy`, so that it can stand beside a table entry; a name longer than
/// fourteen octets is no format that anybody offers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Subtype {
    len: u8,
    octets: [u8; LEN_MAX],
}

impl Subtype {
    /// No subtype: `application/grpc`.
    pub const NONE: Subtype = Subtype { len: 0, octets: [0; LEN_MAX] };

    /// Stands for a name that is too long to be any format's.
    pub(crate) const UNKNOWN: Subtype = Subtype { len: 1, octets: *b"?\0\0\0\0\0\0\0\0\0\0\0\0\0" };

    /// A subtype known when the program is built; in a constant, a wrong one does not compile.
    ///
    /// # Panics
    /// If `name` is longer than fourteen octets, or not made of lower-case letters, digits,
    /// `-` and `.`.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Subtype {
        let name = name.as_bytes();
        assert!(name.len() <= LEN_MAX, "a subtype has at most fourteen octets");
        let mut octets = [0; LEN_MAX];
        let mut n = 0;
        while n < name.len() {
            assert!(
                matches!(name[n], b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'),
                "a subtype is made of a-z, 0-9, `-` and `.`"
            );
            octets[n] = name[n];
            n += 1;
        }
        Subtype { len: name.len() as u8, octets }
    }

    /// The subtype of this name; `None` if it is too long to be one.
    #[must_use]
    pub fn new(name: &[u8]) -> Option<Subtype> {
        let mut octets = [0; LEN_MAX];
        octets.get_mut(..name.len())?.copy_from_slice(name);
        octets.make_ascii_lowercase();
        Some(Subtype { len: name.len() as u8, octets })
    }

    /// The name; empty for none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Hands the whole content type to `write`.
    #[inline]
    pub(crate) fn with_content_type<R>(&self, write: impl FnOnce(&[u8]) -> R) -> R {
        const BASE: &[u8] = b"application/grpc+";
        match self.as_bytes() {
            b"" => write(b"application/grpc"),
            b"proto" => write(b"application/grpc+proto"),
            b"json" => write(b"application/grpc+json"),
            name => {
                let mut text = [0; BASE.len() + LEN_MAX];
                let (base, rest) = text.split_at_mut(BASE.len());
                base.copy_from_slice(BASE);
                rest[..name.len()].copy_from_slice(name);
                write(&text[..BASE.len() + name.len()])
            }
        }
    }
}

impl fmt::Debug for Subtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subtype({})", self.as_bytes().escape_ascii())
    }
}
