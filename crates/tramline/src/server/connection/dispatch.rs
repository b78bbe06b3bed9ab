//! Running handlers: here first, on another task if they want or need it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tramline_call::codec::Frame;
use tramline_call::{Metadata, Status};
use tramline_h2::StreamKey;

use super::reply::{DetachedReply, ReplyWriter, UnaryReply};
use super::{Letter, ServerSide, Stage};
use crate::classify::Engine;
use crate::drive::mailbox::Mailbox;
use crate::drive::scope::Scope;
use crate::drive::transfer::Packing;
use crate::server::routes::Dispatch;
use crate::server::slot::{BoxSlot, Start};

/// Slots of one route that a connection keeps for the next calls.
const SPARE_SLOT_COUNT_MAX: usize = 8;

/// Empty slots, by route.
pub(super) struct SlotPool {
    spares: Vec<Vec<BoxSlot>>,
    route_count: usize,
}

impl SlotPool {
    pub(super) fn new(route_count: usize) -> Self {
        SlotPool { spares: Vec::new(), route_count }
    }

    fn take(&mut self, route: u32) -> Option<BoxSlot> {
        self.spares.get_mut(route as usize)?.pop()
    }

    pub(super) fn give(&mut self, route: u32, slot: BoxSlot) {
        if self.spares.is_empty() {
            self.spares.resize_with(self.route_count, Vec::new);
        }
        if let Some(spares) = self.spares.get_mut(route as usize).filter(|s| s.len() < SPARE_SLOT_COUNT_MAX) {
            spares.push(slot);
        }
    }
}

impl ServerSide {
    /// Starts the handler of a call whose request is there, and polls it once.
    pub(super) fn begin(&mut self, engine: &mut Engine, key: StreamKey, message: Option<(Frame<'_>, bool)>) {
        let shared = Arc::clone(&self.shared);
        let Some(route) = self.call_mut(key).map(|call| call.route) else { return };
        let Some(definition) = shared.routes.get(route) else { return };
        let mut slot = self.slots.take(route).unwrap_or_else(|| definition.slot());
        let Some(call) = self.call_mut(key) else { return };
        let Some(context) = call.context.clone() else { return };
        let packing = shared.packing(call.head.accept());
        let start = Start {
            metadata: call.head.take_metadata(),
            context,
            message,
            exchange: call.exchange.clone(),
            encoding: call.head.encoding(),
            packing,
            limits: shared.limits,
        };
        let deadline = call.deadline;
        let started = {
            let _scope = Scope::enter(deadline);
            catch_unwind(AssertUnwindSafe(|| slot.as_mut().start(start))).unwrap_or_else(|_| Err(panicked()))
        };
        if let Err(status) = started {
            return self.fail_call(engine, key, status);
        }
        if definition.dispatch == Dispatch::Inline {
            call.stage = Stage::Held(slot);
            return self.poll_call(engine, key);
        }
        self.detach(key, slot, packing, definition.dispatch);
    }

    /// Polls a handler in its place.
    pub(super) fn poll_call(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.call_mut(key) else { return };
        if !matches!(call.stage, Stage::Held(_)) {
            return;
        }
        let Stage::Held(mut slot) = std::mem::replace(&mut call.stage, Stage::Away(None)) else { return };
        let deadline = call.deadline;
        if let Some(exchange) = &call.exchange {
            exchange.hold_notices();
        }
        let waker = self.waker(key);
        let shared = Arc::clone(&self.shared);
        let Some(call) = self.call_mut(key) else { return };
        let packing = shared.packing(call.head.accept());
        let polled = {
            let _scope = Scope::enter(deadline);
            let mut cx = Context::from_waker(&waker);
            let mut reply = ReplyWriter::wire(engine, key, &mut call.head_sent, packing);
            catch_unwind(AssertUnwindSafe(|| slot.as_mut().poll(&mut cx, &mut reply)))
                .unwrap_or_else(|_| Poll::Ready(Err(panicked())))
        };
        call.stage = Stage::Held(slot);
        match polled {
            Poll::Pending => self.transfer(engine, key),
            Poll::Ready(outcome) => self.finish(engine, key, outcome),
        }
    }

    /// Gives a handler a task of its own.
    fn detach(&mut self, key: StreamKey, slot: BoxSlot, packing: Packing, dispatch: Dispatch) {
        let mailbox = Arc::clone(&self.mailbox);
        let Some(call) = self.call_mut(key) else { return };
        let task = DetachedCall { slot: Some(slot), unary: None, packing, key, deadline: call.deadline, mailbox };
        let handle = if dispatch == Dispatch::Blocking {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(task)).abort_handle()
        } else {
            tokio::spawn(task).abort_handle()
        };
        call.stage = Stage::Away(Some(handle));
    }

