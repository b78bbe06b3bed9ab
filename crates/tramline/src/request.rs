//! A request and what comes with it.

use std::any::{Any, TypeId};
use std::fmt;

use tramline_call::Metadata;

use crate::context::CallContext;

/// Values that interceptors and handlers pass along beside a message, one of each type.
#[derive(Default)]
pub struct Extensions {
    values: Vec<Entry>,
}

type Entry = (TypeId, Box<dyn Any + Send + Sync>);

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
pub struct Request<T> {
    message: T,
    /// What few requests have. Without it, the metadata are those that the context has.
    own: Option<Box<Own>>,
    context: Option<CallContext>,
}

struct Own {
    metadata: Metadata,
    extensions: Extensions,
}

static NO_METADATA: Metadata = Metadata::new();
static NO_EXTENSIONS: Extensions = Extensions { values: Vec::new() };

impl<T> Request<T> {
    /// A request without metadata.
    pub fn new(message: T) -> Self {
        Request { message, own: None, context: None }
    }

    /// A request as it was received: with the metadata of its context.
    #[inline(always)]
    pub(crate) fn received(message: T, context: CallContext) -> Self {
        Request { message, own: None, context: Some(context) }
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
    pub fn into_parts(mut self) -> (Metadata, Extensions, T) {
        let Own { metadata, extensions } = match self.own.take() {
            Some(own) => *own,
            None => Own { metadata: self.metadata().clone(), extensions: Extensions::default() },
        };
        (metadata, extensions, self.message)
    }

    /// The metadata that the client sent, or will send.
    pub fn metadata(&self) -> &Metadata {
        match &self.own {
            Some(own) => &own.metadata,
            None => received(self.context.as_ref()),
        }
    }

    /// The metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.own().metadata
    }

    /// What interceptors left.
    pub fn extensions(&self) -> &Extensions {
        self.own.as_ref().map_or(&NO_EXTENSIONS, |own| &own.extensions)
    }

    /// What interceptors left, to change.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.own().extensions
    }

    fn own(&mut self) -> &mut Own {
        let Request { own, context, .. } = self;
        own.get_or_insert_with(|| {
            Box::new(Own { metadata: received(context.as_ref()).clone(), extensions: Extensions::default() })
        })
    }

    /// On a server, the call's context: deadline, peer, method, cancellation.
    pub fn context(&self) -> Option<&CallContext> {
        self.context.as_ref()
    }

    /// The same request around another message.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Request<U> {
        let Request { message, own, context } = self;
        Request { message: change(message), own, context }
    }
}

/// What the peer of this call sent.
fn received(context: Option<&CallContext>) -> &Metadata {
    context.map_or(&NO_METADATA, CallContext::metadata)
}

impl<T: fmt::Debug> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("message", &self.message)
            .field("metadata", self.metadata())
            .field("extensions", self.extensions())
            .field("context", &self.context)
            .finish()
    }
}

impl<T> From<T> for Request<T> {
    fn from(message: T) -> Self {
        Request::new(message)
    }
}
