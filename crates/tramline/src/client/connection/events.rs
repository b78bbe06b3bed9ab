//! What the peer sends: a response head, messages, trailers, a reset.

use std::time::Duration;

use tramline_call::client_call::{ForeignResponse, ResponseHead, end_without_trailers, read_trailers};
use tramline_call::codec::Frame;
use tramline_call::mapping::ResetReason;
use tramline_call::{Encoding, Metadata, Status};
use tramline_h2::{Reason, StreamKey};

use super::{Attempt, ClientSide, Progress};
use crate::classify::Engine;
use crate::client::call::{Outbox, ReplyBody, UnaryReply};

impl ClientSide {
    pub(super) fn handle_head(&mut self, engine: &mut Engine, key: StreamKey, end_stream: bool, oversize: bool) {
        if oversize {
            return self.give_up(engine, key, Some(Reason::CANCEL), too_long_head());
        }
        let accept = self.profile.accept;
        let is_plain = !end_stream && self.plain.has_head(engine.fields());
        let Some(attempt) = self.attempt_mut(key) else { return };
        let Some(call) = attempt.ticket.call() else { return };
        let head = if is_plain {
            Ok(ResponseHead::Head { metadata: Metadata::new(), encoding: Encoding::Identity })
        } else {
            let fields = engine.fields().iter().map(|field| (field.token, field.name, field.value));
            ResponseHead::read(fields, end_stream, accept, &call.head.method)
        };
        match head {
            Ok(ResponseHead::Head { metadata, encoding }) => {
                attempt.progress = Progress::Messages;
                attempt.encoding = encoding;
                match &attempt.ticket.exchange {
                    None => attempt.metadata = metadata,
                    Some(exchange) => {
                        exchange.set_received_head(metadata, encoding);
                        attempt.ticket.outbox = Outbox::default();
                        self.touch(key);
                    }
                }
            }
            Ok(ResponseHead::TrailersOnly(end)) => self.finish(engine, key, end),
            Ok(ResponseHead::NotGrpc(foreign)) => attempt.progress = Progress::Foreign(foreign),
            Err(status) => self.give_up(engine, key, Some(Reason::CANCEL), status),
        }
    }

    fn touch(&mut self, key: StreamKey) {
        if self.touched.last() != Some(&key) {
            self.touched.push(key);
        }
    }

    pub(super) fn handle_data(&mut self, engine: &mut Engine, key: StreamKey, bytes: &[u8], end_stream: bool) {
        let message_len_max = self.profile.limits.message_len_max;
        let Some(attempt) = self.attempt_mut(key) else {
            return engine.release_capacity(key, bytes.len());
        };
        if let Progress::Foreign(foreign) = &mut attempt.progress {
            engine.release_capacity(key, bytes.len());
            if !foreign.handle_body(bytes) || end_stream {
                self.finish_foreign(engine, key, |foreign, _| foreign.into_status());
            }
            return;
        }
        let taken = match attempt.ticket.exchange {
            None => {
                engine.release_capacity(key, bytes.len());
                attempt.take_reply(bytes, message_len_max)
            }
            Some(_) => self.take_messages(engine, key, bytes),
        };
        match taken {
            Err(status) => self.give_up(engine, key, Some(Reason::CANCEL), status),
            Ok(()) if end_stream => self.give_up(engine, key, None, end_without_trailers()),
            Ok(()) => {}
        }
    }

    /// Messages of a streaming response, into its inbox.
    fn take_messages(&mut self, engine: &mut Engine, key: StreamKey, bytes: &[u8]) -> Result<(), Status> {
        let message_len_max = self.profile.limits.message_len_max;
        let Some(attempt) = self.attempt_mut(key) else { return Ok(()) };
        let Some(exchange) = attempt.ticket.exchange.clone() else { return Ok(()) };
        let mut input = bytes;
        attempt.owed_len += bytes.len();
        while let Some(message) = attempt.assembler.next(&mut input, attempt.encoding, message_len_max)? {
            attempt.count.handle_message()?;
            let owed = attempt.owed_len - input.len();
            attempt.owed_len = input.len();
            let (consumed, _) = exchange.push_message(message.compressed, message.frame, owed);
            engine.release_capacity(key, consumed);
        }
        if attempt.owed_len > 0 {
            self.give_window(engine, key);
        }
        self.touch(key);
        Ok(())
    }

    pub(super) fn handle_trailers(&mut self, engine: &mut Engine, key: StreamKey, oversize: bool) {
        if oversize {
            return self.give_up(engine, key, None, too_long_head());
        }
        let is_plain = self.plain.has_trailers(engine.fields());
        let Some(attempt) = self.attempt_mut(key) else { return };
        if matches!(attempt.progress, Progress::Foreign(_)) {
            return self.finish_foreign(engine, key, |foreign, engine| {
                foreign.into_status_with(engine.fields().iter().map(|field| (field.token, field.name, field.value)))
            });
        }
        let end = if is_plain {
            Ok(Metadata::new())
        } else {
            read_trailers(engine.fields().iter().map(|field| (field.token, field.name, field.value)))
        };
        let end = end.and_then(|trailers| attempt.assembler.finish().map(|()| trailers));
        self.finish(engine, key, end);
    }

