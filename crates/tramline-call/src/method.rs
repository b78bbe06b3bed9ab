//! What a method is.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use crate::Subtype;
use crate::codec::Codec;

/// Which sides of a call are streams.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MethodKind {
    /// One message each way.
    Unary,
    /// A stream of requests, one response.
    ClientStreaming,
    /// One request, a stream of responses.
    ServerStreaming,
    /// Streams both ways.
    BidiStreaming,
}

impl MethodKind {
    /// The request is exactly one message.
    #[must_use]
    pub const fn takes_one_message(self) -> bool {
        matches!(self, MethodKind::Unary | MethodKind::ServerStreaming)
    }

    /// The response is exactly one message.
    #[must_use]
    pub const fn replies_once(self) -> bool {
        matches!(self, MethodKind::Unary | MethodKind::ClientStreaming)
    }
}

/// What happens if a call is made twice (`google.protobuf.MethodOptions.idempotency_level`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Idempotency {
    /// Nobody says.
    #[default]
    Unknown,
    /// The second call has no further effect.
    Idempotent,
    /// Calls have no effect.
    NoSideEffects,
}

/// The path of a method: `/package.Service/Method`.
#[derive(Clone)]
pub struct Path(PathText);

#[derive(Clone)]
enum PathText {
    Static(&'static str),
    Shared(Arc<str>),
}

/// A text that is no method's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathError(());

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a method's path is `/package.Service/Method`")
    }
}

impl core::error::Error for PathError {}

impl Path {
    /// A path known when the program is built; in a constant, a malformed one does not compile.
    ///
    /// # Panics
    /// If `path` is not `/package.Service/Method`.
    #[must_use]
    pub const fn from_static(path: &'static str) -> Path {
        assert!(split_at(path.as_bytes()).is_some(), "a method's path is `/package.Service/Method`");
        Path(PathText::Static(path))
    }

