//! The handlers of a server.

use std::time::Duration;

use tramline_h2::{Event, Indexing, Reason, StreamKey};

use crate::client::send_piece;
use crate::node::{Application, Engine, Wakes};
use crate::plan::{self, Manner, Plan};

/// One call as its handler sees it.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    key: Option<StreamKey>,
    /// How often the request came: more than once is a fault.
    pub(crate) accepted_count: usize,
    pub(crate) received_len: usize,
    pub(crate) is_whole: bool,
    release_len: usize,
    sent_len: usize,
    is_answering: bool,
    is_reset: bool,
}

/// What a wake is about.
const ANSWER: usize = 0;
const RELEASE: usize = 1;
const FORGET: usize = 2;
const KIND_COUNT: usize = 3;

/// A server of planned calls.
#[derive(Debug)]
pub(crate) struct Server {
    plans: Vec<Plan>,
    pub(crate) handlers: Vec<Handler>,
    by_slot: Vec<Option<usize>>,
    /// The first thing that must not happen.
    pub(crate) fault: Option<String>,
}

impl Server {
    pub(crate) fn new(plans: &[Plan]) -> Self {
        let handlers = plans.iter().map(|_| Handler::default()).collect();
        Server { plans: plans.to_vec(), handlers, by_slot: Vec::new(), fault: None }
    }

    fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    fn find(&mut self, key: StreamKey, what: &str) -> Option<usize> {
        let found = self.by_slot.get(key.index()).copied().flatten();
        let found = found.filter(|&n| self.handlers[n].key == Some(key));
        if found.is_none() {
            self.fail(format!("{what} on stream {}, which no handler has", key.id()));
        }
        found
    }

    fn accept(&mut self, engine: &mut Engine, key: StreamKey, wakes: &mut Wakes, now: Duration) {
        let path = engine.fields().iter().find(|field| field.name == b":path").map(|field| field.value.to_vec());
        let n = path.and_then(|path| std::str::from_utf8(path.get(1..)?).ok()?.parse::<usize>().ok());
        let Some(n) = n.filter(|&n| n < self.plans.len()) else { return self.fail("a path got lost".into()) };
        if !plan::has_fields(engine.fields(), &self.plans[n], true) {
            return self.fail(format!("call {n}: fields got lost"));
        }
        if self.by_slot.len() <= key.index() {
            self.by_slot.resize(key.index() + 1, None);
        }
        self.by_slot[key.index()] = Some(n);
        self.handlers[n].key = Some(key);
        self.handlers[n].accepted_count += 1;
        match self.plans[n].manner {
            Manner::Streaming | Manner::Early | Manner::TrailersOnly => {
                wakes.add(now + self.plans[n].delay, n * KIND_COUNT + ANSWER);
            }
            Manner::Reset(0) => self.reset(engine, n),
            Manner::Unary | Manner::Reset(_) => {}
        }
    }

    fn reset(&mut self, engine: &mut Engine, n: usize) {
        if let Some(key) = self.handlers[n].key {
            engine.reset(key, self.plans[n].reason);
        }
        self.forget(engine, n);
    }

    fn forget(&mut self, engine: &mut Engine, n: usize) {
        if let Some(key) = self.handlers[n].key.take() {
            self.by_slot[key.index()] = None;
            engine.forget(key);
        }
    }

    fn receive(&mut self, engine: &mut Engine, n: usize, bytes: &[u8], wakes: &mut Wakes, now: Duration) {
        let (handler, plan) = (&mut self.handlers[n], &self.plans[n]);
        if !plan::fits(n, true, handler.received_len, bytes) {
            let at = handler.received_len;
            self.fail(format!("call {n}: wrong request octets at {at}"));
            return;
        }
        handler.received_len += bytes.len();
        let Some(key) = handler.key else { return };
        if plan.release_after.is_zero() {
            engine.release_capacity(key, bytes.len());
        } else {
            handler.release_len += bytes.len();
            wakes.add(now + plan.release_after, n * KIND_COUNT + RELEASE);
        }
        if matches!(plan.manner, Manner::Reset(after) if self.handlers[n].received_len >= after) {
            self.reset(engine, n);
        }
    }