    /// What was not gRPC is over, or enough of it is known.
    fn finish_foreign(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        status: impl FnOnce(ForeignResponse, &Engine) -> Status,
    ) {
        let Some(attempt) = self.attempt_mut(key) else { return };
        let Progress::Foreign(foreign) = std::mem::replace(&mut attempt.progress, Progress::Messages) else { return };
        let status = status(*foreign, engine);
        self.give_up(engine, key, None, status);
    }

    /// The peer ended the call in order.
    fn finish(&mut self, engine: &mut Engine, key: StreamKey, end: Result<Metadata, Status>) {
        let Some(attempt) = self.attempt_mut(key) else { return };
        let end = end.and_then(|trailers| attempt.count.handle_end().map(|()| trailers));
        if !attempt.has_ended || engine.queued_len(key) > 0 {
            // gRPC PROTOCOL-HTTP2: a status ends the call, whatever the client still has to say.
            engine.reset(key, Reason::CANCEL);
        }
        let Some(mut attempt) = self.take(engine, key) else { return };
        let ticket = std::mem::take(&mut attempt.ticket);
        match (end, attempt.reply.take()) {
            (Ok(trailers), Some((body, compressed))) => ticket.succeed(UnaryReply {
                body,
                compressed,
                encoding: attempt.encoding,
                metadata: std::mem::take(&mut attempt.metadata),
                trailers,
            }),
            (end, _) => {
                ticket.finish(end.map_err(|status| with_initial(status, std::mem::take(&mut attempt.metadata))))
            }
        }
        self.recycle(attempt);
    }

    /// The stream ended early.
    pub(super) fn handle_reset(
        &mut self,
        engine: &mut Engine,
        key: StreamKey,
        reason: Reason,
        unprocessed: bool,
        now: Duration,
    ) {
        let Some(attempt) = self.attempt_mut(key) else { return engine.forget(key) };
        let is_retryable = unprocessed && matches!(attempt.progress, Progress::Waiting);
        if is_retryable && attempt.ticket.retry_refused() {
            let Some(mut attempt) = self.take(engine, key) else { return };
            std::mem::take(&mut attempt.ticket).resubmit();
            return self.recycle(attempt);
        }
        let status = reset_reason(reason).status(now, attempt.deadline);
        self.give_up(engine, key, None, status);
    }
}

impl Attempt {
    /// The one message of a unary response, into the memory of its request.
    fn take_reply(&mut self, bytes: &[u8], message_len_max: usize) -> Result<(), Status> {
        let mut input = bytes;
        while let Some(message) = self.assembler.next(&mut input, self.encoding, message_len_max)? {
            self.count.handle_message()?;
            let body = match message.frame {
                Frame::Slice(octets) => {
                    let mut memory = std::mem::take(&mut self.ticket.outbox.octets);
                    memory.clear();
                    memory.extend_from_slice(octets);
                    ReplyBody::Owned(memory)
                }
                frame => ReplyBody::Shared(frame.into_bytes()),
            };
            self.reply = Some((body, message.compressed));
        }
        Ok(())
    }
}

fn too_long_head() -> Status {
    Status::resource_exhausted("the response's metadata are longer than the limit for received headers")
}

fn reset_reason(reason: Reason) -> ResetReason {
    match reason {
        Reason::NO_ERROR => ResetReason::NoError,
        Reason::PROTOCOL_ERROR => ResetReason::ProtocolError,
        Reason::INTERNAL_ERROR => ResetReason::InternalError,
        Reason::FLOW_CONTROL_ERROR => ResetReason::FlowControlError,
        Reason::SETTINGS_TIMEOUT => ResetReason::SettingsTimeout,
        Reason::STREAM_CLOSED => ResetReason::StreamClosed,
        Reason::FRAME_SIZE_ERROR => ResetReason::FrameSizeError,
        Reason::REFUSED_STREAM => ResetReason::Refused,
        Reason::CANCEL => ResetReason::Cancel,
        Reason::COMPRESSION_ERROR => ResetReason::CompressionError,
        Reason::CONNECT_ERROR => ResetReason::ConnectError,
        Reason::ENHANCE_YOUR_CALM => ResetReason::EnhanceYourCalm,
        Reason::INADEQUATE_SECURITY => ResetReason::InadequateSecurity,
        Reason::HTTP_1_1_REQUIRED => ResetReason::Http11Required,
        Reason(code) => ResetReason::Unknown(code),
    }
}

/// A call with one reply that fails has one bag of metadata: what came in front of the
/// trailers, then the trailers.
#[cold]
fn with_initial(mut status: Status, mut initial: Metadata) -> Status {
    if !initial.is_empty() {
        initial.merge(status.metadata());
        *status.metadata_mut() = initial;
    }
    status
}
