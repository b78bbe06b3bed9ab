//! A request and what comes with it.

use std::any::{Any, TypeId};
use std::sync::Arc;

use tramline_call::Metadata;

use crate::context::CallContext;

/// Values that interceptors and handlers pass along beside a message, one of each type.
#[derive(Default)]
pub struct Extensions {
    values: Vec<(TypeId, Box<dyn Any + Send + Sync>)>,
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extensions({})", self.values.len())
    }
}

impl Extensions {
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Puts a value in; an earlier one of its type comes out.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) -> Option<T> {
        let before = self.remove::<T>();
        self.values.push((TypeId::of::<T>(), Box::new(value)));
        before
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        let (_, value) = self.values.iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_ref()
    }

    /// The value of this type, to change.
    pub fn get_mut<T: Any + Send + Sync>(&mut self) -> Option<&mut T> {
        let (_, value) = self.values.iter_mut().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_mut()
    }

    /// Takes the value of this type out.
    pub fn remove<T: Any + Send + Sync>(&mut self) -> Option<T> {
        let at = self.values.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        self.values.swap_remove(at).1.downcast().ok().map(|value| *value)
    }
}

/// A request: its message (or stream of messages), its metadata, and on a server the
/// context of the call.
///
/// ```
/// let mut request = tramline::Request::new("a message");
/// request.metadata_mut().insert("x-trace", "abc").unwrap();
/// assert_eq!(*request.get_ref(), "a message");
/// ```
#[derive(Debug)]
pub struct Request<T> {
    message: T,
    metadata: Metadata,
    extensions: Extensions,
    context: Option<Arc<CallContext>>,
    was_compressed: bool,
}

impl<T> Request<T> {
    /// A request without metadata.
    pub fn new(message: T) -> Self {
        Request {
            message,
            metadata: Metadata::new(),
            extensions: Extensions::default(),
            context: None,
            was_compressed: false,
        }
    }

    pub(crate) fn received(message: T, metadata: Metadata, extensions: Extensions, context: Arc<CallContext>) -> Self {
        Request { message, metadata, extensions, context: Some(context), was_compressed: false }
    }

    pub(crate) fn compressed(self, was_compressed: bool) -> Self {
        Request { was_compressed, ..self }
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

    /// Metadata and message.
    pub fn into_parts(self) -> (Metadata, Extensions, T) {
        (self.metadata, self.extensions, self.message)
    }

    /// The metadata that the client sent, or will send.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// What interceptors left.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What interceptors left, to change.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// On a server, the call's context: deadline, peer, method, cancellation.
    pub fn context(&self) -> Option<&Arc<CallContext>> {
        self.context.as_ref()
    }

    /// The same request around another message.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Request<U> {
        Request {
            message: change(self.message),
            metadata: self.metadata,
            extensions: self.extensions,
            context: self.context,
            was_compressed: self.was_compressed,
        }
    }
}

impl<T> From<T> for Request<T> {
    fn from(message: T) -> Self {
        Request::new(message)
    }
}
