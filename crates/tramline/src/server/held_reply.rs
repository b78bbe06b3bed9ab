//! A reply that is encoded, and not on its way yet: interceptors look at it first.

use bytes::Bytes;
use tramline_call::codec::{SPLICE_LEN_MIN, Sink};
use tramline_call::{Metadata, Status};

use super::connection::reply::ReplyWriter;
use crate::drive::buffers;
use crate::drive::transfer::{Splices, cut};
use crate::interceptor::join;
use crate::response::Response;

/// One reply with what surrounds it. Its message has no prefix yet, and is not compressed.
pub(crate) struct HeldReply {
    pub(super) metadata: Metadata,
    pub(super) trailers: Metadata,
    is_compressible: bool,
    octets: Vec<u8>,
    splices: Splices,
}

impl HeldReply {
    pub(super) fn encode(
        metadata: Metadata,
        trailers: Metadata,
        is_compressible: bool,
        encode: impl FnOnce(&mut Sink<'_>) -> Result<(), Status>,
    ) -> Result<HeldReply, Status> {
        let mut octets = buffers::take_spare();
        let mut splices = Splices::new();
        encode(&mut Sink::new(&mut octets, &mut splices))?;
        Ok(HeldReply { metadata, trailers, is_compressible, octets, splices })
    }

    /// What an interceptor says in the place of a handler that answers once.
    pub(super) fn made(reply: Response<Vec<Bytes>>) -> Result<HeldReply, Status> {
        let is_compressible = reply.is_compressible();
        let (messages, metadata, trailers) = reply.into_parts();
        let message = <[Bytes; 1]>::try_from(messages);
        let [octets] =
            message.map_err(|_| Status::internal("an interceptor's reply to this method must have one message"))?;
        Ok(HeldReply { metadata, trailers, is_compressible, octets: Vec::new(), splices: vec![(0, octets)] })
    }

    /// The message in one piece.
    pub(super) fn message(&self) -> Bytes {
        join(&self.octets, &self.splices)
    }

    /// Puts another encoded message in its place.
    pub(super) fn set_message(&mut self, octets: Bytes) {
        self.octets.clear();
        self.splices.clear();
        self.splices.push((0, octets));
    }

    pub(super) fn write(self, reply: &mut ReplyWriter<'_>) -> Result<(), Status> {
        let HeldReply { metadata, trailers, is_compressible, mut octets, splices } = self;
        let written = reply.unary(metadata, trailers, is_compressible, |sink| {
            put(&mut octets, splices, sink);
            Ok(())
        });
        buffers::give_spare(octets);
        written
    }
}

/// Long octets go as they are, unless most of their memory is empty.
fn put(octets: &mut Vec<u8>, splices: Splices, sink: &mut Sink<'_>) {
    if octets.len() >= SPLICE_LEN_MIN.max(octets.capacity() / 2) {
        let pieces = cut(octets, 0, splices).unwrap_or_else(|| vec![std::mem::take(octets).into()]);
        return pieces.into_iter().for_each(|piece| sink.splice(piece));
    }
    let mut taken = 0;
    for (at, piece) in splices {
        sink.put_slice(octets.get(taken..at).unwrap_or_default());
        sink.splice(piece);
        taken = at;
    }
    sink.put_slice(octets.get(taken..).unwrap_or_default());
}
