//! The table of calls, by stream index.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tramline_call::cardinality::MessageCount;
use tramline_call::envelope::Assembler;
use tramline_call::server_call::RequestHead;
use tramline_call::{Encoding, EncodingSet, Metadata, MethodInfo, MethodKind, Subtype};
use tramline_h2::StreamKey;

use super::{Letter, SlotPool};
use crate::classify::Engine;
use crate::clock::Deadline;
use crate::context::{CallContext, ConnectionContext, Renewed};
use crate::drive::desk::Turn;
use crate::drive::exchange::Exchange;
use crate::drive::mailbox::{CallWaker, Mailbox};
use crate::drive::message_memory;
use crate::server::settings::HandlerPlace;
use crate::server::slot::BoxSlot;

/// Finished calls whose memory a thread keeps for the next ones, on whatever connection:
/// as many as one connection may have at a time.
const SPARE_CALL_COUNT_MAX: usize = 256;

thread_local! {
    #[allow(clippy::vec_box, reason = "calls move between here and the table without being copied")]
    static SPARES: RefCell<Vec<Box<Call>>> = const { RefCell::new(Vec::new()) };
}

/// A call out of the thread's memory, or a new one.
#[inline(never)]
fn spare_call(key: StreamKey, route: u32) -> Box<Call> {
    SPARES.with_borrow_mut(Vec::pop).unwrap_or_else(|| Box::new(Call::new(key, route)))
}

#[inline(never)]
fn keep_for_others(call: Box<Call>) {
    SPARES.with_borrow_mut(|spares| {
        if spares.len() < SPARE_CALL_COUNT_MAX {
            spares.push(call);
        }
    });
}

/// A handler on another task. It ends early by an abort where it is a task, and on a
/// thread of the blocking pool, which nothing interrupts, by the drop of `_stop`.
pub(super) struct Elsewhere {
    pub(super) task: AbortHandle,
    pub(super) _stop: Option<Box<oneshot::Sender<Infallible>>>,
}

/// How far a call is.
pub(super) enum Stage {
    /// The one request message is not complete.
    Collecting,
    /// The one request message, and whether it is compressed, came before END_STREAM.
    Collected(Box<(bool, Bytes)>),
    /// Its handler waits here for its next poll.
    Held(BoxSlot),
    /// Its handler runs on another task.
    Away(Elsewhere),
    /// The call is over, but its handler, on another task, is not gone yet. It counts
    /// until it is: a client must not be able to have more handlers than streams.
    Leaving,
}

/// One call that is alive on this connection.
pub(super) struct Call {
    pub(super) key: StreamKey,
    pub(super) route: u32,
    pub(super) stage: Stage,
    /// How the request's messages are compressed.
    pub(super) encoding: Encoding,
    /// What the client can decompress.
    pub(super) accept: EncodingSet,
    /// The messages' format, as the client named it.
    pub(super) subtype: Subtype,
    pub(super) metadata: Metadata,
    /// What its handler knows of it: made when that begins.
    pub(super) context: Option<CallContext>,
    pub(super) deadline: Deadline,
    pub(super) exchange: Option<Arc<Exchange>>,
    pub(super) assembler: Assembler,
    /// Messages of the request.
    pub(super) requests: MessageCount,
    /// Octets of the message being assembled that are not released yet.
    pub(super) owed_len: u32,
    pub(super) head_sent: bool,
    /// Its handler, here, waits for messages, and has read all that came.
    pub(super) is_reader_waiting: bool,
    /// The request is not gRPC: its body has no envelopes, its response no trailers.
    pub(super) is_http: bool,
    /// The handler's, where handlers are counted; it goes where the handler goes.
    pub(super) place: Option<HandlerPlace>,
}

impl Call {
    fn new(key: StreamKey, route: u32) -> Self {
        Call {
            key,
            route,
            stage: Stage::Collecting,
            encoding: Encoding::Identity,
            accept: EncodingSet::IDENTITY,
            subtype: Subtype::NONE,
            metadata: Metadata::new(),
            context: None,
            deadline: Deadline::NONE,
            exchange: None,
            assembler: Assembler::with_memory(&message_memory::SHARED),
            requests: MessageCount::of_requests(MethodKind::BidiStreaming),
            owed_len: 0,
            head_sent: false,
            is_reader_waiting: false,
            is_http: false,
            place: None,
        }
    }

