//! A request and what comes with it.

use std::any::{Any, TypeId};
use std::sync::Arc;

use tramline_call::Metadata;

use crate::context::CallContext;

/// Values that interceptors and handlers pass along beside a message, one of each type.
#[derive(Default)]
pub struct Extensions {
    /// In a box, as few requests have any.
    #[allow(clippy::box_collection, reason = "an empty one is a third as wide, in each request")]
    values: Option<Box<Vec<Entry>>>,
}

type Entry = (TypeId, Box<dyn Any + Send + Sync>);

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extensions({})", self.entries().len())
    }
}

impl Extensions {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    fn entries(&self) -> &[Entry] {
        self.values.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Puts a value in; an earlier one of its type comes out.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) -> Option<T> {
        let before = self.remove::<T>();
        self.values.get_or_insert_default().push((TypeId::of::<T>(), Box::new(value)));
        before
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        let (_, value) = self.entries().iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_ref()
    }

    /// The value of this type, to change.
    pub fn get_mut<T: Any + Send + Sync>(&mut self) -> Option<&mut T> {
        let (_, value) = self.values.as_mut()?.iter_mut().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_mut()
    }

    /// Takes the value of this type out.
    pub fn remove<T: Any + Send + Sync>(&mut self) -> Option<T> {
        let values = self.values.as_mut()?;
        let at = values.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        values.swap_remove(at).1.downcast().ok().map(|value| *value)
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
}

impl<T> Request<T> {
    /// A request without metadata.
    pub fn new(message: T) -> Self {
        Request { message, metadata: Metadata::new(), extensions: Extensions::default(), context: None }
    }

    pub(crate) fn received(message: T, metadata: Metadata, extensions: Extensions, context: Arc<CallContext>) -> Self {
        Request { message, metadata, extensions, context: Some(context) }
    }

    pub(crate) fn compressed(self, was_compressed: bool) -> Self {
        if let Some(context) = self.context.as_ref().filter(|_| was_compressed) {
            context.set_came_compressed();
        }
        self
    }

    /// Whether the message came compressed. A stream of messages says it of each:
    /// [`Streaming::was_compressed`](crate::Streaming::was_compressed).
    pub fn was_compressed(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.came_compressed())
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
        }
    }
}

impl<T> From<T> for Request<T> {
    fn from(message: T) -> Self {
        Request::new(message)
    }
}
