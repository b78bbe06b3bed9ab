//! Running handlers: here first, on another task if they want or need it.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::sync::oneshot;
use tramline_call::{MethodInfo, Status};
use tramline_h2::StreamKey;

use super::budget::PollBudget;
use super::calls::{Elsewhere, clear_slot};
use super::reply::{DetachedReply, ReplyWriter, UnaryReply, Wire};
use super::streaming_call::end_turn;
use super::{Letter, ServerSide, Stage};
use crate::classify::Engine;
use crate::clock::{Clock, Deadline};
use crate::drive::mailbox::Mailbox;
use crate::drive::scope::Scope;
use crate::drive::transfer::Packing;
use crate::server::routes::{Dispatch, Route};
use crate::server::settings::{HandlerPlace, ServerShared};
use crate::server::slot::{BoxSlot, Opening, Start, StartBody};

/// Slots of one route that a connection keeps for the next calls.
const SPARE_SLOT_COUNT_MAX: usize = 8;

/// Empty slots, by route.
pub(super) struct SlotPool {
    /// The slot that was given back last, and its route: most calls of a connection are of one.
    last: Option<(u32, BoxSlot)>,
    spares: Vec<Vec<BoxSlot>>,
    route_count: usize,
}

impl SlotPool {
    pub(super) fn new(route_count: usize) -> Self {
        SlotPool { last: None, spares: Vec::new(), route_count }
    }

    #[inline(always)]
    fn take(&mut self, route: u32) -> Option<BoxSlot> {
        match self.last.take_if(|(last, _)| *last == route) {
            Some((_, slot)) => Some(slot),
            None => self.take_earlier(route),
        }
    }

    #[inline(never)]
    fn take_earlier(&mut self, route: u32) -> Option<BoxSlot> {
        self.spares.get_mut(route as usize)?.pop()
    }

    #[inline(always)]
    pub(super) fn give(&mut self, route: u32, slot: BoxSlot) {
        if let Some((route, slot)) = self.last.replace((route, slot)) {
            self.keep_earlier(route, slot);
        }
    }

    #[inline(never)]
    fn keep_earlier(&mut self, route: u32, slot: BoxSlot) {
        if self.spares.is_empty() {
            self.spares.resize_with(self.route_count, Vec::new);
        }
        if let Some(spares) = self.spares.get_mut(route as usize).filter(|s| s.len() < SPARE_SLOT_COUNT_MAX) {
            spares.push(slot);
        }
    }
}

impl ServerSide {
    /// Starts the handler of a call whose request is there, and polls it once. `own_method` is what
    /// was called, if that is not the route's.
    pub(super) fn begin(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        mut opening: Opening<'_>,
        own_method: Option<Arc<MethodInfo>>,
    ) {
        let ServerSide { calls, slots, shared, connection, head, budget, clock, mailbox, splices, .. } = self;
        let Some((call, waker, near_context)) = calls.get_to_begin(key) else { return };
        let Some(route) = shared.routes.get(call.route) else { return };
        call.open_context(near_context, own_method.as_ref().unwrap_or(&route.method), connection, head);
        // A stream would stay where it is put for all its life: one long batch is no reason.
        let is_busy = budget.is_spent();
        let placement = route.placement(is_busy && call.exchange.is_none());
        if is_busy || placement != Dispatch::Inline {
            return self.begin_elsewhere(engine, key, opening, placement);
        }
        let mut slot = slots.take(call.route).unwrap_or_else(|| route.slot());
        let Some(context) = &call.context else { return };
        let (packing, deadline) = (shared.packing(call.accept), call.deadline);
        let waker = waker.waker(key, mailbox);
        let turn = call.begin_turn(engine, waker, false);
        let wire = Wire { engine, key, subtype: &call.subtype, head_sent: &mut call.head_sent, splices };
        let reply = ReplyWriter::wire(wire, packing, Some(context));
        let here = Here { route, budget, clock, deadline, waker, reply };
        let body = StartBody {
            opening: &mut opening,
            exchange: call.exchange.as_ref(),
            encoding: call.encoding,
            packing,
            limits: &shared.limits,
        };
        let mut start = Start { context, left: None, body };
        let polled = here.poll(|cx, reply| slot.as_mut().start_and_poll(&mut start, cx, reply));
        match polled {
            Poll::Ready(Ok(())) if call.exchange.is_none() => {
                slots.give(call.route, slot);
                calls.end_at(key);
                engine.forget(key);
            }
            polled => {
                call.stage = Stage::Held(slot);
                let ended = match turn {
                    Some(turn) => end_turn(call, engine, turn, shared, false),
                    None => Ok(false),
                };
                self.handle_polled(engine, key, ended, polled);
            }
        }
    }

