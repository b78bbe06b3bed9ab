//! A server's view of a call: what comes in as fields, and what goes out.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::field::{FieldReuse, FieldSink, FieldToken};
use crate::metadata::encode_binary;
use crate::method::split_at;
use crate::{Code, Encoding, EncodingSet, Metadata, MethodInfo, Status, Subtype, percent};

/// Why no call comes of a request.
#[derive(Debug)]
pub enum Rejection {
    /// It is not gRPC: an HTTP status, and nothing else.
    Http(u16),
    /// It is gRPC, and gets a status at once.
    Call(Box<RejectedCall>),
}

/// The answer to a request that is gRPC and cannot become a call.
#[derive(Debug)]
pub struct RejectedCall {
    /// What HTTP is told. Clients of gRPC go by `status`, whatever stands here.
    pub http_status: u16,
    /// What the client is told.
    pub status: Status,
    /// Whether the answer lists the encodings that this side reads.
    pub lists_encodings: bool,
}

impl RejectedCall {
    fn new(status: Status) -> Self {
        RejectedCall { http_status: 200, status, lists_encodings: false }
    }
}

impl From<RejectedCall> for Rejection {
    fn from(rejected: RejectedCall) -> Self {
        Rejection::Call(Box::new(rejected))
    }
}

impl From<Status> for Rejection {
    fn from(status: Status) -> Self {
        RejectedCall::new(status).into()
    }
}

/// A request whose field section is over the limit that this side advertised (RFC 6585 §5).
#[must_use]
pub fn header_list_too_long() -> Rejection {
    let status = Status::resource_exhausted("the request's header fields are over the server's limit");
    RejectedCall { http_status: 431, ..RejectedCall::new(status) }.into()
}

/// The status for a method that is not registered.
#[must_use]
pub fn unknown_method(path: &[u8]) -> Status {
    Status::unimplemented(format!("the server has no method {}", shown(path)))
}

/// How much of what a peer named is said back to it: a long name would come back four times
/// as long, and be over the peer's own limit.
const SHOWN_LEN_MAX: usize = 256;

fn shown(name: &[u8]) -> String {
    match name.get(..SHOWN_LEN_MAX) {
        Some(front) if name.len() > SHOWN_LEN_MAX => format!("{}... ({} octets)", front.escape_ascii(), name.len()),
        _ => name.escape_ascii().to_string(),
    }
}

/// A request's head, read.
///
/// It is meant to be used again: [`reset`](Self::reset) keeps its memory, and then a head
/// is read without allocating, unless the last call's [`Metadata`] still lives somewhere.
///
/// ```
/// use tramline_call::{EncodingSet, field::classify, server_call::RequestHead};
///
/// let fields = [
///     (&b":method"[..], &b"POST"[..]),
///     (b":scheme", b"http"),
///     (b":path", b"/pkg.Echo/Say"),
///     (b":authority", b"localhost"),
///     (b"te", b"trailers"),
///     (b"content-type", b"application/grpc"),
///     (b"x-tenant", b"blue"),
/// ];
/// let tokens = fields.map(|(name, value)| (classify(name, value, |_| Some(7)).0, name, value));
/// let mut head = RequestHead::default();
/// head.read(tokens, EncodingSet::IDENTITY).unwrap();
/// assert_eq!(head.route(), Some(7));
/// assert_eq!(head.metadata().get("x-tenant"), Some("blue"));
/// ```
#[derive(Debug, Default)]
pub struct RequestHead {
    route: Option<u32>,
    timeout: Option<Duration>,
    encoding: Encoding,
    accept: EncodingSet,
    subtype: Subtype,
    metadata: Metadata,
    /// The authority, and behind it the path if it has no route.
    text: Vec<u8>,
    authority_len: usize,
    /// The places of the metadata among all fields, a bit each.
    metadata_places: u64,
    /// Some metadata are not what they were when the head was read.
    has_fresh_metadata: bool,
    /// Handles on the metadata that calls gave back: with them nothing is counted for the next.
    spare_handles: Vec<Metadata>,
}

/// As many as most connections have calls at a time.
const SPARE_HANDLE_COUNT_MAX: usize = 128;

