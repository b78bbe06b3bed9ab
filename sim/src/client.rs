//! The calls of a client, and what became of them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tramline_h2::{Event, Indexing, OpenError, StreamKey};

use crate::node::{Application, Engine, Wakes};
use crate::plan::{self, Plan};

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The answer came whole.
    Complete,
    /// RST_STREAM or GOAWAY; the server has not seen it if `unprocessed`.
    Reset {
        unprocessed: bool,
    },
    Cancelled,
    /// No stream was opened, because the connection was going away.
    NotOpened,
    /// The byte stream ended first.
    Lost,
}

/// One call as its client sees it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) plan: Plan,
    key: Option<StreamKey>,
    sent_len: usize,
    is_sent: bool,
    received_len: usize,
    release_len: usize,
    pub(crate) ends: Vec<End>,
}

/// What a wake is about.
const START: usize = 0;
const CANCEL: usize = 1;
const SEND: usize = 2;
const RELEASE: usize = 3;
const KIND_COUNT: usize = 4;

/// A client of many calls.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) calls: Vec<Call>,
    /// Calls that wait for a place.
    waiting: VecDeque<usize>,
    /// Calls by the slot of their stream.
    by_slot: Vec<Option<usize>>,
    /// The first thing that must not happen.
    pub(crate) fault: Option<String>,
}

impl Client {
    pub(crate) fn new(plans: &[Plan], wakes: &mut Wakes) -> Self {
        for (n, plan) in plans.iter().enumerate() {
            wakes.add(plan.start_at, n * KIND_COUNT + START);
        }
        let calls = plans.iter().map(|&plan| Call {
            plan,
            key: None,
            sent_len: 0,
            is_sent: false,
            received_len: 0,
            release_len: 0,
            ends: Vec::new(),
        });
        Client { calls: calls.collect(), waiting: VecDeque::new(), by_slot: Vec::new(), fault: None }
    }

    fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    fn find(&mut self, key: StreamKey, what: &str) -> Option<usize> {
        let found = self.by_slot.get(key.index()).copied().flatten();
        let found = found.filter(|&n| self.calls[n].key == Some(key));
        if found.is_none() {
            self.fail(format!("{what} on stream {}, which is nobody's", key.id()));
        }
        found
    }

    fn end(&mut self, engine: &mut Engine, n: usize, end: End) {
        self.calls[n].ends.push(end);
        if let Some(key) = self.calls[n].key.take() {
            self.by_slot[key.index()] = None;
            engine.forget(key);
        }
    }

    fn open_waiting(&mut self, engine: &mut Engine, wakes: &mut Wakes, now: Duration) {
        while let Some(&n) = self.waiting.front() {
            match engine.check_open() {
                Err(OpenError::AtCapacity) => return,
                Ok(()) => self.open(engine, n, wakes, now),
                Err(_) => self.end(engine, n, End::NotOpened),
            }
            self.waiting.pop_front();
        }
    }

    fn open(&mut self, engine: &mut Engine, n: usize, wakes: &mut Wakes, now: Duration) {
        let path = format!("/{n}");
        let call_plan = self.calls[n].plan;
        let is_bare = call_plan.request_len == 0 && !call_plan.ends_apart;
        let opened = engine.send_request(now, is_bare, |fields| {
            fields.field(b":method", b"POST", Indexing::Incremental);
            fields.field(b":scheme", b"http", Indexing::Incremental);
            fields.field(b":path", path.as_bytes(), Indexing::Incremental);
            fields.field(b"te", b"trailers", Indexing::Incremental);
            plan::write_fields(fields, &call_plan, true);
        });
        let Ok(key) = opened else { return self.fail(format!("check_open and send_request disagree: {opened:?}")) };
        if self.by_slot.len() <= key.index() {
            self.by_slot.resize(key.index() + 1, None);
        }
        if self.by_slot[key.index()].replace(n).is_some() {
            self.fail(format!("slot {} is given twice", key.index()));
        }
        let call = &mut self.calls[n];
        call.key = Some(key);
        call.is_sent = is_bare;
        if let Some(after) = call.plan.cancel_after {
            wakes.add(now + after, n * KIND_COUNT + CANCEL);
        }
        self.send(engine, n);
    }