    /// Starts a handler that is not polled now, or not here.
    #[inline(never)]
    fn begin_elsewhere(&mut self, engine: &mut Engine, key: StreamKey, mut opening: Opening<'_>, placement: Dispatch) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(route) = self.shared.routes.get(call.route) else { return };
        let mut slot = self.slots.take(call.route).unwrap_or_else(|| route.slot());
        let Some(context) = &call.context else { return };
        let body = StartBody {
            opening: &mut opening,
            exchange: call.exchange.as_ref(),
            encoding: call.encoding,
            packing: self.shared.packing(call.accept),
            limits: &self.shared.limits,
        };
        let mut start = Start { context, left: None, body };
        let started = {
            let _scope = Scope::enter(call.deadline);
            catch_unwind(AssertUnwindSafe(|| slot.as_mut().start(&mut start)))
                .unwrap_or_else(|panic| Err(panicked(&route.method, &*panic)))
        };
        call.stage = Stage::Held(slot);
        match started {
            Ok(()) if placement == Dispatch::Inline => self.poll_later(key),
            Ok(()) => self.detach(key, placement),
            Err(status) => self.fail_call(engine, key, status),
        }
    }

    /// Polls the handler of the call at this place, if it is here.
    pub(super) fn poll_call_at(&mut self, engine: &mut Engine, place: u32) {
        if let Some(key) = self.calls.take_wake(place) {
            self.poll_call(engine, key);
        }
    }

    /// Polls a handler in its place. False if it is not here, or has to wait.
    pub(super) fn poll_call(&mut self, engine: &mut Engine, key: StreamKey) -> bool {
        let ServerSide { calls, shared, budget, clock, mailbox, splices, next_turn, .. } = self;
        let Some((call, waker)) = calls.get_with_waker(key) else { return false };
        let Some(route) = shared.routes.get(call.route) else { return false };
        if !matches!(call.stage, Stage::Held(_)) {
            return false;
        }
        if route.placement(false) != Dispatch::Inline {
            self.put_turn_off(key);
            self.detach(key, Dispatch::Spawn);
            return false;
        }
        if budget.is_spent() {
            // What the others wrote goes out first.
            self.poll_later(key);
            self.put_turn_off(key);
            return false;
        }
        let deadline = call.deadline;
        let waker = waker.waker(key, mailbox);
        let is_next = *next_turn == Some(key);
        let turn = call.begin_turn(engine, waker, is_next);
        let Stage::Held(slot) = &mut call.stage else { return false };
        let reply = if route.replies_once() {
            let wire = Wire { engine, key, subtype: &call.subtype, head_sent: &mut call.head_sent, splices };
            ReplyWriter::wire(wire, shared.packing(call.accept), call.context.as_ref())
        } else {
            ReplyWriter::stream()
        };
        let here = Here { route, budget, clock, deadline, waker, reply };
        let polled = here.poll(|cx, reply| slot.as_mut().poll(cx, reply));
        let ended = match turn {
            Some(turn) => end_turn(call, engine, turn, shared, is_next),
            None => Ok(false),
        };
        if !matches!((&ended, &polled), (Ok(false), Poll::Pending)) {
            self.handle_polled(engine, key, ended, polled);
        }
        true
    }