/// What is known of a request while its fields are being read.
#[derive(Default)]
struct Reading<'a> {
    is_post: bool,
    path: &'a [u8],
    authority: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    content_type: Option<FieldToken>,
    unknown_encoding: Option<&'a [u8]>,
    seen: Seen,
    fault: Option<Fault>,
}

/// Fields that may come once, and have come.
#[derive(Default)]
struct Seen {
    timeout: bool,
    encoding: bool,
}

/// Why a head cannot be a call's. The first in this order is reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Host,
    Duplicate(&'static str),
    Timeout,
    Binary,
}

impl RequestHead {
    /// Reads a head's fields, each with its token. `readable` is what this side can
    /// decompress.
    ///
    /// # Errors
    /// No call comes of it, and what the head holds is of no use.
    pub fn read<'a>(
        &mut self,
        fields: impl IntoIterator<Item = (FieldToken, &'a [u8], &'a [u8])>,
        readable: EncodingSet,
    ) -> Result<(), Rejection> {
        self.reset();
        let mut metadata = core::mem::take(&mut self.metadata);
        let mut received = metadata.receive();
        let mut reading = Reading::default();
        let mut place = 1;
        for (token, name, value) in fields {
            match token {
                FieldToken::Text | FieldToken::Binary { is_valid: true } => {
                    received.push(name, value);
                    self.metadata_places |= place;
                }
                _ => self.read_field(&mut reading, token, value),
            }
            place <<= 1;
        }
        self.metadata = metadata;
        self.finish(&reading, readable)
    }

    /// Takes another head in the place of the one that was read: it has the same fields in the
    /// same order, and other values at these places at most. False if such a value changes what
    /// a call is, or cannot be taken: then the head is of no use until it is read.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tramline_call::{EncodingSet, field::classify, server_call::RequestHead};
    ///
    /// let mut head = RequestHead::default();
    /// let token = |name: &[u8], value: &[u8]| classify(name, value, |_| Some(7)).0;
    /// let fields = [
    ///     (&b":method"[..], &b"POST"[..]),
    ///     (b":path", b"/pkg.Echo/Say"),
    ///     (b"content-type", b"application/grpc"),
    ///     (b"grpc-timeout", b"20S"),
    ///     (b"x-request-id", b"1"),
    /// ];
    /// head.read(fields.map(|(name, value)| (token(name, value), name, value)), EncodingSet::IDENTITY).unwrap();
    ///
    /// let fresh = [(3, token(b"grpc-timeout", b"19S"), &b"19S"[..]), (4, token(b"x-request-id", b"2"), b"2")];
    /// assert!(head.renew(fresh));
    /// assert_eq!(head.timeout(), Some(Duration::from_secs(19)));
    /// assert_eq!(head.metadata().get("x-request-id"), Some("2"));
    /// assert!(!head.renew([(1, token(b":path", b"/other"), &b"/other"[..])]));
    /// ```
    pub fn renew<'a>(&mut self, fresh: impl IntoIterator<Item = (usize, FieldToken, &'a [u8])>) -> bool {
        for (at, token, value) in fresh {
            match token {
                FieldToken::Timeout(nanos) => self.timeout = Some(Duration::from_nanos(nanos)),
                FieldToken::Text | FieldToken::Binary { is_valid: true } if self.is_metadata(at) => {
                    let before = self.metadata_places & ((1 << at) - 1);
                    self.spare_handles.clear();
                    self.metadata.replace_received(before.count_ones() as usize, value);
                    self.has_fresh_metadata = true;
                }
                FieldToken::Ignored => {}
                _ => return false,
            }
        }
        true
    }

    /// Whether the field at this place was metadata when the head was read.
    fn is_metadata(&self, at: usize) -> bool {
        u32::try_from(at).ok().and_then(|at| self.metadata_places.checked_shr(at)).is_some_and(|places| places & 1 != 0)
    }

    /// Reads a field that is no metadata.
    #[inline]
    fn read_field<'a>(&mut self, reading: &mut Reading<'a>, token: FieldToken, value: &'a [u8]) {
        match token {
            FieldToken::Path(route) => {
                self.route = route;
                reading.path = value;
            }
            FieldToken::Method { is_post } => reading.is_post = is_post,
            FieldToken::Authority => reading.authority = Some(value),
            FieldToken::Host => reading.add_host(value),
            FieldToken::ContentType(_) | FieldToken::ForeignContentType => reading.add_content_type(token),
            FieldToken::Timeout(nanos) => {
                reading.add_once(|seen| &mut seen.timeout, "grpc-timeout");
                self.timeout = Some(Duration::from_nanos(nanos));
            }
            FieldToken::MalformedTimeout => reading.add_fault(Fault::Timeout),
            FieldToken::Encoding(encoding) => {
                reading.add_once(|seen| &mut seen.encoding, "grpc-encoding");
                match encoding {
                    Some(encoding) => self.encoding = encoding,
                    None => reading.unknown_encoding = Some(value),
                }
            }
            FieldToken::AcceptEncoding(set) => self.accept = self.accept.union(set),
            FieldToken::Binary { is_valid: false } => reading.add_fault(Fault::Binary),
            _ => {}
        }
    }

    fn finish(&mut self, reading: &Reading<'_>, readable: EncodingSet) -> Result<(), Rejection> {
        let fault = reading.fault();
        // Whatever the request is: nobody may take it for another host's (RFC 9113 §8.3.1).
        if fault == Some(Fault::Host) {
            return Err(Fault::Host.rejection());
        }
        let Some(FieldToken::ContentType(subtype)) = reading.content_type else { return Err(Rejection::Http(415)) };
        self.subtype = subtype;
        if !reading.is_post {
            let status = Status::internal("a gRPC request is a POST");
            return Err(RejectedCall { http_status: 405, ..RejectedCall::new(status) }.into());
        }
        if let Some(fault) = fault {
            return Err(fault.rejection());
        }
        if self.route.is_none() && split_at(reading.path).is_none() {
            return Err(unknown_method(reading.path).into());
        }
        if let Some(name) = reading.unknown_encoding {
            return Err(unreadable(name));
        }
        if !readable.contains(self.encoding) {
            return Err(unreadable(self.encoding.name().as_bytes()));
        }
        self.keep_text(reading);
        Ok(())
    }

    fn keep_text(&mut self, reading: &Reading<'_>) {
        // RFC 9110 §7.2: `host` counts where there is no `:authority`.
        let authority = reading.authority.or(reading.host).unwrap_or_default();
        self.text.extend_from_slice(authority);
        self.authority_len = authority.len();
        if self.route.is_none() {
            self.text.extend_from_slice(reading.path);
        }
    }

    /// The route that the classifier found for the path.
    #[must_use]
    pub fn route(&self) -> Option<u32> {
        self.route
    }

    /// The path, if it has no route: `/service/method` of no registered method. Empty otherwise.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.text.get(self.authority_len..).unwrap_or_default();
        core::str::from_utf8(path).unwrap_or_default()
    }

    /// Whom the client wanted to reach; empty if that is no text.
    #[must_use]
    pub fn authority(&self) -> &str {
        let authority = self.text.get(..self.authority_len).unwrap_or_default();
        core::str::from_utf8(authority).unwrap_or_default()
    }

    /// How long the client will wait.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How compressed messages of the request are compressed.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What the client can decompress.
    #[must_use]
    pub fn accept(&self) -> EncodingSet {
        self.accept
    }

    /// The format of the messages; the response names the same.
    #[must_use]
    pub fn subtype(&self) -> Subtype {
        self.subtype
    }

    /// Fails a call in a format that the method's codec does not read.
    ///
    /// # Errors
    /// UNIMPLEMENTED, as a [`Rejection`].
    pub fn check_subtype(&self, method: &MethodInfo) -> Result<(), Rejection> {
        if self.subtype == Subtype::NONE || method.reads(self.subtype.as_str()) {
            return Ok(());
        }
        let message = format!(
            "the method's messages are {}, and the request's content type names {}",
            method.subtype().as_str(),
            self.subtype.as_str()
        );
        Err(Status::unimplemented(message).into())
    }

    /// The request's metadata. A clone of it costs no memory.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Gives a call the metadata, in the memory of one that is over. The head keeps them, and
    /// may be [renewed](Self::renew).
    #[inline]
    pub fn lend_metadata(&mut self, call: &mut Metadata) {
        if self.has_fresh_metadata || self.metadata.is_empty() {
            return call.copy_from(&self.metadata);
        }
        // Whatever happened since it was given back: one that shares has the same values.
        let spare = self.spare_handles.pop().filter(|spare| spare.shares(&self.metadata));
        *call = spare.unwrap_or_else(|| self.metadata.clone());
    }

    /// Takes a handle that was [lent](Self::lend_metadata), and is not needed any more.
    #[inline]
    pub fn return_metadata(&mut self, handle: Metadata) {
        if self.spare_handles.len() < SPARE_HANDLE_COUNT_MAX && handle.shares(&self.metadata) {
            self.spare_handles.push(handle);
        }
    }

    /// The request's metadata, to be taken over. What is left in its place lends its memory
    /// to the next request.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Forgets the request, and keeps memory for the next one.
    pub fn reset(&mut self) {
        self.spare_handles.clear();
        self.metadata.clear();
        self.text.clear();
        self.route = None;
        self.timeout = None;
        self.encoding = Encoding::Identity;
        self.accept = EncodingSet::IDENTITY;
        self.subtype = Subtype::NONE;
        self.authority_len = 0;
        self.metadata_places = 0;
        self.has_fresh_metadata = false;
    }
}