    /// Sends as much of the request as back-pressure allows.
    fn send(&mut self, engine: &mut Engine, n: usize) {
        let call = &mut self.calls[n];
        let Some(key) = call.key else { return };
        while !call.is_sent && !engine.poll_backpressure(key) {
            let len = call.plan.chunk_len.min(call.plan.request_len - call.sent_len);
            let octets = plan::octets(n, true, call.sent_len, len);
            call.sent_len += len;
            call.is_sent = call.sent_len == call.plan.request_len && (len == 0 || !call.plan.ends_apart);
            if !send_piece(engine, key, octets, call.is_sent, call.plan.is_direct) {
                return;
            }
        }
    }

    fn receive(&mut self, engine: &mut Engine, n: usize, bytes: &[u8], wakes: &mut Wakes, now: Duration) {
        let call = &mut self.calls[n];
        if !plan::fits(n, false, call.received_len, bytes) {
            let at = call.received_len;
            self.fail(format!("call {n}: wrong response octets at {at}"));
            return;
        }
        call.received_len += bytes.len();
        let Some(key) = call.key else { return };
        if call.plan.release_after.is_zero() {
            engine.release_capacity(key, bytes.len());
        } else {
            call.release_len += bytes.len();
            wakes.add(now + call.plan.release_after, n * KIND_COUNT + RELEASE);
        }
    }

    fn complete(&mut self, engine: &mut Engine, n: usize) {
        let call = &self.calls[n];
        if call.received_len != call.plan.response_len {
            let (received_len, plan) = (call.received_len, call.plan);
            self.fail(format!("call {n}: {received_len} octets of {plan:?}"));
        }
        self.end(engine, n, End::Complete);
    }
}

/// One piece of a body, straight into the output or queued. False if the stream is closed.
pub(crate) fn send_piece(engine: &mut Engine, key: StreamKey, octets: Vec<u8>, is_last: bool, is_direct: bool) -> bool {
    if !is_direct {
        return engine.send_data(key, Bytes::from(octets), is_last).is_ok();
    }
    let sent = engine.send_with(key, is_last, |out| {
        out.extend_from_slice(&octets);
        Ok::<(), ()>(())
    });
    sent.is_ok()
}

impl Application for Client {
    fn handle_event(&mut self, engine: &mut Engine, event: Event<'_>, wakes: &mut Wakes, now: Duration) {
        match event {
            Event::Headers { stream, end_stream, .. } => {
                let Some(n) = self.find(stream, "HEADERS") else { return };
                if !plan::has_fields(engine.fields(), &self.calls[n].plan, false) {
                    self.fail(format!("call {n}: fields got lost on the way back"));
                }
                if end_stream {
                    self.calls[n].received_len = self.calls[n].plan.response_len;
                    self.complete(engine, n);
                }
            }
            Event::Data { stream, bytes, end_stream } => {
                let Some(n) = self.find(stream, "DATA") else { return };
                self.receive(engine, n, bytes, wakes, now);
                if end_stream {
                    self.complete(engine, n);
                }
            }
            Event::Trailers { stream, .. } => {
                if let Some(n) = self.find(stream, "trailers") {
                    self.complete(engine, n);
                }
            }
            Event::Reset { stream, unprocessed, .. } => {
                if let Some(n) = self.find(stream, "a reset") {
                    self.end(engine, n, End::Reset { unprocessed });
                }
            }
            Event::Writable { stream } => {
                // It may have been told while the call ended.
                if let Some(n) = self.by_slot.get(stream.index()).copied().flatten() {
                    self.send(engine, n);
                }
            }
            _ => {}
        }
        self.open_waiting(engine, wakes, now);
    }

    fn handle_wake(&mut self, engine: &mut Engine, token: usize, wakes: &mut Wakes, now: Duration) {
        let n = token / KIND_COUNT;
        match token % KIND_COUNT {
            START => {
                self.waiting.push_back(n);
                self.open_waiting(engine, wakes, now);
            }
            CANCEL if self.calls[n].ends.is_empty() && self.calls[n].key.is_some() => {
                self.end(engine, n, End::Cancelled);
                self.open_waiting(engine, wakes, now);
            }
            RELEASE => {
                let len = std::mem::take(&mut self.calls[n].release_len);
                if let Some(key) = self.calls[n].key {
                    engine.release_capacity(key, len);
                }
            }
            SEND => self.send(engine, n),
            _ => {}
        }
    }

    fn handle_end(&mut self) {
        for call in self.calls.iter_mut().filter(|call| call.ends.is_empty()) {
            call.key = None;
            call.ends.push(End::Lost);
        }
    }
}