    /// Whether its handler is here and waits for messages.
    pub(super) fn is_reader_here(&self) -> bool {
        self.is_reader_waiting && matches!(self.stage, Stage::Held(_))
    }

    /// Its handler's turn begins. What lies on the desk is for it if it `is_next`.
    #[inline]
    pub(super) fn begin_turn(&self, engine: &Engine, waker: &Waker, is_next: bool) -> Option<Turn> {
        let exchange = self.exchange.as_ref()?;
        let may_write = !self.is_http && engine.queued_len(self.key) == 0;
        Turn::begin(exchange, waker, is_next, may_write)
    }

    /// Makes the context, when its handler begins: out of that of a call that is over, if nobody
    /// kept it.
    #[inline(always)]
    pub(super) fn open_context(
        &mut self,
        near: &mut Option<CallContext>,
        method: &Arc<MethodInfo>,
        connection: &Arc<ConnectionContext>,
        head: &mut RequestHead,
    ) {
        self.context = near.take();
        let deadline = self.deadline;
        let metadata = &mut self.metadata;
        let renewed = self.context.as_mut().map(|own| own.renew(method, connection, metadata, deadline));
        match renewed {
            // It had the same metadata already.
            Some(Renewed::Alike) if !metadata.is_empty() => head.return_metadata(std::mem::take(metadata)),
            Some(Renewed::Alike | Renewed::Changed) => {}
            Some(Renewed::No) | None => {
                let (method, metadata) = (Arc::clone(method), std::mem::take(metadata));
                let context = CallContext::new(method, Arc::clone(connection), metadata, deadline);
                self.context = Some(context);
            }
        }
    }

    /// When it is over, at the latest.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline.get().filter(|_| !matches!(self.stage, Stage::Leaving))
    }

    /// Gives back all that belongs to one call, and keeps the memory.
    #[inline]
    fn reset(&mut self) {
        self.metadata.clear();
        self.exchange = None;
        self.assembler.reset();
        self.owed_len = 0;
        self.head_sent = false;
        self.is_reader_waiting = false;
        self.is_http = false;
        self.place = None;
    }
}

/// The calls of one connection.
#[derive(Default)]
pub(super) struct CallTable {
    by_index: Vec<Option<Box<Call>>>,
    wakers: Vec<WakerPlace>,
    count: usize,
    /// The call that was over last: the next one's memory, nearer than that of the thread.
    spare: Option<Box<Call>>,
    /// Its context, which says of the connection and the method what the next one's is to say.
    near_context: Option<CallContext>,
}