impl<'a> Reading<'a> {
    fn add_host(&mut self, value: &'a [u8]) {
        if self.host.replace(value).is_some() {
            self.add_fault(Fault::Host);
        }
    }

    fn add_content_type(&mut self, token: FieldToken) {
        if self.content_type.replace(token).is_some() {
            self.add_fault(Fault::Duplicate("content-type"));
        }
    }

    fn add_once(&mut self, field: impl FnOnce(&mut Seen) -> &mut bool, name: &'static str) {
        if core::mem::replace(field(&mut self.seen), true) {
            self.add_fault(Fault::Duplicate(name));
        }
    }

    fn add_fault(&mut self, fault: Fault) {
        self.fault = Some(self.fault.map_or(fault, |before| before.min(fault)));
    }

    fn fault(&self) -> Option<Fault> {
        match (self.authority, self.host) {
            (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => Some(Fault::Host),
            _ => self.fault,
        }
    }
}

impl Fault {
    fn rejection(self) -> Rejection {
        let status = match self {
            Fault::Host => {
                let status = Status::internal("the request has several hosts, or one other than its :authority");
                return RejectedCall { http_status: 400, ..RejectedCall::new(status) }.into();
            }
            Fault::Duplicate(name) => Status::internal(format!("the request has more than one {name}")),
            Fault::Timeout => Status::internal("grpc-timeout is not one to eight digits and a unit"),
            Fault::Binary => Status::internal("the value of a metadata key that ends in -bin is not base64"),
        };
        status.into()
    }
}

/// gRPC compression: "UNIMPLEMENTED … with a grpc-accept-encoding that lists what is supported".
fn unreadable(name: &[u8]) -> Rejection {
    let message = format!("the request's grpc-encoding {} is not supported here", shown(name));
    RejectedCall { lists_encodings: true, ..RejectedCall::new(Status::unimplemented(message)) }.into()
}

/// Writes a response's head. `subtype` is the request's; `encoding` is how messages that
/// are marked as compressed will be.
#[inline(always)]
pub fn write_head(subtype: Subtype, metadata: &Metadata, encoding: Option<Encoding>, sink: &mut impl FieldSink) {
    sink.group(0, 200, [subtype.as_bytes(), b""], |sink| write_status_line(200, subtype, sink));
    if let Some(encoding) = encoding {
        sink.field(b"grpc-encoding", encoding.name().as_bytes(), FieldReuse::Repeated);
    }
    metadata.write_to(sink);
}

#[inline(always)]
fn write_status_line(http_status: u16, subtype: Subtype, sink: &mut impl FieldSink) {
    match http_status {
        200 => sink.field(b":status", b"200", FieldReuse::Repeated),
        status => sink.field(b":status", &three_digits(status), FieldReuse::Repeated),
    }
    // Constants, as most clients name no format.
    if subtype == Subtype::NONE {
        sink.field(b"content-type", b"application/grpc", FieldReuse::Repeated);
    } else {
        subtype.with_content_type(|value| sink.field(b"content-type", value, FieldReuse::Repeated));
    }
}

fn three_digits(status: u16) -> [u8; 3] {
    [status / 100, status / 10, status].map(|n| b'0' + (n % 10) as u8)
}

/// What the fields of a response take in one section beside metadata, message and details.
const SECTION_LEN_BASE: usize = 256;

/// Fails a call whose head, or whose trailers of success, would be longer than the client
/// said that it takes (RFC 9113 §6.5.2).
///
/// # Errors
/// RESOURCE_EXHAUSTED, which names both lengths.
#[inline]
pub fn check_section_len(metadata: &Metadata, len_max: usize) -> Result<(), Status> {
    if metadata.is_empty() { Ok(()) } else { check_len_of_some(metadata, len_max) }
}

fn check_len_of_some(metadata: &Metadata, len_max: usize) -> Result<(), Status> {
    let len = SECTION_LEN_BASE + metadata.section_len();
    if len <= len_max {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!(
        "the response's metadata make a section of about {len} bytes, and the client accepts {len_max}"
    )))
}

