//! What the peer sends: a request head, its message, its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tramline_call::cardinality::MessageCount;
use tramline_call::codec::{Frame, Raw};
use tramline_call::server_call::{Rejection, header_list_too_long, unknown_method};
use tramline_call::{FieldToken, Method, MethodInfo, MethodKind, Status};
use tramline_h2::StreamKey;
use tramline_h2::hpack::BlockKey;

use super::streaming_call::take_messages;
use super::{Call, RepeatedHead, ServerSide, Stage, tell_end};
use crate::classify::Engine;
use crate::clock::Deadline;
use crate::drive::exchange::Exchange;
use crate::http_door::{HttpFields, HttpOpening};
use crate::server::settings::HandlerLimit;
use crate::server::slot::Opening;
use tramline_call::mapping::CancelReason;

impl ServerSide {
    #[inline(never)]
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
        let repeated = self.repeated.as_ref().filter(|before| engine.fields().key() == Some(before.key));
        match repeated.map(|before| (before.is_kept, before.route)) {
            Some((true, route)) if !engine.fields().has_fresh() || self.renew_head(engine) => {
                self.start_call(engine, key, route, None, None, now);
            }
            before => self.read_head(engine, key, before.is_some(), now),
        }
        if end_stream {
            self.handle_request_end(engine, key);
        }
    }

    /// A head that is known but for some values.
    #[inline(never)]
    fn renew_head(&mut self, engine: &Engine) -> bool {
        self.head.renew(engine.fields().fresh().map(|(at, field)| (at, field.token, field.value)))
    }

    /// A head that is not known already. `is_repeated`: it is that of the call before.
    #[inline(never)]
    fn read_head(&mut self, engine: &mut Engine, key: StreamKey, is_repeated: bool, now: Duration) {
        self.repeated = None;
        let fields = engine.fields().iter().map(|field| (field.token, field.name, field.value));
        match self.head.read(fields, self.shared.accept) {
            Ok(()) => {
                let block_key = engine.fields().key();
                self.start_rpc(engine, key, block_key, is_repeated, now);
            }
            Err(Rejection::Http(_)) if self.shared.routes.http_id().is_some() => self.start_http(engine, key, now),
            Err(rejection) => self.reject(engine, key, rejection),
        }
    }

    fn start_rpc(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        block_key: Option<BlockKey>,
        is_kept: bool,
        now: Duration,
    ) {
        match self.resolve() {
            Ok((route, own_method)) => {
                let block_key = block_key.filter(|_| own_method.is_none());
                self.repeated = block_key.map(|key| RepeatedHead { key, route, is_kept });
                self.start_call(engine, key, route, own_method, None, now);
            }
            Err(rejection) => self.reject(engine, key, rejection),
        }
    }

    /// The route that the head names, and the method if that is not the route's.
    fn resolve(&self) -> Result<(u32, Option<Arc<MethodInfo>>), Rejection> {
        let routes = &self.shared.routes;
        if let Some(id) = self.head.route()
            && let Some(route) = routes.get(id)
        {
            self.head.check_subtype(&route.method)?;
            return Ok((id, None));
        }
        let path = self.head.path();
        let unknown = || unknown_method(path.as_bytes());
        let id = routes.fallback_id().ok_or_else(unknown)?;
        let method = Method::<Bytes, Bytes, Raw>::dynamic(path, MethodKind::BidiStreaming, Raw);
        let method = method.map_err(|_| unknown())?.info();
        self.head.check_subtype(&method)?;
        Ok((id, Some(Arc::new(method))))
    }

    /// A request that is not gRPC, for the handler of those.
    fn start_http(&mut self, engine: &mut Engine, key: StreamKey, now: Duration) {
        let Some(route) = self.shared.routes.http_id() else { return };
        let opening = self.http_opening(engine);
        self.head.reset();
        self.start_call(engine, key, route, None, Some(Box::new(opening)), now);
    }

    fn http_opening(&self, engine: &Engine) -> HttpOpening {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut opening = HttpOpening {
            method: String::new(),
            path: String::new(),
            authority: String::new(),
            fields: HttpFields::default(),
            connection: Arc::clone(&self.connection.info),
        };
        for field in engine.fields().iter() {
            match field.token {
                FieldToken::Method { is_post: true } => opening.method = "POST".to_owned(),
                FieldToken::Method { is_post: false } => opening.method = text(field.value),
                FieldToken::Authority => opening.authority = text(field.value),
                FieldToken::Path(None) => opening.path = text(field.value),
                FieldToken::Path(Some(id)) => {
                    opening.path = self.shared.routes.get(id).map(|r| r.method.path().to_string()).unwrap_or_default();
                }
                _ if field.name.is_empty() => {}
                _ => opening.fields.push_received(field.name, field.value),
            }
        }
        opening
    }

    /// Makes a call of the request whose head was read.
    #[inline(always)]
    fn start_call(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        route: u32,
        own_method: Option<Arc<MethodInfo>>,
        http: Option<Box<HttpOpening>>,
        now: Duration,
    ) {
        let place = self.shared.handlers.as_ref().map(HandlerLimit::enter);
        if matches!(place, Some(None)) {
            return engine.refuse(key);
        }
        let Some(method) = self.shared.routes.get(route).map(|route| own_method.as_ref().unwrap_or(&route.method))
        else {
            return;
        };
        let kind = method.kind();
        let timeout = match (self.head.timeout(), self.shared.timeout) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let deadline = timeout.map(|timeout| now.saturating_add(timeout));
        let streams = !(kind.takes_one_message() && kind.replies_once());
        let call = self.calls.insert(key, route);
        call.place = place.flatten();
        call.deadline = Deadline::new(deadline);
        call.encoding = self.head.encoding();
        call.accept = self.head.accept();
        call.subtype = self.head.subtype();
        if self.repeated.as_ref().is_some_and(|repeated| repeated.is_kept) {
            self.head.lend_metadata(&mut call.metadata);
        } else {
            std::mem::swap(&mut call.metadata, self.head.metadata_mut());
        }
        call.is_http = http.is_some();
        call.requests = MessageCount::of_requests(kind);
        if streams {
            let window_len = self.shared.engine.stream_window_len;
            call.exchange = Some(Exchange::new(self.mailbox.clone(), Some(key), call.encoding, window_len));
        }
        if timeout == Some(Duration::ZERO) {
            let status = Status::deadline_exceeded("the deadline had passed when the call arrived");
            return self.end_with(engine, key, CancelReason::Deadline, status);
        }
        if let Some(at) = deadline {
            self.earliest_deadline = Some(self.earliest_deadline.map_or(at, |before| before.min(at)));
        }
        if !kind.takes_one_message() {
            self.begin(engine, key, http.map_or(Opening::Messages, Opening::Http), own_method);
        }
    }

    #[inline(never)]
    pub(super) fn handle_data(&mut self, engine: &mut Engine, key: StreamKey, bytes: &[u8], end_stream: bool) {
        let ServerSide { calls, shared, next_turn, touched, .. } = self;
        let Some(call) = calls.get_mut(key) else {
            engine.release_capacity(key, bytes.len());
            return;
        };
        if !matches!(call.stage, Stage::Collecting | Stage::Collected(_)) {
            let taken = take_messages(call, bytes, shared, next_turn, touched);
            return self.finish_taking(engine, key, taken, end_stream);
        }
        engine.release_capacity(key, bytes.len());
        let mut input = bytes;
        let message = match call.assembler.next(&mut input, call.encoding, shared.limits.message_len_max) {
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
            return self.begin(engine, key, Opening::Message(message.frame, message.compressed), None);
        }
        call.stage = Stage::Collected(Box::new((message.compressed, message.frame.into_bytes())));
    }

    /// END_STREAM without more data, or trailers.
    pub(super) fn handle_request_end(&mut self, engine: &mut Engine, key: StreamKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if let Err(status) = call.assembler.finish().and_then(|()| call.requests.handle_end()) {
            return self.fail_call(engine, key, status);
        }
        if !matches!(call.stage, Stage::Collected(_)) {
            return self.end_stream_input(key);
        }
        if let Stage::Collected(early) = std::mem::replace(&mut call.stage, Stage::Collecting) {
            let (compressed, message) = *early;
            self.begin(engine, key, Opening::Message(Frame::Shared(message), compressed), None);
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
            Stage::Away(elsewhere) => {
                elsewhere.task.abort();
                call.stage = Stage::Leaving;
            }
            Stage::Collecting | Stage::Collected(_) | Stage::Held(_) => {
                if let Some(call) = self.calls.remove(key) {
                    self.discard(call);
                }
                engine.forget(key);
            }
        }
    }

    /// Gives back what a call that left the table holds.
    pub(super) fn discard(&mut self, call: Box<Call>) {
        if let Stage::Away(elsewhere) = &call.stage {
            elsewhere.task.abort();
        }
        self.calls.recycle(call, &mut self.slots);
    }
}
