//! The table of calls, by stream index.

use std::sync::Arc;
use std::task::Waker;

use tramline_call::envelope::Assembler;
use tramline_call::server_call::RequestHead;
use tramline_h2::StreamKey;

use super::{Call, Letter, ServerSide, Stage, WakerCell, end_call};
use crate::classify::Engine;
use crate::context::CancelReason;
use crate::drive::mailbox::CallWaker;

/// Finished calls whose memory is kept for the next ones.
const SPARE_CALL_COUNT_MAX: usize = 16;

impl ServerSide {
    /// Makes a call, out of the memory of one that is over.
    pub(super) fn insert_call(&mut self, key: StreamKey, route: u32, head: RequestHead) -> &mut Call {
        let mut call = self.spare_calls.pop().unwrap_or_else(|| {
            Box::new(Call {
                key,
                route,
                stage: Stage::Collecting,
                head: RequestHead::default(),
                context: None,
                exchange: None,
                assembler: Assembler::default(),
                early_message: None,
                deadline: None,
                owed_len: 0,
                head_sent: false,
                request_ended: false,
            })
        });
        call.key = key;
        call.route = route;
        call.head = head;
        if self.calls.len() <= key.index() {
            self.calls.resize_with(key.index() + 1, || None);
            self.wakers.resize_with(key.index() + 1, || None);
        }
        self.call_count += 1;
        self.calls[key.index()].insert(call)
    }

    pub(super) fn call_mut(&mut self, key: StreamKey) -> Option<&mut Call> {
        self.calls.get_mut(key.index())?.as_deref_mut().filter(|call| call.key == key)
    }

    /// Takes a call out of the table.
    pub(super) fn take_call(&mut self, key: StreamKey) -> Option<Box<Call>> {
        self.call_mut(key)?;
        self.call_count -= 1;
        self.calls[key.index()].take()
    }

    /// Keeps the memory of a call that is over.
    pub(super) fn recycle(&mut self, mut call: Box<Call>) {
        if let Stage::Held(slot) = std::mem::replace(&mut call.stage, Stage::Collecting) {
            self.slots.give(call.route, slot);
        }
        if self.spare_calls.len() >= SPARE_CALL_COUNT_MAX {
            return;
        }
        call.head = RequestHead::default();
        call.context = None;
        call.exchange = None;
        call.assembler.reset();
        call.early_message = None;
        call.deadline = None;
        call.owed_len = 0;
        call.head_sent = false;
        call.request_ended = false;
        self.spare_calls.push(call);
    }

    /// The call is over before its handler was: the handler is dropped, and whoever
    /// else holds a part of it learns why.
    pub(super) fn cancel(&mut self, engine: &mut Engine, key: StreamKey, reason: CancelReason) {
        if let Some(mut call) = self.take_call(key) {
            if let Stage::Held(mut slot) = std::mem::replace(&mut call.stage, Stage::Collecting) {
                slot.as_mut().clear();
                self.slots.give(call.route, slot);
            }
            end_call(*call, reason);
        }
        engine.forget(key);
    }

    /// The waker of the call on this stream: the one before it, if nobody kept it.
    pub(super) fn waker(&mut self, key: StreamKey) -> Waker {
        let cell = &mut self.wakers[key.index()];
        if let Some(cell) = cell.as_ref().filter(|cell| cell.target.retarget(key)) {
            return cell.waker.clone();
        }
        let target = CallWaker::<Letter>::new(self.mailbox.clone(), key);
        let waker = Waker::from(Arc::clone(&target));
        cell.insert(WakerCell { target, waker }).waker.clone()
    }
}