/// What is left of a failure and its trailers in a section that the client takes; `None` if
/// all of it. The code always stays: metadata go first, then details, then the message's end.
#[must_use]
pub fn fit_status(status: &Status, trailers: &Metadata, len_max: usize) -> Option<Status> {
    let room = len_max.saturating_sub(SECTION_LEN_BASE);
    let message_len: usize = status.message().chars().map(encoded_len).sum();
    let details_len = status.details().len().div_ceil(3) * 4;
    if message_len + details_len + status.metadata().section_len() + trailers.section_len() <= room {
        return None;
    }
    if message_len + details_len <= room {
        let whole = Status::new(status.code(), String::from(status.message()));
        return Some(whole.with_details(status.details().clone()));
    }
    Some(Status::new(status.code(), cut_message(status.message(), room)))
}

fn cut_message(message: &str, mut room: usize) -> String {
    let fits = |character: &char| {
        let len = encoded_len(*character);
        let is_within = len <= room;
        room = room.saturating_sub(len);
        is_within
    };
    message.chars().take_while(fits).collect()
}

/// At most what a character takes when it is percent-encoded.
fn encoded_len(character: char) -> usize {
    match character {
        '%' | ' ' => 3,
        '!'..='~' => 1,
        _ => 3 * character.len_utf8(),
    }
}

