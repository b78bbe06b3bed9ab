//! HEADERS and CONTINUATION in: field blocks to requests, responses and trailers
//! (RFC 9113 §6.2, §6.10, §8.1–8.3).

use alloc::vec;
use alloc::vec::Vec;

use super::lifecycle::{Gone, STREAM_ID_ROLL_OVER};
use super::{Connection, Drain, Role};
use crate::budget::Cost;
use crate::closed::Mark;
use crate::error::{ConnectionError, Reason};
use crate::event::{Event, StreamKey};
use crate::frame::{FrameHead, flags, write_reset};
use crate::hpack::{BlockLimits, Classifier, Decoder, FieldBlock, FieldKind, HpackError, Recognised, section};
use crate::state::{Input, State, Violation};
use crate::stream::{Begin, ReceivePhase};
use crate::timer::Timer;

/// Informational responses (1xx) that may precede one final response.
const INFORMATIONAL_COUNT_MAX: u8 = 16;

/// A field block whose END_HEADERS has not come.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) stream_id: u32,
    end_stream: bool,
    fragment: Vec<u8>,
    continuation_count: u32,
}

/// Sections that are remembered: methods that a client calls by turns, or the heads and
/// trailers of a server's answers.
const SECTION_COUNT_MAX: usize = 6;

/// The last sections. A block that is written like one of them finds its fields there already.
#[derive(Debug)]
pub(super) struct Sections<T> {
    /// Never empty.
    blocks: Vec<FieldBlock<T>>,
    last: usize,
}

impl<T: Copy> Default for Sections<T> {
    fn default() -> Self {
        Sections { blocks: vec![FieldBlock::new()], last: 0 }
    }
}

impl<T: Copy> Sections<T> {
    #[inline]
    pub(super) fn last(&self) -> &FieldBlock<T> {
        &self.blocks[self.last]
    }

    fn last_mut(&mut self) -> &mut FieldBlock<T> {
        &mut self.blocks[self.last]
    }

    /// Turns to the section that `block` repeats, or to an empty one. The one behind the last
    /// is the likeliest: peers repeat themselves.
    #[inline(always)]
    fn turn<C: Classifier<Token = T>>(
        &mut self,
        block: &[u8],
        decoder: &Decoder<C>,
        limits: &BlockLimits,
    ) -> Recognised {
        self.advance();
        match decoder.recognise(block, limits, self.last_mut()) {
            Recognised::Not => self.turn_further(block, decoder, limits),
            recognised => recognised,
        }
    }

    #[inline(never)]
    fn turn_further<C: Classifier<Token = T>>(
        &mut self,
        block: &[u8],
        decoder: &Decoder<C>,
        limits: &BlockLimits,
    ) -> Recognised {
        for _ in 1..self.blocks.len() {
            self.advance();
            let recognised = decoder.recognise(block, limits, self.last_mut());
            if recognised != Recognised::Not {
                return recognised;
            }
        }
        self.turn_to_empty(decoder);
        Recognised::Not
    }

    #[inline]
    fn advance(&mut self) {
        self.last = if self.last + 1 < self.blocks.len() { self.last + 1 } else { 0 };
    }

    /// The place of a section that cannot repeat any more if there is one.
    fn turn_to_empty<C: Classifier<Token = T>>(&mut self, decoder: &Decoder<C>) {
        match self.blocks.iter().position(|block| !decoder.may_recognise(block)) {
            Some(at) => self.last = at,
            None if self.blocks.len() < SECTION_COUNT_MAX => {
                self.last = self.blocks.len();
                self.blocks.push(FieldBlock::new());
            }
            None => self.advance(),
        }
    }

    pub(super) fn shrink(&mut self) {
        self.last = 0;
        self.blocks.truncate(1);
        self.blocks.shrink_to_fit();
        self.last_mut().shrink();
    }
}

/// A section that the driver may hear of, as two numbers: that is how it comes back in registers.
/// An event goes through memory, and who reads it as a whole right after its parts were written
/// has to wait until they are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// The stream: its slot, and its identifier above.
    stream: u64,
    /// What of it is told.
    flags: u32,
}

impl Announced {
    const HEADERS: u32 = 1;
    const TRAILERS: u32 = 2;
    const END_STREAM: u32 = 4;
    const OVERSIZE: u32 = 8;
    const NOTHING: Announced = Announced { stream: 0, flags: 0 };

    #[inline(always)]
    fn new(kind: u32, stream: StreamKey, end_stream: bool, oversize: bool) -> Self {
        let end_stream = if end_stream { Self::END_STREAM } else { 0 };
        let oversize = if oversize { Self::OVERSIZE } else { 0 };
        let StreamKey { slot, id } = stream;
        Announced { stream: u64::from(id) << 32 | u64::from(slot), flags: kind | end_stream | oversize }
    }

