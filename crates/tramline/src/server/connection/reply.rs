//! What a server writes: heads, one reply, a status, a refusal.

use bytes::Bytes;
use tramline_call::codec::Sink;
use tramline_call::server_call::{
    Rejection, check_section_len, fit_status, write_head, write_http_status, write_rejection, write_trailers,
};
use tramline_call::{Encoding, Metadata, Status, Subtype};
use tramline_h2::{FieldWriter, Indexing, Reason, SendError, StreamKey};

use super::{ServerSide, Stage};
use crate::classify::{Engine, EngineFields};
use crate::context::CallContext;
use crate::drive::exchange::HttpHead;
use crate::drive::transfer::{self, Packing, Splices, cut};
use crate::server::held_reply::HeldReply;
use crate::server::slot::BoxSlot;
use tramline_call::mapping::CancelReason;

/// One reply with what surrounds it, encoded.
pub(crate) struct UnaryReply {
    metadata: Metadata,
    trailers: Metadata,
    pieces: Vec<Bytes>,
    encoding: Option<Encoding>,
}

/// What a handler on another task sends back.
pub(crate) struct DetachedReply {
    pub(crate) slot: BoxSlot,
    pub(crate) outcome: Result<(), Status>,
    pub(crate) unary: Option<UnaryReply>,
}

/// The stream that a reply goes to.
pub(super) struct Wire<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) key: StreamKey,
    pub(super) subtype: &'a Subtype,
    pub(super) head_sent: &'a mut bool,
    /// Room for the long pieces of a message, of which most have none.
    pub(super) splices: &'a mut Splices,
}