/// Writes a response's trailers; `None` is OK. They follow a head, or, where nothing was
/// sent yet, stand in one block with it.
#[inline(always)]
pub fn write_trailers(status: Option<&Status>, metadata: &Metadata, sink: &mut impl FieldSink) {
    match status {
        None => sink.field(b"grpc-status", Code::Ok.wire(), FieldReuse::Repeated),
        Some(status) => write_status(status, sink),
    }
    metadata.write_to(sink);
}

#[inline(never)]
fn write_status(status: &Status, sink: &mut impl FieldSink) {
    let code = status.code();
    sink.field(b"grpc-status", code.wire(), FieldReuse::Repeated);
    // OK needs no reason, and clients complain about one.
    if code != Code::Ok {
        write_reason(status, sink);
    }
    status.metadata().write_to(sink);
}

fn write_reason(status: &Status, sink: &mut impl FieldSink) {
    if !status.message().is_empty() {
        let message: Cow<'_, [u8]> = percent::encode(status.message());
        sink.field(b"grpc-message", &message, FieldReuse::Unique);
    }
    if !status.details().is_empty() {
        let mut details = Vec::new();
        encode_binary(status.details(), &mut details);
        sink.field(b"grpc-status-details-bin", &details, FieldReuse::Unique);
    }
}

/// Writes the whole answer to a request that cannot become a call, in one block that ends
/// the stream. `readable` is what this side can decompress.
pub fn write_rejection(rejected: &RejectedCall, readable: EncodingSet, sink: &mut impl FieldSink) {
    // Without messages there is no format to name; the request's may be one that nobody knows.
    write_status_line(rejected.http_status, Subtype::NONE, sink);
    if rejected.lists_encodings {
        sink.field(b"grpc-accept-encoding", readable.list_octets(), FieldReuse::Repeated);
    }
    write_trailers(Some(&rejected.status), &Metadata::new(), sink);
}

/// Writes an HTTP status without any of gRPC, in one block that ends the stream.
pub fn write_http_status(http_status: u16, sink: &mut impl FieldSink) {
    sink.field(b":status", &three_digits(http_status), FieldReuse::Repeated);
}