    #[inline(always)]
    pub(super) fn event<'i>(self) -> Option<Event<'i>> {
        let stream = StreamKey { slot: self.stream as u32, id: (self.stream >> 32) as u32 };
        let has = |flag| self.flags & flag != 0;
        let oversize = has(Self::OVERSIZE);
        if has(Self::HEADERS) {
            return Some(Event::Headers { stream, end_stream: has(Self::END_STREAM), oversize });
        }
        has(Self::TRAILERS).then_some(Event::Trailers { stream, oversize })
    }
}

/// What a valid section says beyond its fields.
#[derive(Clone, Copy, Debug, Default)]
struct Section {
    content_length: Option<u64>,
    is_informational: bool,
}

/// What a section is expected to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Request,
    Response,
    Trailers,
}

impl<C: Classifier> Connection<C> {
    /// A HEADERS frame. If the connection fails over it, [`receive`](Self::receive) tells next.
    #[inline(never)]
    pub(super) fn handle_headers(&mut self, head: FrameHead, payload: &[u8]) -> Announced {
        match self.start_block(head, payload) {
            Ok(announced) => announced,
            Err(error) => {
                self.fail(error);
                Announced::NOTHING
            }
        }
    }

    #[inline(always)]
    fn start_block(&mut self, head: FrameHead, payload: &[u8]) -> Result<Announced, ConnectionError> {
        if head.stream_id == 0 {
            return Err(ConnectionError::protocol("HEADERS on stream 0"));
        }
        let fragment = strip_front(head, payload)?;
        let end_stream = head.has(flags::END_STREAM);
        if head.has(flags::END_HEADERS) {
            return self.finish_block(head.stream_id, end_stream, fragment);
        }
        self.start_block_timer();
        let block =
            OpenBlock { stream_id: head.stream_id, end_stream, fragment: fragment.to_vec(), continuation_count: 0 };
        self.open_block = Some(block);
        Ok(Announced::NOTHING)
    }

