//! A peer that breaks rules one at a time, and what an endpoint must answer.

use tramline_h2::frame::{FrameHead, FrameKind, PREFACE, flags};
use tramline_h2::{Config, Indexing, Reason, Role};

use crate::wire::{REQUEST, Script, Seen, frame, rst_stream, settings, window_update};

/// What a case must lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// GOAWAY with one of these codes.
    Goaway(&'static [Reason]),
    /// RST_STREAM with one of these codes, and the connection lives.
    Reset(&'static [Reason]),
    /// No error at all: a PING is still answered.
    Alive,
    /// No error, and a whole answer on this stream.
    Answered(u32),
}

/// One rule: its clause, what breaks or keeps it, and what follows.
pub(crate) type Case = (&'static str, fn(&mut Peer) -> &mut Peer, Expect);

/// The other side of an engine with an application that answers every whole request,
/// and lets go of every stream that ends.
pub(crate) struct Peer {
    pub(crate) script: Script,
    handled: usize,
    /// Everything that the engine sent.
    pub(crate) sent: Vec<(FrameHead, Vec<u8>)>,
}

impl Peer {
    pub(crate) fn of_server() -> Peer {
        Peer { script: Script::server(), handled: 0, sent: Vec::new() }
    }

    /// A fresh server: not even the preface came.
    pub(crate) fn of_new_server() -> Peer {
        Peer { script: Script::raw(Role::Server, Config::default()), handled: 0, sent: Vec::new() }
    }

    /// A client whose request on stream 1 is out, and complete.
    pub(crate) fn of_client() -> Peer {
        let mut peer = Peer { script: Script::client(), handled: 0, sent: Vec::new() };
        let sent = peer.script.engine.send_request(peer.script.now, true, |fields| {
            REQUEST.iter().for_each(|(n, v)| fields.field(n.as_bytes(), v.as_bytes(), Indexing::Incremental));
        });
        peer.script.keys.push(sent.expect("a stream"));
        peer
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) -> &mut Peer {
        self.script.feed(octets);
        while let Some(event) = self.script.seen.get(self.handled).cloned() {
            self.handled += 1;
            match event {
                Seen::Headers(id, _, true) | Seen::Data(id, _, true) | Seen::Trailers(id, _) => self.end(id),
                Seen::Reset(id, _) => self.forget(id),
                _ => {}
            }
        }
        self.sent.extend(self.script.output());
        self
    }

    fn end(&mut self, id: u32) {
        if self.script.engine.role() == Role::Server
            && let Some(&key) = self.script.keys.iter().find(|key| key.id() == id)
        {
            let engine = &mut self.script.engine;
            let _ = engine.send_headers(key, false, |f| f.field(b":status", b"200", Indexing::Incremental));
            let _ = engine.send_data(key, bytes::Bytes::from_static(b"answer"), true);
        }
        self.forget(id);
    }

    fn forget(&mut self, id: u32) {
        if let Some(&key) = self.script.keys.iter().find(|key| key.id() == id) {
            self.script.engine.forget(key);
        }
    }

    pub(crate) fn raw(&mut self, kind: FrameKind, flags: u8, stream_id: u32, payload: &[u8]) -> &mut Peer {
        self.feed(&frame(kind, flags, stream_id, payload))
    }

    pub(crate) fn headers(&mut self, stream_id: u32, fields: &[(&str, &str)], flags: u8) -> &mut Peer {
        let block = self.script.block(fields);
        self.raw(FrameKind::Headers, flags, stream_id, &block)
    }

    /// HEADERS with END_HEADERS.
    pub(crate) fn section(&mut self, stream_id: u32, fields: &[(&str, &str)], end_stream: bool) -> &mut Peer {
        self.headers(stream_id, fields, flags::END_HEADERS | if end_stream { flags::END_STREAM } else { 0 })
    }

    pub(crate) fn request(&mut self, stream_id: u32, end_stream: bool) -> &mut Peer {
        self.section(stream_id, REQUEST, end_stream)
    }

    pub(crate) fn response(&mut self, end_stream: bool) -> &mut Peer {
        self.section(1, RESPONSE, end_stream)
    }

    pub(crate) fn continuation(&mut self, stream_id: u32, fields: &[(&str, &str)], flags: u8) -> &mut Peer {
        let block = self.script.block(fields);
        self.raw(FrameKind::Continuation, flags, stream_id, &block)
    }

    pub(crate) fn data(&mut self, stream_id: u32, payload: &[u8], end_stream: bool) -> &mut Peer {
        self.raw(FrameKind::Data, u8::from(end_stream), stream_id, payload)
    }

    pub(crate) fn settings(&mut self, pairs: &[(u16, u32)]) -> &mut Peer {
        self.feed(&settings(pairs))
    }

    pub(crate) fn window_update(&mut self, stream_id: u32, increment: u32) -> &mut Peer {
        self.feed(&window_update(stream_id, increment))
    }

    pub(crate) fn reset(&mut self, stream_id: u32) -> &mut Peer {
        self.feed(&rst_stream(stream_id, Reason::CANCEL))
    }

    pub(crate) fn priority(&mut self, stream_id: u32, dependency: u32, weight: u8) -> &mut Peer {
        let payload = [&dependency.to_be_bytes()[..], &[weight]].concat();
        self.raw(FrameKind::Priority, 0, stream_id, &payload)
    }

    pub(crate) fn preface(&mut self) -> &mut Peer {
        self.feed(PREFACE)
    }

    /// DATA frames that the engine sent on a stream: their lengths.
    pub(crate) fn data_sent(&self, stream_id: u32) -> Vec<u32> {
        let frames = self.sent.iter().filter(|(head, _)| head.kind == FrameKind::Data && head.stream_id == stream_id);
        frames.map(|(head, _)| head.len).collect()
    }

    fn reason(&self, kind: FrameKind) -> Option<Reason> {
        let at = if kind == FrameKind::GoAway { 4 } else { 0 };
        let (_, payload) = self.sent.iter().find(|(head, _)| head.kind == kind)?;
        Some(Reason(u32::from_be_bytes(payload[at..at + 4].try_into().unwrap())))
    }

    fn is_answered(&self, stream_id: u32) -> bool {
        self.sent.iter().any(|(head, _)| head.stream_id == stream_id && head.kind == FrameKind::Headers)
            && self.sent.iter().any(|(head, _)| {
                head.stream_id == stream_id && head.kind == FrameKind::Data && head.has(flags::END_STREAM)
            })
    }

    fn meets(&mut self, expect: Expect) -> Result<(), String> {
        let (goaway, reset) = (self.reason(FrameKind::GoAway), self.reason(FrameKind::RstStream));
        let is_met = match expect {
            Expect::Goaway(reasons) => {
                goaway.is_some_and(|reason| reasons.contains(&reason)) && self.script.error.is_some()
            }
            Expect::Reset(reasons) => reset.is_some_and(|reason| reasons.contains(&reason)) && self.lives(),
            Expect::Alive => reset.is_none() && goaway.is_none() && self.lives(),
            Expect::Answered(id) => reset.is_none() && self.is_answered(id) && self.lives(),
        };
        let error = self.script.error;
        if is_met { Ok(()) } else { Err(format!("GOAWAY {goaway:?}, RST_STREAM {reset:?}, error {error:?}")) }
    }

    fn lives(&mut self) -> bool {
        self.raw(FrameKind::Ping, 0, 0, b"are you?");
        let is_ack = |head: &FrameHead| head.kind == FrameKind::Ping && head.has(flags::ACK);
        self.script.error.is_none() && self.sent.iter().any(|(head, payload)| is_ack(head) && payload == b"are you?")
    }
}

pub(crate) const RESPONSE: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/plain")];

/// Runs each case against a fresh peer, and names all that do not hold.
pub(crate) fn judge(cases: &[Case], peer: fn() -> Peer) {
    let mut failures = Vec::new();
    for (name, act, expect) in cases {
        let mut peer = peer();
        act(&mut peer);
        if let Err(found) = peer.meets(*expect) {
            failures.push(format!("{name}: expected {expect:?}, found {found}"));
        }
    }
    assert!(failures.is_empty(), "{} of {} rules:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