impl CallTable {
    /// Calls that are alive, those that are leaving included.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.by_index.iter().filter_map(Option::as_deref)
    }

    /// Makes a call, out of the memory of one that is over.
    #[inline(always)]
    pub(super) fn insert(&mut self, key: StreamKey, route: u32) -> &mut Call {
        let mut call = self.spare.take().unwrap_or_else(|| spare_call(key, route));
        call.key = key;
        call.route = route;
        if self.by_index.len() <= key.index() {
            self.grow(key.index() + 1);
        }
        self.count += 1;
        self.by_index[key.index()].insert(call)
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        extend_to(&mut self.by_index, len);
        extend_to(&mut self.wakers, len);
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Call> {
        self.by_index.get_mut(key.index())?.as_deref_mut().filter(|call| call.key == key)
    }

    /// Takes a call out of the table.
    #[inline]
    pub(super) fn remove(&mut self, key: StreamKey) -> Option<Box<Call>> {
        self.get_mut(key)?;
        self.count -= 1;
        self.by_index[key.index()].take()
    }

    /// Takes all calls out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Box<Call>> + '_ {
        self.count = 0;
        self.by_index.iter_mut().filter_map(Option::take)
    }

    /// Keeps the memory of a call that is over.
    pub(super) fn recycle(&mut self, mut call: Box<Call>, slots: &mut SlotPool) {
        if let Stage::Held(slot) = std::mem::replace(&mut call.stage, Stage::Collecting) {
            slots.give(call.route, clear_slot(slot));
        }
        self.keep(call);
    }

    /// A call that was answered at once, and whose handler is gone: nobody else has a part of it.
    #[inline(always)]
    pub(super) fn end_at(&mut self, key: StreamKey) {
        if let Some(call) = self.by_index.get_mut(key.index()).and_then(Option::take) {
            self.count -= 1;
            self.keep(call);
        }
    }

    /// Keeps the memory of a call that is over, and has no handler.
    #[inline]
    fn keep(&mut self, mut call: Box<Call>) {
        call.reset();
        // It goes with the connection, which may be over before another one makes a call of this
        // memory.
        self.near_context = call.context.take().filter(CallContext::is_reusable).or(self.near_context.take());
        if self.spare.is_none() {
            self.spare = Some(call);
        } else {
            keep_for_others(call);
        }
    }

    /// The call at this place, whose letter was taken out of the mailbox.
    pub(super) fn take_wake(&self, place: u32) -> Option<StreamKey> {
        if let WakerPlace(Some(waker)) = self.wakers.get(place as usize)? {
            waker.arm();
        }
        self.by_index.get(place as usize)?.as_ref().map(|call| call.key)
    }

    /// A call whose handler is about to begin, the place of its waker, and a context that may
    /// become its own.
    #[inline(always)]
    pub(super) fn get_to_begin(
        &mut self,
        key: StreamKey,
    ) -> Option<(&mut Call, &mut WakerPlace, &mut Option<CallContext>)> {
        let call = self.by_index.get_mut(key.index())?.as_deref_mut().filter(|call| call.key == key)?;
        Some((call, self.wakers.get_mut(key.index())?, &mut self.near_context))
    }

    /// A call that is about to be polled, and the place of its waker.
    #[inline(always)]
    pub(super) fn get_with_waker(&mut self, key: StreamKey) -> Option<(&mut Call, &mut WakerPlace)> {
        let call = self.by_index.get_mut(key.index())?.as_deref_mut().filter(|call| call.key == key)?;
        Some((call, self.wakers.get_mut(key.index())?))
    }
}

/// Where the waker of all calls at one place of the table is, once there is one.
#[derive(Default)]
pub(super) struct WakerPlace(Option<CallWaker<Letter>>);

impl WakerPlace {
    #[inline]
    pub(super) fn waker(&mut self, key: StreamKey, mailbox: &Arc<Mailbox<Letter>>) -> &Waker {
        self.0.get_or_insert_with(|| CallWaker::new(mailbox, key.index() as u32)).waker()
    }
}

/// Makes places up to `len`. What grows by a quarter leaves less unused than what is doubled.
fn extend_to<T: Default>(places: &mut Vec<T>, len: usize) {
    const PLACE_COUNT_MIN: usize = 4;
    if len > places.capacity() {
        let capacity = len.max(places.capacity() * 5 / 4).max(PLACE_COUNT_MIN);
        places.reserve_exact(capacity - places.len());
    }
    places.resize_with(len, T::default);
}

/// Drops what is left of a handler. If that panics, it is still only this call's affair.
pub(super) fn clear_slot(mut slot: BoxSlot) -> BoxSlot {
    if catch_unwind(AssertUnwindSafe(|| slot.as_mut().clear())).is_err() {
        tracing::error!("a handler panicked while it was dropped");
    }
    slot
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::{Replies, Request, Streaming};

    /// A stream on which nothing happens is what its parts weigh, and what its handler holds of
    /// them, twice. The allocator adds eight octets to each block and rounds up to sixteen.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn the_parts_of_an_idle_stream_stay_small() {
        const COUNTS_OF_AN_ARC: usize = 16;
        assert!(size_of::<Call>() <= 128 - 8);
        assert!(COUNTS_OF_AN_ARC + size_of::<Exchange>() <= 96 - 8);
        assert!(size_of::<Request<Streaming<Bytes>>>() <= 48);
        assert!(size_of::<Replies<Bytes>>() <= 16);
    }
}