    pub(super) fn handle_continuation(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Announced, ConnectionError> {
        let limits = &self.config.limits;
        let Some(block) = self.open_block.as_mut() else { return Ok(Announced::NOTHING) };
        block.continuation_count += 1;
        if block.continuation_count > limits.continuation_count_max {
            return Err(ConnectionError::budget("too many CONTINUATION frames"));
        }
        if block.fragment.len() + payload.len() > limits.header_list_len_max.saturating_mul(4) {
            return Err(ConnectionError::budget("field block too long"));
        }
        block.fragment.extend_from_slice(payload);
        if !head.has(flags::END_HEADERS) {
            return Ok(Announced::NOTHING);
        }
        match self.open_block.take() {
            Some(block) => self.finish_block(block.stream_id, block.end_stream, &block.fragment),
            None => Ok(Announced::NOTHING),
        }
    }

    /// A whole field block. It is decoded whatever becomes of it: the table must stay in step.
    #[inline(always)]
    fn finish_block(&mut self, stream_id: u32, end_stream: bool, block: &[u8]) -> Result<Announced, ConnectionError> {
        self.timers.stop(Timer::HeaderBlock);
        let limits = self.block_limits();
        match self.sections.turn(block, &self.decoder, &limits) {
            Recognised::Same => {}
            recognised => self.decode(recognised, block, limits)?,
        }
        match self.store.find(stream_id) {
            Some(key) => self.handle_section(key, end_stream),
            None if self.is_new_request(stream_id) => self.accept_request(stream_id, end_stream),
            None => self.refuse_section(stream_id, end_stream).map(|()| Announced::NOTHING),
        }
    }

    #[inline]
    fn block_limits(&self) -> BlockLimits {
        let limits = &self.config.limits;
        BlockLimits {
            list_len_max: limits.header_list_len_max,
            list_len_hard_max: limits.header_list_len_max.saturating_mul(4),
            field_count_max: limits.field_count_max,
        }
    }

    #[inline(never)]
    fn decode(&mut self, recognised: Recognised, block: &[u8], limits: BlockLimits) -> Result<(), ConnectionError> {
        let decoded = self.decoder.decode_recognised(recognised, block, limits, self.sections.last_mut());
        decoded.map_err(|error| match error {
            HpackError::ListTooLong => ConnectionError::budget("field section far too long"),
            _ => ConnectionError::with_reason(Reason::COMPRESSION_ERROR, "invalid field block"),
        })
    }

    fn is_new_request(&self, stream_id: u32) -> bool {
        self.role == Role::Server && stream_id % 2 == 1 && stream_id > self.last_peer_id
    }

    /// HEADERS on a stream without a slot (RFC 9113 §5.1, §5.1.1).
    fn refuse_section(&mut self, stream_id: u32, end_stream: bool) -> Result<(), ConnectionError> {
        match self.gone(stream_id) {
            Gone::Idle | Gone::Skipped => Err(ConnectionError::protocol("HEADERS with an invalid stream identifier")),
            Gone::Ended => Err(ConnectionError::with_reason(Reason::STREAM_CLOSED, "HEADERS after END_STREAM")),
            Gone::Unserved => Ok(()),
            Gone::ResetByUs if end_stream => {
                self.cross_reset(stream_id, end_stream);
                Ok(())
            }
            Gone::ResetByUs | Gone::Forgotten => self.ignore_forgotten(),
            Gone::ResetByPeer => self.answer_closed(stream_id),
        }
    }

    #[inline(always)]
    fn accept_request(&mut self, stream_id: u32, end_stream: bool) -> Result<Announced, ConnectionError> {
        if matches!(self.drain, Drain::Final { last_stream_id } if stream_id > last_stream_id) {
            return Ok(Announced::NOTHING);
        }
        self.closed.open(stream_id);
        self.last_peer_id = stream_id;
        if stream_id > STREAM_ID_ROLL_OVER {
            self.drain(self.now);
        }
        let limits = &self.config.limits;
        if self.store.len() >= limits.concurrent_streams_max as usize || self.queued_len > limits.unsent_len_max {
            write_reset(self.output.tail(), stream_id, Reason::REFUSED_STREAM);
            self.closed.mark(stream_id, Mark::ResetByUs);
            self.count_reply();
            self.ledger.charge(Cost::Reset, self.now)?;
            return Ok(Announced::NOTHING);
        }
        let oversize = self.sections.last().oversize();
        let section = check_section(self.sections.last(), Expected::Request).or(oversize.then(Section::default));
        let state = if end_stream { State::HalfClosedRemote } else { State::Open };
        let key = self.insert_stream(stream_id, false, state);
        let Some(section) = section.filter(|s| !end_stream || s.content_length.unwrap_or(0) == 0) else {
            return self.refuse_malformed(key).map(|()| Announced::NOTHING);
        };
        if section.content_length.is_some()
            && let Some(stream) = self.store.get_mut(key)
        {
            stream.set_content_length_left(section.content_length);
        }
        Ok(Announced::new(Announced::HEADERS, key, end_stream, oversize))
    }

    /// A malformed request, of which the driver never hears (RFC 9113 §8.1.1).
    #[cold]
    fn refuse_malformed(&mut self, key: StreamKey) -> Result<(), ConnectionError> {
        if let Some(stream) = self.store.get_mut(key) {
            stream.held = false;
        }
        self.stream_error(key, Reason::PROTOCOL_ERROR)
    }

    #[inline(always)]
    pub(super) fn insert_stream(&mut self, stream_id: u32, local: bool, state: State) -> StreamKey {
        let (send_window, receive_window) = (self.peer.initial_window_len, self.offered_window.largest());
        self.store.insert(stream_id, Begin { state, local, send_window, receive_window })
    }

    /// A response or trailers on a stream that has a slot.
    #[inline(always)]
    fn handle_section(&mut self, key: StreamKey, end_stream: bool) -> Result<Announced, ConnectionError> {
        let Some(stream) = self.store.get_mut(key) else { return Ok(Announced::NOTHING) };
        if stream.state == State::Closed {
            return self.refuse_section(key.id, end_stream).map(|()| Announced::NOTHING);
        }
        let state = match stream.state.next(Input::ReceiveHeaders { end_stream }) {
            Ok(state) => state,
            Err(Violation::Connection(reason)) => {
                return Err(ConnectionError::with_reason(reason, "HEADERS on a closed stream"));
            }
            Err(Violation::Stream(reason)) => return self.stream_error(key, reason).map(|()| Announced::NOTHING),
            Err(Violation::Local) => return Ok(Announced::NOTHING),
        };
        let fields = self.sections.last();
        let oversize = fields.oversize();
        // What a server still sends of an answer outlives its driver's interest.
        let is_held = stream.held;
        let announced = match stream.receive_phase {
            ReceivePhase::Head => {
                let Some(section) = check_section(fields, Expected::Response).or(oversize.then(Section::default))
                else {
                    return self.stream_error(key, Reason::PROTOCOL_ERROR).map(|()| Announced::NOTHING);
                };
                if section.is_informational {
                    return self.skip_informational(key, end_stream);
                }
                stream.receive_phase = ReceivePhase::Body;
                stream.answered = true;
                // A HEAD request's answer may name a length and have no body; gRPC sends POST
                // alone, and the driver of anything else sees END_STREAM here.
                stream.set_content_length_left(section.content_length.filter(|_| !end_stream));
                Announced::new(Announced::HEADERS, key, end_stream, oversize)
            }
            ReceivePhase::Body => {
                let is_complete = stream.content_length_left().unwrap_or(0) == 0;
                if !end_stream || !is_complete || check_section(fields, Expected::Trailers).is_none() {
                    return self.stream_error(key, Reason::PROTOCOL_ERROR).map(|()| Announced::NOTHING);
                }
                Announced::new(Announced::TRAILERS, key, true, oversize)
            }
        };
        stream.state = state;
        if state == State::Closed {
            self.complete(key);
        }
        Ok(if is_held { announced } else { Announced::NOTHING })
    }

    /// A head before the final one (RFC 9113 §8.1).
    #[inline(never)]
    fn skip_informational(&mut self, key: StreamKey, end_stream: bool) -> Result<Announced, ConnectionError> {
        let Some(stream) = self.store.get_mut(key) else { return Ok(Announced::NOTHING) };
        stream.informational_count += 1;
        if end_stream || stream.informational_count > INFORMATIONAL_COUNT_MAX {
            return self.stream_error(key, Reason::PROTOCOL_ERROR).map(|()| Announced::NOTHING);
        }
        Ok(Announced::NOTHING)
    }

    /// A stream takes its next state; closed both ways, it is complete.
    pub(super) fn enter(&mut self, key: StreamKey, state: State) {
        let Some(stream) = self.store.get_mut(key) else { return };
        stream.state = state;
        if state == State::Closed {
            self.complete(key);
        }
    }
}

/// Removes padding and the deprecated priority fields (RFC 9113 §6.2).
fn strip_front(head: FrameHead, payload: &[u8]) -> Result<&[u8], ConnectionError> {
    const TOO_SHORT: ConnectionError =
        ConnectionError::with_reason(Reason::FRAME_SIZE_ERROR, "HEADERS frame is too short");
    let mut fragment = payload;
    let mut padding_len = 0;
    if head.has(flags::PADDED) {
        let (&len, rest) = fragment.split_first().ok_or(TOO_SHORT)?;
        padding_len = usize::from(len);
        fragment = rest;
    }
    if head.has(flags::PRIORITY) {
        let (priority, rest) = fragment.split_at_checked(5).ok_or(TOO_SHORT)?;
        super::control::check_dependency(head.stream_id, priority)?;
        fragment = rest;
    }
    let len =
        fragment.len().checked_sub(padding_len).ok_or(ConnectionError::protocol("padding is longer than the frame"))?;
    Ok(&fragment[..len])
}

/// The rules of a section as a whole (RFC 9113 §8.1, §8.3); those of single fields
/// were checked when they entered the table. `None` is malformed.
#[inline]
fn check_section<T: Copy>(fields: &FieldBlock<T>, expected: Expected) -> Option<Section> {
    let seen = fields.section();
    let pseudo = seen & section::PSEUDO;
    let is_complete = match expected {
        Expected::Request => {
            pseudo | section::AUTHORITY == section::METHOD | section::SCHEME | section::PATH | section::AUTHORITY
        }
        Expected::Response => pseudo == section::STATUS,
        Expected::Trailers => pseudo == 0,
    };
    if !is_complete || seen & section::MALFORMED != 0 {
        return None;
    }
    let is_informational = seen & section::INFORMATIONAL != 0;
    let content_length = if seen & section::LENGTH == 0 { None } else { content_length(fields)? };
    Some(Section { content_length, is_informational })
}

/// The value of `content-length`. `None` is malformed: it is no number, or there are several
/// that do not agree (RFC 9110 §8.6).
fn content_length<T: Copy>(fields: &FieldBlock<T>) -> Option<Option<u64>> {
    let mut content_length = None;
    for value in fields.values(FieldKind::ContentLength) {
        let len = parse_content_length(value)?;
        if content_length.is_some_and(|before| before != len) {
            return None;
        }
        content_length = Some(len);
    }
    Some(content_length)
}

fn parse_content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::{Decoder, Opaque};