enum Target<'a> {
    /// The handler runs where the engine is: straight into the output.
    Wire(Wire<'a>),
    /// The handler runs elsewhere: into memory.
    Memory(&'a mut Option<UnaryReply>),
    /// Interceptors see the reply before it is written.
    Held(&'a mut Option<HeldReply>),
    /// The handler writes a stream of replies, and no other.
    Stream,
}

/// Takes the one reply of a unary handler.
pub(crate) struct ReplyWriter<'a> {
    target: Target<'a>,
    packing: Packing,
    context: Option<&'a CallContext>,
}

impl<'a> ReplyWriter<'a> {
    pub(super) fn wire(wire: Wire<'a>, packing: Packing, context: Option<&'a CallContext>) -> Self {
        ReplyWriter { target: Target::Wire(wire), packing, context }
    }

    pub(super) fn detached(unary: &'a mut Option<UnaryReply>, packing: Packing) -> Self {
        ReplyWriter { target: Target::Memory(unary), packing, context: None }
    }

    /// What comes of it is written by another one, which packs it.
    pub(crate) fn held(reply: &'a mut Option<HeldReply>) -> Self {
        ReplyWriter { target: Target::Held(reply), packing: Packing::PLAIN, context: None }
    }

    /// For a handler that has a stream to write to.
    pub(super) fn stream() -> Self {
        ReplyWriter { target: Target::Stream, packing: Packing::PLAIN, context: None }
    }

    /// HEADERS, DATA and trailers as one append, if windows allow.
    pub(crate) fn unary(
        &mut self,
        mut metadata: Metadata,
        trailers: Metadata,
        is_compressible: bool,
        encode: impl FnOnce(&mut Sink<'_>) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let packing = Packing { is_compressed: self.packing.is_compressed && is_compressible, ..self.packing };
        let encoding = (packing.encoding != Encoding::Identity).then_some(packing.encoding);
        match &mut self.target {
            Target::Wire(wire) => {
                add_head(self.context, &mut metadata);
                wire.send_reply(&metadata, encoding, &trailers, |out, splices| {
                    transfer::encode_into(out, splices, packing, encode)
                })?;
            }
            Target::Memory(unary) => {
                let mut octets = Vec::new();
                let mut splices = Splices::new();
                transfer::encode_into(&mut octets, &mut splices, packing, encode)?;
                let pieces = cut(&mut octets, 0, splices).unwrap_or_else(|| vec![Bytes::from(octets)]);
                **unary = Some(UnaryReply { metadata, trailers, pieces, encoding });
            }
            Target::Held(held) => {
                **held = Some(HeldReply::encode(metadata, trailers, is_compressible, encode)?);
            }
            Target::Stream => return Err(Status::internal("one reply was written beside a stream of replies")),
        }
        Ok(())
    }
}

/// Adds the initial metadata that the handler left in the call's context.
#[inline]
fn add_head(context: Option<&CallContext>, metadata: &mut Metadata) {
    if let Some(head) = context.and_then(CallContext::take_head) {
        metadata.merge(&head);
    }
}

/// Why a message did not go out in one append.
enum Unsent {
    Failed(Status),
    /// It has long pieces, which are queued instead of copied.
    Pieces(Vec<Bytes>),
}

impl Wire<'_> {
    // A stream that the client reset takes nothing more; the reset is an event of its own,
    // so nobody here needs to hear of it.

    fn send_head(&mut self, metadata: &Metadata, encoding: Option<Encoding>) -> Result<(), Status> {
        check_section_len(metadata, self.engine.peer_header_list_len_max())?;
        *self.head_sent = true;
        let subtype = *self.subtype;
        let _ = self.engine.send_headers(self.key, false, |fields| {
            write_head(subtype, metadata, encoding, &mut EngineFields(fields));
        });
        Ok(())
    }

    /// Sends head, message and trailers. The message is encoded straight into the output, or
    /// its pieces are queued.
    #[inline]
    fn send_reply(
        &mut self,
        metadata: &Metadata,
        encoding: Option<Encoding>,
        trailers: &Metadata,
        encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let len_max = self.engine.peer_header_list_len_max();
        check_section_len(metadata, len_max)?;
        *self.head_sent = true;
        let Wire { engine, key, subtype, splices, .. } = self;
        let sent = engine.send_response(
            *key,
            |fields| write_head(**subtype, metadata, encoding, &mut EngineFields(fields)),
            |out| {
                check_section_len(trailers, len_max).map_err(Unsent::Failed)?;
                let start = out.len();
                // An encoder that failed or panicked may have left some.
                splices.clear();
                encode(out, splices).map_err(Unsent::Failed)?;
                if splices.is_empty() {
                    return Ok(());
                }
                let pieces = cut(out, start, std::mem::take(splices));
                pieces.map_or(Ok(()), |pieces| Err(Unsent::Pieces(pieces)))
            },
            |fields| write_trailers(None, trailers, &mut EngineFields(fields)),
        );
        match sent {
            Ok(()) | Err(SendError::Closed) => Ok(()),
            Err(SendError::Payload(Unsent::Failed(status))) => Err(status),
            Err(SendError::Payload(Unsent::Pieces(pieces))) => {
                self.send_pieces(pieces);
                self.send_end(trailers)
            }
        }
    }

    fn send_pieces(&mut self, pieces: Vec<Bytes>) {
        for piece in pieces {
            let _ = self.engine.send_data(self.key, piece, false);
        }
    }

    fn send_end(&mut self, trailers: &Metadata) -> Result<(), Status> {
        check_section_len(trailers, self.engine.peer_header_list_len_max())?;
        let _ = self.engine.send_headers(self.key, true, |fields| {
            write_trailers(None, trailers, &mut EngineFields(fields));
        });
        Ok(())
    }

    /// Sends a reply that another task encoded.
    pub(super) fn send_unary(&mut self, mut reply: UnaryReply, context: Option<&CallContext>) -> Result<(), Status> {
        add_head(context, &mut reply.metadata);
        self.send_head(&reply.metadata, reply.encoding)?;
        self.send_pieces(reply.pieces);
        self.send_end(&reply.trailers)
    }
}

impl ServerSide {
    /// The end of a response: trailers behind what was sent, or a head that is all.
    pub(super) fn send_status(&mut self, engine: &mut Engine, key: StreamKey, status: Option<&Status>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let subtype = call.subtype;
        let mut trailers = Metadata::new();
        let mut metadata = Metadata::new();
        let had_head = std::mem::replace(&mut call.head_sent, true);
        if let Some(exchange) = &call.exchange {
            trailers = exchange.take_trailers();
            metadata = exchange.take_head().unwrap_or_default();
        }
        if !had_head {
            add_head(call.context.as_ref(), &mut metadata);
        }
        // A section that the client does not take would cost it the status, too.
        let len_max = engine.peer_header_list_len_max();
        let fits = check_section_len(&metadata, len_max);
        if fits.is_err() {
            metadata = Metadata::new();
        }
        let shortened = match status {
            None => fits.and_then(|()| check_section_len(&trailers, len_max)).err(),
            Some(status) => fit_status(status, &trailers, len_max),
        };
        if shortened.is_some() {
            trailers = Metadata::new();
        }
        let status = shortened.as_ref().or(status);
        if !had_head {
            // Initial metadata that the application set stays initial; without any, a failure
            // is one block (gRPC PROTOCOL-HTTP2, "Trailers-Only").
            if status.is_none() || !metadata.is_empty() {
                let _ = engine.send_headers(key, false, |fields| {
                    write_head(subtype, &metadata, None, &mut EngineFields(fields));
                });
            }
        }
        let is_alone = !had_head && status.is_some() && metadata.is_empty();
        let _ = engine.send_headers(key, true, |fields| {
            if is_alone {
                write_head(subtype, &metadata, None, &mut EngineFields(fields));
            }
            write_trailers(status, &trailers, &mut EngineFields(fields));
        });
    }

    /// Ends a call with an error status, and drops its handler.
    pub(super) fn fail_call(&mut self, engine: &mut Engine, key: StreamKey, status: Status) {
        let is_over = self.calls.get_mut(key).is_none_or(|call| matches!(call.stage, Stage::Leaving));
        if is_over {
            return;
        }
        let status = status.into_local();
        if self.calls.get_mut(key).is_some_and(|call| call.is_http) {
            self.fail_http(engine, key);
        } else {
            self.send_status(engine, key, Some(&status));
        }
        if let Some(exchange) = self.calls.get_mut(key).and_then(|call| call.exchange.as_ref()) {
            exchange.abort(&status);
        }
        self.leave(engine, key);
    }

    /// A plain request fails: with a status while there is none, else by a reset.
    fn fail_http(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if std::mem::replace(&mut call.head_sent, true) {
            return engine.reset(key, Reason::INTERNAL_ERROR);
        }
        let _ = engine.send_headers(key, true, |fields| write_http_status(500, &mut EngineFields(fields)));
    }

    /// Ends a call early for a reason that its handler learns.
    pub(super) fn end_with(&mut self, engine: &mut Engine, key: StreamKey, reason: CancelReason, status: Status) {
        if let Some(context) = self.calls.get_mut(key).and_then(|call| call.context.as_ref()) {
            context.cancel(reason);
        }
        self.fail_call(engine, key, status);
    }

    /// No call comes of the request whose head was read last.
    pub(super) fn reject(&mut self, engine: &mut Engine, key: StreamKey, rejection: Rejection) {
        let accept = self.shared.accept;
        let _ = engine.send_headers(key, true, |fields| match &rejection {
            Rejection::Http(status) => write_http_status(*status, &mut EngineFields(fields)),
            Rejection::Call(rejected) => write_rejection(rejected, accept, &mut EngineFields(fields)),
        });
        engine.forget(key);
    }
}

pub(super) fn write_http_head(fields: &mut FieldWriter<'_>, head: &HttpHead) {
    write_http_status(head.status, &mut EngineFields(fields));
    for (name, value) in &head.fields {
        fields.field(name.as_bytes(), value, Indexing::None);
    }
}
