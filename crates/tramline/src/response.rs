//! A response and what comes with it.

use tramline_call::Metadata;

/// A response: its message (or stream of messages), its initial metadata, and its trailers.
///
/// ```
/// let mut response = tramline::Response::new("a message");
/// response.metadata_mut().insert("x-served-by", "a").unwrap();
/// response.trailers_mut().insert("x-cost", "3").unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<T> {
    message: T,
    metadata: Metadata,
    trailers: Metadata,
    is_compressible: bool,
    was_compressed: bool,
}

impl<T> Response<T> {
    /// A response without metadata.
    pub fn new(message: T) -> Self {
        let (metadata, trailers) = (Metadata::new(), Metadata::new());
        Response { message, metadata, trailers, is_compressible: true, was_compressed: false }
    }

    pub(crate) fn received(message: T, metadata: Metadata, trailers: Metadata) -> Self {
        Response { metadata, trailers, ..Response::new(message) }
    }

    pub(crate) fn compressed(self, was_compressed: bool) -> Self {
        Response { was_compressed, ..self }
    }

    /// Whether the message came compressed. A stream of messages says it of each:
    /// [`Streaming::was_compressed`](crate::Streaming::was_compressed).
    pub fn was_compressed(&self) -> bool {
        self.was_compressed
    }

    /// The message.
    pub fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message, to change.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// The message alone.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Message, initial metadata, trailers.
    pub fn into_parts(self) -> (T, Metadata, Metadata) {
        (self.message, self.metadata, self.trailers)
    }

    /// Takes initial metadata and trailers out.
    pub(crate) fn take_metadata(&mut self) -> (Metadata, Metadata) {
        (std::mem::take(&mut self.metadata), std::mem::take(&mut self.trailers))
    }

    /// The initial metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The initial metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The trailers.
    pub fn trailers(&self) -> &Metadata {
        &self.trailers
    }

    /// The trailers, to change.
    pub fn trailers_mut(&mut self) -> &mut Metadata {
        &mut self.trailers
    }

    /// Whether a server may compress the message; a secret next to attacker-chosen text
    /// should not be (CRIME, BREACH).
    pub fn set_compressible(&mut self, is_compressible: bool) {
        self.is_compressible = is_compressible;
    }

    pub(crate) fn is_compressible(&self) -> bool {
        self.is_compressible
    }

    /// The same response around another message.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Response<U> {
        Response {
            message: change(self.message),
            metadata: self.metadata,
            trailers: self.trailers,
            is_compressible: self.is_compressible,
            was_compressed: self.was_compressed,
        }
    }
}

impl<T> From<T> for Response<T> {
    fn from(message: T) -> Self {
        Response::new(message)
    }
}
