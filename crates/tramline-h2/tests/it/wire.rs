//! Frames as a script: what a peer sends, and what it reads back.

use std::time::Duration;

use tramline_h2::frame::{FrameHead, FrameKind, PREFACE, flags};
use tramline_h2::hpack::{Encoder, Opaque};
use tramline_h2::{Config, Connection, ConnectionError, Event, Indexing, Limits, Reason, Role, StreamKey};

pub(crate) type Engine = Connection<Opaque>;

/// What an event was, with its octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Headers(u32, Vec<(String, String)>, bool),
    Trailers(u32, Vec<(String, String)>),
    Data(u32, Vec<u8>, bool),
    Reset(u32, Reason),
    GoAway(u32, Reason),
    Other,
}

/// A server engine, and the client as a script of frames.
pub(crate) struct Script {
    pub engine: Engine,
    pub encoder: Encoder,
    pub now: Duration,
    pub seen: Vec<Seen>,
    pub keys: Vec<StreamKey>,
    pub error: Option<ConnectionError>,
    /// Whether the handler lets go of a stream as soon as it is reset.
    rest: Vec<u8>,
}

pub(crate) fn frame(kind: FrameKind, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead { len: payload.len() as u32, kind, flags, stream_id };
    let mut octets = head.to_octets().to_vec();
    octets.extend_from_slice(payload);
    octets
}

pub(crate) fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()).collect();
    frame(FrameKind::Settings, 0, 0, &payload)
}

pub(crate) fn window_update(stream_id: u32, increment: u32) -> Vec<u8> {
    frame(FrameKind::WindowUpdate, 0, stream_id, &increment.to_be_bytes())
}

pub(crate) fn rst_stream(stream_id: u32, reason: Reason) -> Vec<u8> {
    frame(FrameKind::RstStream, 0, stream_id, &reason.0.to_be_bytes())
}

/// Frames as they were sent, and their payloads.
pub(crate) type Frames = Vec<(FrameHead, Vec<u8>)>;

/// Octets of DATA on one stream.
pub(crate) fn payload_len(frames: &Frames, stream_id: u32) -> usize {
    let data = frames.iter().filter(|(head, _)| head.kind == FrameKind::Data && head.stream_id == stream_id);
    data.map(|(_, payload)| payload.len()).sum()
}

/// A payload's writer that does not fail.
pub(crate) fn writer(payload: &[u8]) -> impl FnOnce(&mut Vec<u8>) -> Result<(), ()> {
    |out| {
        out.extend_from_slice(payload);
        Ok(())
    }
}

pub(crate) const REQUEST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", "h"), ("te", "trailers")];

impl Script {
    /// A server behind its preface and both SETTINGS.
    pub(crate) fn server() -> Script {
        Script::server_with(Config::default())
    }

    pub(crate) fn with_limits(change: impl FnOnce(&mut Limits)) -> Script {
        let mut config = Config::default();
        change(&mut config.limits);
        Script::server_with(config)
    }

    pub(crate) fn server_with(config: Config) -> Script {
        let mut script = Script::raw(Role::Server, config);
        script.feed(PREFACE);
        script.feed(&settings(&[]));
        script.feed(&frame(FrameKind::Settings, flags::ACK, 0, &[]));
        script.output();
        script.seen.clear();
        script
    }

    /// A client behind both SETTINGS.
    pub(crate) fn client() -> Script {
        let mut script = Script::raw(Role::Client, Config::default());
        script.feed(&settings(&[]));
        script.feed(&frame(FrameKind::Settings, flags::ACK, 0, &[]));
        script.output();
        script.seen.clear();
        script
    }

    pub(crate) fn raw(role: Role, config: Config) -> Script {
        Script {
            engine: Connection::new(role, config, Opaque, Duration::ZERO),
            encoder: Encoder::new(4096),
            now: Duration::ZERO,
            seen: Vec::new(),
            keys: Vec::new(),
            error: None,
            rest: Vec::new(),
        }
    }

