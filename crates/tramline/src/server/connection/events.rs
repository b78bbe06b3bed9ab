//! What the peer sends: a request head, its message, its end.

use std::sync::Arc;
use std::time::Duration;

use tramline_call::cardinality::MessageCount;
use tramline_call::codec::Frame;
use tramline_call::server_call::{header_list_too_long, unknown_method};
use tramline_call::{MethodInfo, Status};
use tramline_h2::StreamKey;

use super::{Call, ServerSide, Stage, tell_end};
use crate::classify::Engine;
use crate::context::{CallContext, CancelReason};
use crate::drive::exchange::Exchange;

impl ServerSide {
    pub(super) fn handle_headers(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        end_stream: bool,
        oversize: bool,
        now: Duration,
    ) {
        if oversize {
            return self.reject(engine, key, header_list_too_long());
        }
        let fields = engine.fields().iter().map(|field| (field.token, field.name, field.value));
        if let Err(rejection) = self.head.read(fields, self.shared.accept) {
            return self.reject(engine, key, rejection);
        }
        let Some(id) = self.head.route() else {
            let status = unknown_method(self.head.path().as_bytes());
            return self.reject(engine, key, status.into());
        };
        let Some(route) = self.shared.routes.get(id) else { return };
        let method = route.method.clone();
        if let Err(rejection) = self.head.check_subtype(&method) {
            return self.reject(engine, key, rejection);
        }
        self.start_call(engine, key, id, method, now);
        if end_stream {
            self.handle_request_end(engine, key);
        }
    }

    /// Makes a call of the request whose head was read.
    fn start_call(&mut self, engine: &mut Engine, key: StreamKey, route: u32, method: MethodInfo, now: Duration) {
        if self.shared.handlers.as_ref().is_some_and(|limit| !limit.enter()) {
            return engine.refuse(key);
        }
        let kind = method.kind();
        let timeout = [self.head.timeout(), self.shared.timeout].into_iter().flatten().min();
        let deadline = timeout.map(|timeout| now.saturating_add(timeout));
        let streams = !(kind.takes_one_message() && kind.replies_once());
        let call = self.calls.insert(key, route);
        std::mem::swap(&mut call.head, &mut self.head);
        call.deadline = deadline;
        call.requests = MessageCount::of_requests(kind);
        let connection = Arc::clone(&self.connection);
        call.context = Some(Arc::new(CallContext::new(method, connection, deadline, self.clock.clone())));
        let encoding = call.head.encoding();
        call.exchange = streams.then(|| Exchange::new(self.mailbox.clone(), Some(key), encoding));
        if timeout == Some(Duration::ZERO) {
            let status = Status::deadline_exceeded("the deadline had passed when the call arrived");
            return self.end_with(engine, key, CancelReason::Deadline, status);
        }
        if let Some(at) = deadline {
            self.earliest_deadline = Some(self.earliest_deadline.map_or(at, |before| before.min(at)));
        }
        if !kind.takes_one_message() {
            self.begin(engine, key, None);
        }
    }

    pub(super) fn handle_data(&mut self, engine: &mut Engine, key: StreamKey, bytes: &[u8], end_stream: bool) {
        let Some(call) = self.calls.get_mut(key) else {
            engine.release_capacity(key, bytes.len());
            return;
        };
        if !matches!(call.stage, Stage::Collecting) {
            return self.handle_stream_data(engine, key, bytes, end_stream);
        }
        engine.release_capacity(key, bytes.len());
        let mut input = bytes;
        let message = match call.assembler.next(&mut input, call.head.encoding(), self.shared.limits.message_len_max) {
            Ok(None) if end_stream => return self.handle_request_end(engine, key),
            Ok(None) => return,
            Ok(Some(message)) => message,
            Err(status) => return self.fail_call(engine, key, status),
        };
        let counted = call.requests.handle_message();
        // What follows the message is the beginning of another.
        let counted = if input.is_empty() { counted } else { counted.and(call.requests.handle_message()) };
        if let Err(status) = counted {
            return self.fail_call(engine, key, status);
        }
        if end_stream {
            return self.begin(engine, key, Some((message.frame, message.compressed)));
        }
        call.early_message = Some((message.compressed, message.frame.contiguous().to_vec()));
    }

    /// END_STREAM without more data, or trailers.
    pub(super) fn handle_request_end(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if let Err(status) = call.assembler.finish().and_then(|()| call.requests.handle_end()) {
            return self.fail_call(engine, key, status);
        }
        match call.early_message.take() {
            Some((compressed, message)) => {
                self.begin(engine, key, Some((Frame::Shared(message.into()), compressed)));
            }
            None => self.end_stream_input(engine, key),
        }
    }

    /// The call is over before its handler was: the handler is dropped, and whoever
    /// else holds a part of it learns why.
    pub(super) fn cancel(&mut self, engine: &mut Engine, key: StreamKey, reason: CancelReason) {
        if let Some(call) = self.calls.get_mut(key) {
            tell_end(call, reason);
        }
        self.leave(engine, key);
    }

    /// Takes a call out of the table, unless its handler is still alive elsewhere: then
    /// it stays, and keeps its stream's place, until that is gone.
    pub(super) fn leave(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return engine.forget(key) };
        match &call.stage {
            Stage::Leaving => {}
            Stage::Away(task) => {
                task.abort();
                call.stage = Stage::Leaving;
                call.deadline = None;
            }
            Stage::Collecting | Stage::Held(_) | Stage::Polled => {
                if let Some(call) = self.calls.remove(key) {
                    self.discard(call);
                }
                engine.forget(key);
            }
        }
    }

    /// Gives back what a call that left the table holds.
    pub(super) fn discard(&mut self, call: Box<Call>) {
        if let Stage::Away(task) = &call.stage {
            task.abort();
        }
        if let Some(limit) = &self.shared.handlers {
            limit.leave();
        }
        self.calls.recycle(call, &mut self.slots);
    }
}