    /// A handler on another task is done.
    pub(super) fn finish_detached(&mut self, engine: &mut Engine, key: StreamKey, detached: DetachedReply) {
        let Some(call) = self.call_mut(key) else { return };
        call.stage = Stage::Held(detached.slot);
        let outcome = match (detached.outcome, detached.unary) {
            (Ok(()), Some(unary)) => ReplyWriter::wire(engine, key, &mut call.head_sent, Packing::PLAIN).send(unary),
            (outcome, _) => outcome,
        };
        self.finish(engine, key, outcome);
    }

    /// A handler returned: the rest of its output, and the status.
    fn finish(&mut self, engine: &mut Engine, key: StreamKey, outcome: Result<(), Status>) {
        let Some(call) = self.call_mut(key) else { return };
        let Some(exchange) = call.exchange.clone().filter(|_| !self.replies_once(key)) else {
            return match outcome {
                Ok(()) => self.end_call(engine, key),
                Err(status) => self.fail_call(engine, key, status),
            };
        };
        self.transfer(engine, key);
        match outcome {
            Ok(()) => {
                let trailers = exchange.take_trailers();
                self.send_status(engine, key, None, trailers);
                self.end_call(engine, key);
            }
            Err(status) => self.fail_call(engine, key, status),
        }
    }

    fn replies_once(&mut self, key: StreamKey) -> bool {
        let route = self.call_mut(key).map(|call| call.route);
        route.and_then(|route| self.shared.routes.get(route)).is_none_or(|route| route.replies_once())
    }

    /// Everything is said: the call leaves the table, and its stream the engine.
    pub(super) fn end_call(&mut self, engine: &mut Engine, key: StreamKey) {
        if let Some(call) = self.take_call(key) {
            if let Some(exchange) = &call.exchange {
                exchange.close_outbound(Status::failed_precondition("the handler has returned: the call is over"));
            }
            self.recycle(call);
        }
        engine.forget(key);
    }
}

pub(super) fn panicked() -> Status {
    tracing::error!("a handler panicked");
    Status::internal("the handler panicked")
}

/// A handler on a task of its own.
struct DetachedCall {
    slot: Option<BoxSlot>,
    unary: Option<UnaryReply>,
    packing: Packing,
    key: StreamKey,
    deadline: Option<Duration>,
    mailbox: Arc<Mailbox<Letter>>,
}

impl Future for DetachedCall {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(slot) = this.slot.as_mut() else { return Poll::Ready(()) };
        let _scope = Scope::enter(this.deadline);
        let mut reply = ReplyWriter::detached(&mut this.unary, this.packing);
        let polled = catch_unwind(AssertUnwindSafe(|| slot.as_mut().poll(cx, &mut reply)))
            .unwrap_or_else(|_| Poll::Ready(Err(panicked())));
        let outcome = ready!(polled);
        if let Some(slot) = this.slot.take() {
            let reply = DetachedReply { slot, outcome, unary: this.unary.take() };
            this.mailbox.post(Letter::Finished(this.key, Box::new(reply)));
        }
        Poll::Ready(())
    }
}