    fn finish_request(&mut self, n: usize, wakes: &mut Wakes, now: Duration) {
        let (handler, plan) = (&mut self.handlers[n], &self.plans[n]);
        if handler.key.is_none() {
            return;
        }
        handler.is_whole = true;
        if handler.received_len != plan.request_len {
            let received_len = handler.received_len;
            self.fail(format!("call {n}: {received_len} octets of {plan:?}"));
        } else if plan.manner == Manner::Unary {
            wakes.add(now + plan.delay, n * KIND_COUNT + ANSWER);
        }
    }

    /// Sends as much of the answer as back-pressure allows.
    fn answer(&mut self, engine: &mut Engine, n: usize) {
        let (handler, plan) = (&mut self.handlers[n], &self.plans[n]);
        let Some(key) = handler.key.filter(|_| !handler.is_reset) else { return };
        let is_bare = plan.manner == Manner::TrailersOnly;
        if !std::mem::replace(&mut handler.is_answering, true) {
            let sent = engine.send_headers(key, is_bare, |fields| {
                fields.field(b":status", b"200", Indexing::Incremental);
                fields.field(b"content-type", b"application/octet-stream", Indexing::Incremental);
                plan::write_fields(fields, plan, false);
            });
            if sent.is_err() {
                return self.fail(format!("call {n}: no head could be sent"));
            }
        }
        while !is_bare && handler.sent_len < plan.response_len {
            if engine.poll_backpressure(key) {
                return;
            }
            let len = plan.chunk_len.min(plan.response_len - handler.sent_len);
            let octets = plan::octets(n, false, handler.sent_len, len);
            handler.sent_len += len;
            send_piece(engine, key, octets, false, plan.is_direct);
        }
        if !is_bare {
            let number = n.to_string();
            let _ = engine.send_headers(key, true, |fields| {
                fields.field(b"x-end", b"0", Indexing::Incremental);
                fields.field(b"x-number", number.as_bytes(), Indexing::None);
            });
        }
        self.forget(engine, n);
    }
}

impl Application for Server {
    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, wakes: &mut Wakes, now: Duration) {
        match event {
            Event::Headers { stream, end_stream, .. } => {
                self.accept(engine, stream, wakes, now);
                if let Some(n) = self.by_slot.get(stream.index()).copied().flatten().filter(|_| end_stream) {
                    self.finish_request(n, wakes, now);
                }
            }
            Event::Data { stream, bytes, end_stream } => {
                let Some(n) = self.find(stream, "DATA") else { return };
                self.receive(engine, n, bytes, wakes, now);
                if end_stream {
                    self.finish_request(n, wakes, now);
                }
            }
            Event::Reset { stream, reason, .. } => {
                let Some(n) = self.find(stream, "a reset") else { return };
                if reason != Reason::CANCEL {
                    self.fail(format!("call {n}: the client reset it with {reason}"));
                }
                self.handlers[n].is_reset = true;
                // A handler takes its time to stop.
                wakes.add(now + self.plans[n].delay, n * KIND_COUNT + FORGET);
            }
            Event::Writable { stream } => {
                if let Some(n) = self.by_slot.get(stream.index()).copied().flatten() {
                    self.answer(engine, n);
                }
            }
            Event::Trailers { .. } => self.fail("trailers that nobody sent".into()),
            _ => {}
        }
    }

    fn handle_wake(&mut self, engine: &mut Engine, token: usize, _wakes: &mut Wakes, _now: Duration) {
        let n = token / KIND_COUNT;
        match token % KIND_COUNT {
            ANSWER => self.answer(engine, n),
            RELEASE => {
                let len = std::mem::take(&mut self.handlers[n].release_len);
                if let Some(key) = self.handlers[n].key {
                    engine.release_capacity(key, len);
                }
            }
            _ => self.forget(engine, n),
        }
    }

    fn handle_end(&mut self) {
        self.handlers.iter_mut().for_each(|handler| handler.key = None);
    }
}