    const LIMITS: BlockLimits = BlockLimits { list_len_max: 1000, list_len_hard_max: 4000, field_count_max: 10 };

    /// Takes a block as a connection does, and says what it was to those before.
    fn take(decoder: &mut Decoder<Opaque>, sections: &mut Sections<()>, block: &[u8]) -> Recognised {
        let recognised = sections.turn(block, decoder, &LIMITS);
        decoder.decode_recognised(recognised, block, LIMITS, sections.last_mut()).unwrap();
        recognised
    }

    #[test]
    fn sections_that_come_by_turns_are_known() {
        let (mut decoder, mut sections) = (Decoder::new(Opaque, 4096), Sections::default());
        let blocks: [&[u8]; 4] = [&[0x82, 0x86], b"\x83\0\x01t\x01a\x86", &[0x88], &[0x83, 0x87, 0x84]];
        for round in 0..3 {
            for block in blocks {
                let expected = if round == 0 { Recognised::Not } else { Recognised::Same };
                assert_eq!(take(&mut decoder, &mut sections, block), expected);
            }
        }
        assert_eq!(take(&mut decoder, &mut sections, blocks[1]), Recognised::Same, "out of turn");
        assert_eq!(take(&mut decoder, &mut sections, b"\x83\0\x01t\x02bc\x86"), Recognised::Alike);
        let values: Vec<_> = sections.last().iter().map(|field| field.value).collect();
        assert_eq!(values, [&b"POST"[..], b"bc", b"http"]);
    }