    /// The peer sends octets. The first error is kept.
    pub(crate) fn feed(&mut self, octets: &[u8]) -> &mut Script {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(octets);
        let mut input = &all[..];
        loop {
            match self.engine.handle_input(self.now, &mut input) {
                Ok(Some(event)) => note(&self.engine, event, &mut self.seen, &mut self.keys),
                Ok(None) => break,
                Err(error) => {
                    self.error.get_or_insert(error);
                    break;
                }
            }
        }
        self.rest = input.to_vec();
        self
    }

    pub(crate) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin_block(&mut block);
        for (name, value) in fields {
            self.encoder.encode(name.as_bytes(), value.as_bytes(), Indexing::Incremental, &mut block);
        }
        block
    }

    pub(crate) fn headers(&mut self, stream_id: u32, fields: &[(&str, &str)], end_stream: bool) -> &mut Script {
        let block = self.block(fields);
        let end = if end_stream { flags::END_STREAM } else { 0 };
        self.feed(&frame(FrameKind::Headers, end | flags::END_HEADERS, stream_id, &block))
    }

    pub(crate) fn request(&mut self, stream_id: u32, end_stream: bool) -> &mut Script {
        self.headers(stream_id, REQUEST, end_stream)
    }

    pub(crate) fn data(&mut self, stream_id: u32, payload: &[u8], end_stream: bool) -> &mut Script {
        let end = if end_stream { flags::END_STREAM } else { 0 };
        self.feed(&frame(FrameKind::Data, end, stream_id, payload))
    }

    pub(crate) fn end_with_data(&mut self, stream_id: u32) {
        self.data(stream_id, b"", true);
    }

    pub(crate) fn end_with_trailers(&mut self, stream_id: u32) {
        self.headers(stream_id, &[("x-end", "0")], true);
    }

    /// All frames that the engine wants to send, and their payloads.
    pub(crate) fn output(&mut self) -> Frames {
        let all = self.engine.take_output();
        let mut octets = all.strip_prefix(&PREFACE[..]).unwrap_or(&all);
        let mut frames = Vec::new();
        while let Some(head) = FrameHead::parse(octets) {
            let end = 9 + head.len as usize;
            frames.push((head, octets[9..end].to_vec()));
            octets = &octets[end..];
        }
        assert!(octets.is_empty(), "the output ends inside a frame");
        frames
    }

    /// The code of the RST_STREAM in the output, if there is one.
    pub(crate) fn sent_reset(&mut self) -> Option<(u32, Reason)> {
        let frames = self.output();
        let (head, payload) = frames.iter().find(|(head, _)| head.kind == FrameKind::RstStream)?;
        Some((head.stream_id, Reason(u32::from_be_bytes(payload[..].try_into().unwrap()))))
    }

    /// The code of the GOAWAY in the output, if there is one.
    pub(crate) fn sent_goaway(&mut self) -> Option<Reason> {
        let frames = self.output();
        let (_, payload) = frames.iter().find(|(head, _)| head.kind == FrameKind::GoAway)?;
        Some(Reason(u32::from_be_bytes(payload[4..8].try_into().unwrap())))
    }
}

pub(crate) fn text(fields: &tramline_h2::hpack::FieldBlock<()>) -> Vec<(String, String)> {
    let lossy = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    fields.iter().map(|field| (lossy(field.name), lossy(field.value))).collect()
}

fn note(engine: &Engine, event: Event<'_>, seen: &mut Vec<Seen>, keys: &mut Vec<StreamKey>) {
    seen.push(match event {
        Event::Headers { stream, end_stream, .. } => {
            keys.push(stream);
            Seen::Headers(stream.id(), text(engine.fields()), end_stream)
        }
        Event::Trailers { stream, .. } => Seen::Trailers(stream.id(), text(engine.fields())),
        Event::Data { stream, bytes, end_stream } => Seen::Data(stream.id(), bytes.to_vec(), end_stream),
        Event::Reset { stream, reason, .. } => Seen::Reset(stream.id(), reason),
        Event::GoAway { last_stream_id, reason, .. } => Seen::GoAway(last_stream_id, reason),
        _ => Seen::Other,
    });
}
