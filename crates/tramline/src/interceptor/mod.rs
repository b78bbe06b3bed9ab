//! Interceptors: code around every call of a server or a channel.

mod chain;
mod passage;

use std::future::Future;

use bytes::Bytes;
use tramline_call::codec::{Decode, Encode, Frame, Limits, Sink};
use tramline_call::{Metadata, MethodInfo, Status};

use crate::context::CallContext;
use crate::request::Extensions;
use crate::response::Response;

pub(crate) use chain::{BoxFuture, CallHooks, Interceptors, Verdict};
pub(crate) use passage::{LateHooks, Passage, Passed, TimeLimit};

/// Code around every call of a server or a channel, of all four kinds.
///
/// Requests pass the interceptors in the order in which they were added, responses in
/// the opposite order: what was added first is outermost. A hook may take its time; the
/// call waits. A hook that fails ends the call with its status.
///
/// A call that is cancelled drops the interceptor's state without [`end`](Self::end).
///
/// ```
/// use tramline::{CallStart, Interceptor, Started, Status};
///
/// struct RequireTenant;
///
/// impl Interceptor for RequireTenant {
///     type Call = ();
///     const SEES_MESSAGES: bool = false;
///
///     async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
///         match call.metadata().get("x-tenant") {
///             Some(_) => Ok(Started::Continue(())),
///             None => Err(Status::unauthenticated("x-tenant is missing")),
///         }
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// What the interceptor keeps of one call, from its start to its end.
    type Call: Send + Sync + 'static;

    /// Whether the hooks for messages are called at all. An interceptor that has no use
    /// for messages says no, and then they cost nothing.
    const SEES_MESSAGES: bool = true;

    /// A call begins: its metadata can be changed, and it can be answered at once, by a
    /// status or by a whole reply.
    ///
    /// # Errors
    /// The status that the call ends with.
    fn start(&self, call: &mut CallStart<'_>) -> impl Future<Output = Result<Started<Self::Call>, Status>> + Send;

    /// A message of the request passes: on a client before compression, on a server
    /// after decompression.
    ///
    /// # Errors
    /// The status that the call ends with.
    fn request_message(
        &self,
        _call: &Self::Call,
        _message: &mut Message<'_>,
    ) -> impl Future<Output = Result<(), Status>> + Send {
        std::future::ready(Ok(()))
    }

    /// The response's initial metadata passes. It is not called for a response that is
    /// nothing but a failure.
    fn response_metadata(&self, _call: &Self::Call, _metadata: &mut Metadata) {}

    /// A message of the response passes.
    ///
    /// # Errors
    /// The status that the call ends with.
    fn response_message(
        &self,
        _call: &Self::Call,
        _message: &mut Message<'_>,
    ) -> impl Future<Output = Result<(), Status>> + Send {
        std::future::ready(Ok(()))
    }

    /// The call ends, by its handler's or its peer's word or by an interceptor's.
    fn end(&self, _call: &Self::Call, _end: &mut CallEnd) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// How an interceptor lets a call begin.
#[derive(Debug)]
#[non_exhaustive]
pub enum Started<C> {
    /// The call goes on; this is what the interceptor keeps of it.
    Continue(C),
    /// The call goes no further: this is the reply, its messages encoded.
    Reply(Response<Vec<Bytes>>),
}

/// On which side of a call an interceptor runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallSide {
    /// It was added to a channel.
    Client,
    /// It was added to a server.
    Server,
}

/// A call that begins.
#[derive(Debug)]
pub struct CallStart<'a> {
    side: CallSide,
    method: &'a MethodInfo,
    metadata: &'a mut Metadata,
    extensions: &'a mut Extensions,
    context: Option<&'a CallContext>,
}

impl<'a> CallStart<'a> {
    pub(crate) fn new(
        side: CallSide,
        method: &'a MethodInfo,
        metadata: &'a mut Metadata,
        extensions: &'a mut Extensions,
        context: Option<&'a CallContext>,
    ) -> Self {
        CallStart { side, method, metadata, extensions, context }
    }

    /// The side that this is.
    #[must_use]
    pub fn side(&self) -> CallSide {
        self.side
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &MethodInfo {
        self.method
    }

    /// The request's metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.metadata
    }

    /// The request's metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        self.metadata
    }

    /// Values beside the request: on a server, its handler finds them there.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions
    }

    /// On a server, the call's context: deadline, peer, cancellation.
    #[must_use]
    pub fn context(&self) -> Option<&CallContext> {
        self.context
    }
}

/// A message that passes, encoded.
#[derive(Debug)]
pub struct Message<'a> {
    method: &'a MethodInfo,
    octets: Bytes,
}

impl<'a> Message<'a> {
    fn new(method: &'a MethodInfo, octets: Bytes) -> Self {
        Message { method, octets }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &MethodInfo {
        self.method
    }

    /// The encoded message.
    #[must_use]
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// Puts another encoded message in its place.
    pub fn set_octets(&mut self, octets: Bytes) {
        self.octets = octets;
    }

    /// Decodes it.
    ///
    /// # Errors
    /// The octets are no such message.
    pub fn decode<T, C: Decode<T>>(&self, codec: C) -> Result<T, Status> {
        let limits = Limits { message_len_max: usize::MAX, ..Limits::default() };
        codec.decode(Frame::Shared(self.octets.clone()), limits)
    }

    /// Encodes another message in its place.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn encode<T, C: Encode<T>>(&mut self, codec: C, message: &T) -> Result<(), Status> {
        self.octets = encode_whole(|sink| codec.encode(message, sink))?;
        Ok(())
    }
}

/// The octets of one message in one piece.
pub(crate) fn encode_whole(encode: impl FnOnce(&mut Sink<'_>) -> Result<(), Status>) -> Result<Bytes, Status> {
    let mut octets = Vec::new();
    let mut splices = Vec::new();
    encode(&mut Sink::new(&mut octets, &mut splices))?;
    if splices.is_empty() {
        return Ok(octets.into());
    }
    Ok(join(&octets, &splices))
}

/// `octets` with the pieces of `splices` at their places.
pub(crate) fn join(octets: &[u8], splices: &[(usize, Bytes)]) -> Bytes {
    let mut whole = Vec::with_capacity(octets.len() + splices.iter().map(|(_, piece)| piece.len()).sum::<usize>());
    let mut taken = 0;
    for (at, piece) in splices {
        whole.extend_from_slice(octets.get(taken..*at).unwrap_or_default());
        whole.extend_from_slice(piece);
        taken = *at;
    }
    whole.extend_from_slice(octets.get(taken..).unwrap_or_default());
    whole.into()
}

/// The end of a call: its status and its trailers, both of which can be changed.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallEnd {
    /// How it ended. A failure can be made a success only where the response needs no
    /// message any more.
    pub outcome: Result<(), Status>,
    /// The trailers.
    pub trailers: Metadata,
}