    /// A path known when the program runs.
    ///
    /// # Errors
    /// `path` is not `/package.Service/Method`.
    pub fn new(path: impl Into<Arc<str>>) -> Result<Path, PathError> {
        let path = path.into();
        match split_at(path.as_bytes()) {
            Some(_) => Ok(Path(PathText::Shared(path))),
            None => Err(PathError(())),
        }
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            PathText::Static(path) => path,
            PathText::Shared(path) => path,
        }
    }

    /// The whole path's octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// The service's full name, `package.Service`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.halves().0
    }

    /// The method's name.
    #[must_use]
    pub fn method(&self) -> &str {
        self.halves().1
    }

    fn halves(&self) -> (&str, &str) {
        self.as_str().strip_prefix('/').and_then(|rest| rest.split_once('/')).unwrap_or_default()
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Path {}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where the second slash of `/service/method` is; `None` if the octets are no path.
///
/// Only what a registered path could look like passes: nothing is decoded, folded or
/// collapsed, so that there is one spelling of each method for routing, for authorization
/// and for logs.
pub(crate) const fn split_at(path: &[u8]) -> Option<usize> {
    let [b'/', ..] = path else { return None };
    let mut slash = 0;
    let mut n = 1;
    while n < path.len() {
        match path[n] {
            b'/' if slash == 0 => slash = n,
            b'!'..=b'~' if !matches!(path[n], b'/' | b'%' | b'?' | b'#' | b'\\') => {}
            _ => return None,
        }
        n += 1;
    }
    if is_name(path, 1, slash) && is_name(path, slash + 1, path.len()) { Some(slash) } else { None }
}

/// Not empty, and not a dot segment (RFC 3986 §3.3).
const fn is_name(path: &[u8], start: usize, end: usize) -> bool {
    let mut n = start;
    while n < end {
        if path[n] != b'.' {
            return true;
        }
        n += 1;
    }
    end > start + 2
}

/// A method with the types of its messages and the codec that reads and writes them.
///
/// ```
/// use tramline_call::{Method, MethodKind, codec::Raw};
///
/// const ECHO: Method<bytes::Bytes, bytes::Bytes, Raw> = Method::unary("/pkg.Echo/Say", Raw);
/// assert_eq!(ECHO.path().service(), "pkg.Echo");
/// assert_eq!(ECHO.kind(), MethodKind::Unary);
/// ```
pub struct Method<Req, Res, C> {
    path: Path,
    kind: MethodKind,
    idempotency: Idempotency,
    codec: C,
    types: PhantomData<fn(Req) -> Res>,
}

impl<Req, Res, C> Method<Req, Res, C> {
    const fn new(path: Path, kind: MethodKind, codec: C) -> Self {
        Method { path, kind, idempotency: Idempotency::Unknown, codec, types: PhantomData }
    }

    /// A method with one message each way.
    ///
    /// # Panics
    /// If `path` is not `/package.Service/Method`; in a constant it does not compile.
    #[must_use]
    pub const fn unary(path: &'static str, codec: C) -> Self {
        Self::new(Path::from_static(path), MethodKind::Unary, codec)
    }

    /// A method that takes a stream.
    ///
    /// # Panics
    /// As [`unary`](Self::unary).
    #[must_use]
    pub const fn client_streaming(path: &'static str, codec: C) -> Self {
        Self::new(Path::from_static(path), MethodKind::ClientStreaming, codec)
    }

    /// A method that answers with a stream.
    ///
    /// # Panics
    /// As [`unary`](Self::unary).
    #[must_use]
    pub const fn server_streaming(path: &'static str, codec: C) -> Self {
        Self::new(Path::from_static(path), MethodKind::ServerStreaming, codec)
    }

    /// A method that streams both ways.
    ///
    /// # Panics
    /// As [`unary`](Self::unary).
    #[must_use]
    pub const fn bidi_streaming(path: &'static str, codec: C) -> Self {
        Self::new(Path::from_static(path), MethodKind::BidiStreaming, codec)
    }

    /// A method that is known when the program runs.
    ///
    /// # Errors
    /// `path` is not `/package.Service/Method`.
    pub fn dynamic(path: impl Into<Arc<str>>, kind: MethodKind, codec: C) -> Result<Self, PathError> {
        Ok(Self::new(Path::new(path)?, kind, codec))
    }

    /// Says what happens if a call is made twice.
    #[must_use]
    pub const fn with_idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// The path.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Which sides are streams.
    #[must_use]
    pub const fn kind(&self) -> MethodKind {
        self.kind
    }

    /// What happens if a call is made twice.
    #[must_use]
    pub const fn idempotency(&self) -> Idempotency {
        self.idempotency
    }
}

impl<Req, Res, C: Codec> Method<Req, Res, C> {
    /// The codec.
    #[must_use]
    pub const fn codec(&self) -> C {
        self.codec
    }

    /// The method without its types.
    #[must_use]
    pub fn info(&self) -> MethodInfo {
        MethodInfo {
            path: self.path.clone(),
            kind: self.kind,
            idempotency: self.idempotency,
            subtype: const { Subtype::from_static(C::SUBTYPE) },
            reads: C::reads,
        }
    }
}

impl<Req, Res, C: Copy> Clone for Method<Req, Res, C> {
    fn clone(&self) -> Self {
        Method { path: self.path.clone(), types: PhantomData, ..*self }
    }
}

impl<Req, Res, C> fmt::Debug for Method<Req, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Method").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A method without the types of its messages.
#[derive(Clone)]
pub struct MethodInfo {
    path: Path,
    kind: MethodKind,
    idempotency: Idempotency,
    subtype: Subtype,
    reads: fn(&str) -> bool,
}

impl MethodInfo {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which sides are streams.
    #[must_use]
    pub fn kind(&self) -> MethodKind {
        self.kind
    }

    /// What happens if a call is made twice.
    #[must_use]
    pub fn idempotency(&self) -> Idempotency {
        self.idempotency
    }

    /// What the method's codec calls its format: `proto`, `json`, …
    #[must_use]
    pub fn subtype(&self) -> Subtype {
        self.subtype
    }

    /// Whether the method's codec reads messages of the format that a peer named.
    #[must_use]
    pub fn reads(&self, subtype: &str) -> bool {
        (self.reads)(subtype)
    }
}

impl fmt::Debug for MethodInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodInfo").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}