    #[test]
    fn sections_are_few_whatever_comes() {
        let (mut decoder, mut sections) = (Decoder::new(Opaque, 4096), Sections::default());
        for n in 0..100u8 {
            take(&mut decoder, &mut sections, &[0x80 | (1 + n % 61), 0x82]);
        }
        assert_eq!(sections.blocks.len(), SECTION_COUNT_MAX);
        sections.shrink();
        assert_eq!(sections.blocks.len(), 1);
    }

    #[test]
    fn a_section_whose_entries_left_the_table_makes_room() {
        let (mut decoder, mut sections) = (Decoder::new(Opaque, 4096), Sections::default());
        take(&mut decoder, &mut sections, b"\x40\x01a\x01b");
        take(&mut decoder, &mut sections, &[0xbe, 0x82]);
        take(&mut decoder, &mut sections, &[0x20, 0x88]);
        assert_eq!(sections.blocks.len(), 3);
        take(&mut decoder, &mut sections, &[0x83]);
        assert_eq!((sections.blocks.len(), sections.last), (3, 1));
    }

    #[test]
    fn a_field_that_enters_the_table_again_and_again_is_alike() {
        let (mut decoder, mut sections) = (Decoder::new(Opaque, 4096), Sections::default());
        assert_eq!(take(&mut decoder, &mut sections, b"\x82\x40\x01a\x01b\x40\x01t\x011\x88"), Recognised::Not);
        for n in 0..110u8 {
            // `a` moves behind the entries of `t`, the last of which lends its name.
            let a: &[u8] = if n < 64 { &[0xbf + n] } else { &[0xff, n - 64] };
            let block = [&[0x82], a, &[0x7e, 1, b' ' + n], &[0x88]].concat();
            assert_eq!(take(&mut decoder, &mut sections, &block), Recognised::Alike, "{n}");
            let values: Vec<_> = sections.last().iter().map(|field| field.value).collect();
            assert_eq!(values, [&b"GET"[..], b"b", &[b' ' + n], b"200"]);
        }
    }

    #[test]
    fn a_section_behind_a_size_update_is_not_known_twice() {
        let (mut decoder, mut sections) = (Decoder::new(Opaque, 4096), Sections::default());
        take(&mut decoder, &mut sections, b"\x82\x40\x01a\x01b");
        take(&mut decoder, &mut sections, &[0x82, 0xbe]);
        let key = sections.last().key();
        assert_eq!(take(&mut decoder, &mut sections, &[0x3f, 0xe1, 0x1f, 0x82, 0xbe]), Recognised::Not);
        for _ in 0..4 {
            assert_ne!(take(&mut decoder, &mut sections, &[0x82, 0xbe]), Recognised::Not);
            assert_eq!(sections.last().key(), key);
        }
    }

    #[test]
    fn a_section_that_must_begin_with_a_size_update_repeats_none() {
        let (mut decoder, mut sections) = (Decoder::new(Opaque, 4096), Sections::default());
        take(&mut decoder, &mut sections, &[0x82]);
        take(&mut decoder, &mut sections, &[0x83]);
        decoder.set_table_size_max(100);
        for block in [[0x82], [0x83]] {
            assert_eq!(sections.turn(&block, &decoder, &LIMITS), Recognised::Not);
        }
    }
}
