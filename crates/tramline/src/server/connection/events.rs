//! What the peer sends: a request head, its message, its end.

use std::sync::Arc;
use std::time::Duration;

use tramline_call::codec::Frame;
use tramline_call::server_call::{Rejection, RequestHead};
use tramline_call::{FieldToken, Status};
use tramline_h2::StreamKey;

use super::{ServerSide, Stage};
use crate::classify::Engine;
use crate::context::CallContext;
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
            return self.refuse_http(engine, key, 431);
        }
        let fields = engine.fields().iter().map(|field| (field.token, field.name, field.value));
        let head = match RequestHead::read(fields) {
            Ok(head) => head,
            Err(Rejection::Http(status)) => return self.refuse_http(engine, key, status),
            Err(Rejection::Call(rejected)) => return self.refuse_call(engine, key, &rejected),
        };
        let FieldToken::Path(Some(route)) = head.path() else {
            return self.refuse_unknown(engine, key);
        };
        self.start_call(engine, key, route, head, end_stream, now);
    }

    fn start_call(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        route: u32,
        head: RequestHead,
        end_stream: bool,
        now: Duration,
    ) {
        let timeout = [head.timeout(), self.shared.timeout].into_iter().flatten().min();
        let deadline = timeout.map(|timeout| now.saturating_add(timeout));
        if let Some(at) = deadline {
            self.earliest_deadline = Some(self.earliest_deadline.map_or(at, |before| before.min(at)));
        }
        let shared = Arc::clone(&self.shared);
        let Some(definition) = shared.routes.get(route) else { return self.refuse_unknown(engine, key) };
        let takes_one_message = definition.takes_one_message();
        let streams = !(takes_one_message && definition.replies_once());
        let context = Arc::new(CallContext::new(
            definition.method.clone(),
            Arc::clone(&self.connection),
            deadline,
            self.clock.clone(),
        ));
        let exchange = streams.then(|| Exchange::new(self.mailbox.clone(), Some(key), head.encoding()));
        let call = self.insert_call(key, route, head);
        call.deadline = deadline;
        call.context = Some(context);
        call.exchange = exchange;
        if timeout == Some(Duration::ZERO) {
            return self.handle_deadlines_of(engine, key);
        }
        if !takes_one_message {
            self.begin(engine, key, None);
        }
        if end_stream {
            self.handle_request_end(engine, key, now);
        }
    }

    pub(super) fn handle_data(&mut self, engine: &mut Engine, key: StreamKey, bytes: &[u8], end_stream: bool, now: Duration) {
        let limits = self.shared.limits;
        let Some(call) = self.call_mut(key) else {
            engine.release_capacity(key, bytes.len());
            return;
        };
        if call.exchange.is_some() && !matches!(call.stage, Stage::Collecting) {
            return self.handle_stream_data(engine, key, bytes, end_stream, now);
        }
        engine.release_capacity(key, bytes.len());
        let mut input = bytes;
        let outcome = call.assembler.next(&mut input, limits.message_len_max);
        let message = match outcome {
            Ok(None) if end_stream => return self.handle_request_end(engine, key, now),
            Ok(None) => return,
            Ok(Some(message)) => message,
            Err(status) => return self.fail_call(engine, key, status),
        };
        // gRPC: a unary request is one message; anything after it breaks the contract.
        if !input.is_empty() || call.early_message.is_some() {
            return self.fail_call(engine, key, too_many_messages());
        }
        if end_stream {
            call.request_ended = true;
            return self.begin(engine, key, Some((message.frame, message.compressed)));
        }
        call.early_message = Some((message.compressed, message.frame.contiguous().to_vec()));
    }

    /// END_STREAM without more data, or trailers.
    pub(super) fn handle_request_end(&mut self, engine: &mut Engine, key: StreamKey, _now: Duration) {
        let Some(call) = self.call_mut(key) else { return };
        call.request_ended = true;
        if let Err(status) = call.assembler.finish() {
            return self.fail_call(engine, key, status);
        }
        if matches!(call.stage, Stage::Collecting) {
            return match call.early_message.take() {
                Some((compressed, message)) => {
                    self.begin(engine, key, Some((Frame::Shared(message.into()), compressed)));
                }
                None => self.fail_call(engine, key, Status::unimplemented("the request has no message, and the method takes one")),
            };
        }
        self.end_stream_input(key);
    }

    fn handle_deadlines_of(&mut self, engine: &mut Engine, key: StreamKey) {
        let status = Status::deadline_exceeded("the deadline had passed when the call arrived");
        self.end_with(engine, key, crate::context::CancelReason::Deadline, status);
    }
}

pub(super) fn too_many_messages() -> Status {
    Status::unimplemented("the request has more than one message, and the method takes one")
}