    /// Has a handler polled in a later turn. As a wake, so that this and others are one letter: who
    /// has to wait more often than it is polled would have more and more of them.
    fn poll_later(&mut self, key: StreamKey) {
        if let Some((_, waker)) = self.calls.get_with_waker(key) {
            waker.waker(key, &self.mailbox).wake_by_ref();
        }
    }

    /// A handler was polled, and its turn `ended`: whether it left something in its outbox.
    #[inline(never)]
    fn handle_polled(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        ended: Result<bool, Status>,
        polled: Poll<Result<(), Status>>,
    ) {
        if let Ok(true) = ended {
            self.transfer(engine, key);
        }
        match (ended, polled) {
            (Ok(_), Poll::Pending) => {}
            (Ok(_), Poll::Ready(outcome)) => self.finish(engine, key, outcome),
            (Err(status), _) => self.fail_call(engine, key, status),
        }
    }

    /// Gives a handler a task of its own.
    fn detach(&mut self, key: StreamKey, dispatch: Dispatch) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Stage::Held(slot) = std::mem::replace(&mut call.stage, Stage::Leaving) else { return };
        let task = DetachedCall {
            slot: Some(slot),
            unary: None,
            packing: self.shared.packing(call.accept),
            key,
            route: call.route,
            deadline: call.deadline,
            shared: Arc::clone(&self.shared),
            mailbox: Arc::clone(&self.mailbox),
            place: call.place.take(),
        };
        call.stage = Stage::Away(if dispatch == Dispatch::Blocking {
            let runtime = tokio::runtime::Handle::current();
            let (stop, stopped) = oneshot::channel();
            let thread = tokio::task::spawn_blocking(move || runtime.block_on(until_stopped(task, stopped)));
            Elsewhere { task: thread.abort_handle(), _stop: Some(Box::new(stop)) }
        } else {
            Elsewhere { task: tokio::spawn(task).abort_handle(), _stop: None }
        });
        self.has_spawned |= dispatch == Dispatch::Spawn;
    }

    /// A handler on another task is done.
    pub(super) fn finish_detached(&mut self, engine: &mut Engine, key: StreamKey, detached: DetachedReply) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let is_leaving = matches!(call.stage, Stage::Leaving);
        call.stage = Stage::Held(detached.slot);
        if is_leaving {
            return self.forget_leaving(engine, key);
        }
        let mut outcome = detached.outcome;
        if let Some(unary) = detached.unary {
            let splices = &mut self.splices;
            let mut wire = Wire { engine, key, subtype: &call.subtype, head_sent: &mut call.head_sent, splices };
            outcome = outcome.and(wire.send_unary(unary, call.context.as_ref()));
        }
        self.finish(engine, key, outcome);
    }

    /// The handler of a call that was over before is gone now.
    pub(super) fn forget_leaving(&mut self, engine: &mut Engine, key: StreamKey) {
        if let Some(call) = self.calls.remove(key) {
            self.discard(call);
        }
        engine.forget(key);
    }

    /// A handler returned: the rest of its output, and the status.
    fn finish(&mut self, engine: &mut Engine, key: StreamKey, outcome: Result<(), Status>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let replies_once = self.shared.routes.get(call.route).is_none_or(Route::replies_once);
        if replies_once || call.exchange.is_none() {
            return match outcome {
                Ok(()) => self.end_call(engine, key),
                Err(status) => self.fail_call(engine, key, status),
            };
        }
        let call_is_http = call.is_http;
        self.transfer_all(engine, key);
        match outcome {
            Ok(()) if call_is_http => {
                // A stream that the client reset takes nothing more.
                let _ = engine.send_data(key, Bytes::new(), true);
                self.end_call(engine, key);
            }
            Ok(()) => {
                self.send_status(engine, key, None);
                self.end_call(engine, key);
            }
            Err(status) => self.fail_call(engine, key, status),
        }
    }

    /// Everything is said: the call leaves the table, and its stream the engine.
    fn end_call(&mut self, engine: &mut Engine, key: StreamKey) {
        if let Some(mut call) = self.calls.remove(key) {
            // A handler that returned is no more: there is nothing to clear.
            if let Stage::Held(slot) = std::mem::replace(&mut call.stage, Stage::Collecting) {
                self.slots.give(call.route, slot);
            }
            // Somebody may have kept a half of the call: it learns that there is no more.
            if let Some(exchange) = call.exchange.as_ref().filter(|exchange| Arc::strong_count(exchange) > 1) {
                exchange.abort(&Status::failed_precondition("the handler has returned: the call is over"));
            }
            self.discard(call);
        }
        engine.forget(key);
    }
}

