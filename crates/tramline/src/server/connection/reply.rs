//! What a server writes: heads, one reply, a status, a refusal.

use bytes::Bytes;
use tramline_call::codec::Sink;
use tramline_call::server_call::{RejectedCall, write_head, write_trailers};
use tramline_call::{Encoding, FieldSink, Metadata, Status};
use tramline_h2::{FieldWriter, Indexing, SendError, StreamKey};

use super::ServerSide;
use crate::classify::{EngineFields, Engine};
use crate::drive::transfer::{self, Packing, Splices, cut};
use crate::server::slot::BoxSlot;

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

enum Target<'a> {
    /// The handler runs where the engine is: straight into the output.
    Wire { engine: &'a mut Engine, key: StreamKey, head_sent: &'a mut bool },
    /// The handler runs elsewhere: into memory.
    Memory(&'a mut Option<UnaryReply>),
}

/// Takes the one reply of a unary handler.
pub(crate) struct ReplyWriter<'a> {
    target: Target<'a>,
    packing: Packing,
}

impl<'a> ReplyWriter<'a> {
    pub(super) fn wire(engine: &'a mut Engine, key: StreamKey, head_sent: &'a mut bool, packing: Packing) -> Self {
        ReplyWriter { target: Target::Wire { engine, key, head_sent }, packing }
    }

    pub(super) fn detached(unary: &'a mut Option<UnaryReply>, packing: Packing) -> Self {
        ReplyWriter { target: Target::Memory(unary), packing }
    }

    /// HEADERS, DATA and trailers as one append, if windows allow.
    pub(crate) fn unary(
        &mut self,
        metadata: Metadata,
        trailers: Metadata,
        is_compressible: bool,
        encode: impl FnOnce(&mut Sink<'_>) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let packing = Packing { is_compressed: self.packing.is_compressed && is_compressible, ..self.packing };
        let encoding = (packing.encoding != Encoding::Identity).then_some(packing.encoding);
        match &mut self.target {
            Target::Wire { engine, key, head_sent } => {
                **head_sent = true;
                let _ = engine.send_headers(*key, false, |fields| write_response_head(fields, &metadata, encoding));
                send_message(engine, *key, |out, splices| transfer::encode_into(out, splices, packing, encode))?;
                let _ = engine.send_headers(*key, true, |fields| write_status(fields, None, &trailers));
            }
            Target::Memory(unary) => {
                let mut octets = Vec::new();
                let mut splices = Splices::new();
                transfer::encode_into(&mut octets, &mut splices, packing, encode)?;
                let pieces = cut(&mut octets, splices).unwrap_or_else(|| vec![Bytes::from(octets)]);
                **unary = Some(UnaryReply { metadata, trailers, pieces, encoding });
            }
        }
        Ok(())
    }

    /// Sends a reply that another task encoded.
    pub(super) fn send(&mut self, reply: UnaryReply) -> Result<(), Status> {
        let Target::Wire { engine, key, head_sent } = &mut self.target else { return Ok(()) };
        **head_sent = true;
        let _ = engine.send_headers(*key, false, |fields| write_response_head(fields, &reply.metadata, reply.encoding));
        for piece in reply.pieces {
            let _ = engine.send_data(*key, piece, false);
        }
        let _ = engine.send_headers(*key, true, |fields| write_status(fields, None, &reply.trailers));
        Ok(())
    }
}

/// Why a message did not go out in one append.
enum Unsent {
    Failed(Status),
    /// It has long pieces, which are queued instead of copied.
    Pieces(Vec<Bytes>),
}

/// Encodes one envelope straight into the output, or queues its pieces.
fn send_message(
    engine: &mut Engine,
    key: StreamKey,
    encode: impl FnOnce(&mut Vec<u8>, &mut Splices) -> Result<(), Status>,
) -> Result<(), Status> {
    let sent = engine.send_with(key, false, |out| {
        let start = out.len();
        let mut splices = Splices::new();
        encode(out, &mut splices).map_err(Unsent::Failed)?;
        if splices.is_empty() {
            return Ok(());
        }
        let mut octets = out.split_off(start);
        splices.iter_mut().for_each(|(at, _)| *at -= start);
        Err(Unsent::Pieces(cut(&mut octets, splices).unwrap_or_default()))
    });
    match sent {
        Ok(()) | Err(SendError::Closed) => Ok(()),
        Err(SendError::Payload(Unsent::Failed(status))) => Err(status),
        Err(SendError::Payload(Unsent::Pieces(pieces))) => {
            for piece in pieces {
                let _ = engine.send_data(key, piece, false);
            }
            Ok(())
        }
    }
}

pub(super) fn write_response_head(fields: &mut FieldWriter<'_>, metadata: &Metadata, encoding: Option<Encoding>) {
    fields.field(b":status", b"200", Indexing::Incremental);
    write_head(metadata, encoding, &mut EngineFields(fields));
}

pub(super) fn write_status(fields: &mut FieldWriter<'_>, status: Option<&Status>, trailers: &Metadata) {
    write_trailers(status, trailers, &mut EngineFields(fields));
}

impl ServerSide {
    /// Ends a call with an error status, and drops its handler.
    pub(super) fn fail_call(&mut self, engine: &mut Engine, key: StreamKey, status: Status) {
        let status = status.into_local();
        self.send_status(engine, key, Some(&status), Metadata::new());
        if let Some(call) = self.take_call(key) {
            if let Some(exchange) = &call.exchange {
                exchange.abort(&status);
            }
            if let super::Stage::Away(Some(task)) = &call.stage {
                task.abort();
            }
            self.recycle_stopped(call);
        }
        engine.forget(key);
    }

    fn recycle_stopped(&mut self, mut call: Box<super::Call>) {
        if let super::Stage::Held(slot) = &mut call.stage {
            slot.as_mut().clear();
        }
        self.recycle(call);
    }

    /// Ends a call early for a reason that its handler learns.
    pub(super) fn end_with(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        reason: crate::context::CancelReason,
        status: Status,
    ) {
        if let Some(context) = self.call_mut(key).and_then(|call| call.context.clone()) {
            context.cancel(reason);
        }
        self.fail_call(engine, key, status);
    }

    /// No call comes of it: an HTTP status, and nothing of gRPC.
    pub(super) fn refuse_http(&mut self, engine: &mut Engine, key: StreamKey, status: u16) {
        let mut digits = [b'0'; 3];
        digits.iter_mut().zip(status.to_string().bytes()).for_each(|(to, from)| *to = from);
        let _ = engine.send_headers(key, true, |fields| fields.field(b":status", &digits, Indexing::None));
        engine.forget(key);
    }

    /// No call comes of it: a head that is all, with the status.
    pub(super) fn refuse_call(&mut self, engine: &mut Engine, key: StreamKey, rejected: &RejectedCall) {
        let _ = engine.send_headers(key, true, |fields| {
            write_response_head(fields, &Metadata::new(), None);
            if rejected.lists_encodings {
                let accept = self.shared.accept_encoding();
                EngineFields(fields).field(b"grpc-accept-encoding", accept.as_bytes(), false);
            }
            write_status(fields, Some(&rejected.status), &Metadata::new());
        });
        engine.forget(key);
    }

    pub(super) fn refuse_unknown(&mut self, engine: &mut Engine, key: StreamKey) {
        let status = Status::unimplemented("the server has no such method");
        self.refuse_call(engine, key, &RejectedCall { status, lists_encodings: false });
    }
}