/// What surrounds a poll of a handler on the connection's task.
struct Here<'a> {
    route: &'a Route,
    budget: &'a mut PollBudget,
    clock: &'a Clock,
    deadline: Deadline,
    waker: &'a Waker,
    reply: ReplyWriter<'a>,
}

impl Here<'_> {
    #[inline(always)]
    fn poll(
        mut self,
        poll: impl FnOnce(&mut Context<'_>, &mut ReplyWriter<'_>) -> Poll<Result<(), Status>>,
    ) -> Poll<Result<(), Status>> {
        let started = self.budget.start_poll(self.clock);
        let polled = {
            let _scope = Scope::enter(self.deadline);
            let mut cx = Context::from_waker(self.waker);
            catch_unwind(AssertUnwindSafe(|| poll(&mut cx, &mut self.reply)))
                .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&self.route.method, &*panic))))
        };
        self.budget.finish_poll(started, self.clock, &self.route.load);
        polled
    }
}

/// The status of a call whose handler panicked. It says nothing of the panic: that is
/// in the log, and the peer may be anybody.
pub(super) fn panicked(method: &MethodInfo, panic: &(dyn Any + Send)) -> Status {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    tracing::error!(method = %method.path(), panic = message, "a handler panicked");
    Status::internal("the handler panicked")
}

/// A handler on a task of its own.
struct DetachedCall {
    slot: Option<BoxSlot>,
    unary: Option<UnaryReply>,
    packing: Packing,
    key: StreamKey,
    route: u32,
    deadline: Deadline,
    shared: Arc<ServerShared>,
    mailbox: Arc<Mailbox<Letter>>,
    place: Option<HandlerPlace>,
}

/// Runs a handler on a thread that cannot be interrupted: where it waits, it ends when its
/// call does.
async fn until_stopped(mut call: DetachedCall, mut stopped: oneshot::Receiver<Infallible>) {
    std::future::poll_fn(|cx| {
        if Pin::new(&mut stopped).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Pin::new(&mut call).poll(cx)
    })
    .await;
}

impl Future for DetachedCall {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(slot) = this.slot.as_mut() else { return Poll::Ready(()) };
        let Some(route) = this.shared.routes.get(this.route) else { return Poll::Ready(()) };
        let started = this.shared.clock.now();
        let polled = {
            let _scope = Scope::enter(this.deadline);
            let mut reply = ReplyWriter::detached(&mut this.unary, this.packing);
            catch_unwind(AssertUnwindSafe(|| slot.as_mut().poll(cx, &mut reply)))
                .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&route.method, &*panic))))
        };
        route.load.record(this.shared.clock.now().saturating_sub(started));
        let outcome = ready!(polled);
        if let Some(slot) = this.slot.take() {
            let reply = DetachedReply { slot: clear_slot(slot), outcome, unary: this.unary.take() };
            this.place = None;
            this.mailbox.post(Letter::Finished(this.key, Box::new(reply)));
        }
        Poll::Ready(())
    }
}

impl Drop for DetachedCall {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            drop(clear_slot(slot));
            self.mailbox.post(Letter::Dropped(self.key));
        }
    }
}
