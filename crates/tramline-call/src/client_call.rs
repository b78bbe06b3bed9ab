//! A client's view of a call: what goes out as fields, and what comes in.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::field::{FieldReuse, FieldSink, FieldToken};
use crate::mapping::code_of_http_status;
use crate::metadata::decode_binary;
use crate::{Encoding, EncodingSet, Metadata, MethodInfo, Path, Status, Subtype, percent, timeout};

/// What identifies this library in a user agent.
const USER_AGENT: &str = concat!("grpc-rust-tramline/", env!("CARGO_PKG_VERSION"));

/// The user agent of a channel, with what the application put in front.
#[must_use]
pub fn user_agent(application: Option<&str>) -> String {
    match application.map(str::trim).filter(|application| !application.is_empty()) {
        Some(application) => format!("{application} {USER_AGENT}"),
        None => String::from(USER_AGENT),
    }
}

/// Whether a request travels in the open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// In the open.
    Http,
    /// Over TLS.
    Https,
}

/// What a request's head is made of.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The method.
    pub path: &'a Path,
    /// Whom to reach: the target's host, unless the user said otherwise.
    pub authority: &'a str,
    /// Whether the connection is TLS.
    pub scheme: Scheme,
    /// What is left until the deadline. A call with nothing left is not sent.
    pub timeout: Option<Duration>,
    /// How messages that are marked as compressed will be.
    pub encoding: Encoding,
    /// What this side can decompress.
    pub accept: EncodingSet,
    /// See [`user_agent`].
    pub user_agent: &'a str,
    /// The codec's format, as [`MethodInfo::subtype`] has it.
    pub subtype: Subtype,
    /// The call's metadata.
    pub metadata: &'a Metadata,
}

/// The groups of fields that a request's head has.
const TARGET_PLACE: usize = 0;
const FORMAT_PLACE: usize = 1;

/// Writes a request's head, in the order that the gRPC document gives.
pub fn write_request(parts: &RequestParts<'_>, sink: &mut impl FieldSink) {
    write_target(parts, sink);
    // Without the header the call would have no deadline at all.
    let timeout = parts.timeout.map(|timeout| timeout.max(Duration::from_nanos(1)));
    if let Some(timeout) = timeout.and_then(timeout::encode) {
        sink.field(b"grpc-timeout", timeout.as_bytes(), FieldReuse::Unique);
    }
    write_format(parts, sink);
    parts.metadata.write_to(sink);
}

/// Whom the request is for.
fn write_target(parts: &RequestParts<'_>, sink: &mut impl FieldSink) {
    let texts = [parts.path.as_bytes(), parts.authority.as_bytes()];
    sink.group(TARGET_PLACE, parts.scheme as u64, texts, |sink| {
        sink.field(b":method", b"POST", FieldReuse::Repeated);
        let scheme: &[u8] = match parts.scheme {
            Scheme::Http => b"http",
            Scheme::Https => b"https",
        };
        sink.field(b":scheme", scheme, FieldReuse::Repeated);
        sink.field(b":path", parts.path.as_bytes(), FieldReuse::Repeated);
        sink.field(b":authority", parts.authority.as_bytes(), FieldReuse::Repeated);
    });
}

/// How its messages are written, and those of the response may be.
fn write_format(parts: &RequestParts<'_>, sink: &mut impl FieldSink) {
    // Protobuf goes without a name: every server takes it for the default.
    let subtype = if parts.subtype.as_bytes() == b"proto" { Subtype::NONE } else { parts.subtype };
    let texts = [subtype.as_bytes(), parts.user_agent.as_bytes()];
    let encodings = (parts.encoding as u64) << 8 | u64::from(parts.accept.bits());
    sink.group(FORMAT_PLACE, encodings, texts, |sink| {
        sink.field(b"te", b"trailers", FieldReuse::Repeated);
        subtype.with_content_type(|value| sink.field(b"content-type", value, FieldReuse::Repeated));
        if parts.encoding != Encoding::Identity {
            sink.field(b"grpc-encoding", parts.encoding.name().as_bytes(), FieldReuse::Repeated);
        }
        if parts.accept != EncodingSet::IDENTITY {
            sink.field(b"grpc-accept-encoding", parts.accept.list_octets(), FieldReuse::Repeated);
        }
        sink.field(b"user-agent", parts.user_agent.as_bytes(), FieldReuse::Repeated);
    });
}

/// A response's first fields, read.
///
/// ```
/// use tramline_call::client_call::{ResponseHead, read_trailers};
/// use tramline_call::{Code, EncodingSet, Method, codec::Raw, field::classify};
///
/// let method = Method::<(), (), Raw>::unary("/pkg.Echo/Say", Raw).info();
/// let section = |fields: [(&'static [u8], &'static [u8]); 2]| {
///     fields.map(|(name, value)| (classify(name, value, |_| None).0, name, value))
/// };
/// let head = section([(b":status", b"200"), (b"content-type", b"application/grpc")]);
/// let head = ResponseHead::read(head, false, EncodingSet::IDENTITY, &method).unwrap();
/// assert!(matches!(head, ResponseHead::Head { .. }));
///
/// let trailers = section([(b"grpc-status", b"5"), (b"grpc-message", b"no such book")]);
/// let status = read_trailers(trailers).unwrap_err();
/// assert_eq!((status.code(), status.message()), (Code::NotFound, "no such book"));
/// ```
#[derive(Debug)]
pub enum ResponseHead {
    /// Messages and trailers follow.
    Head {
        /// The initial metadata.
        metadata: Metadata,
        /// How compressed messages are compressed.
        encoding: Encoding,
    },
    /// The call has ended already, with these trailers.
    TrailersOnly(Result<Metadata, Status>),
    /// Something else than a gRPC server answered, or a server that failed early.
    NotGrpc(Box<ForeignResponse>),
}

impl ResponseHead {
    /// Reads the fields of a response's head; `end_stream` says that nothing follows.
    /// `readable` is what this side can decompress, and `method` the one that was called.
    ///
    /// # Errors
    /// The head makes no sense: the call fails with this status, and its stream is to be
    /// reset.
    pub fn read<'a>(
        fields: impl IntoIterator<Item = (FieldToken, &'a [u8], &'a [u8])>,
        end_stream: bool,
        readable: EncodingSet,
        method: &MethodInfo,
    ) -> Result<ResponseHead, Status> {
        let mut metadata = Metadata::new();
        let mut section = Section::default();
        section.read(fields, &mut metadata);
        let is_grpc = matches!(section.content_type, Some(FieldToken::ContentType(_)));
        if end_stream && section.status.is_some() {
            return Ok(ResponseHead::TrailersOnly(section.outcome(metadata)));
        }
        if section.http_status != 200 || !is_grpc {
            let foreign = ForeignResponse::new(&section, metadata);
            if !end_stream {
                return Ok(ResponseHead::NotGrpc(Box::new(foreign)));
            }
            return Ok(ResponseHead::TrailersOnly(Err(foreign.into_status())));
        }
        if end_stream {
            return Ok(ResponseHead::TrailersOnly(section.outcome(metadata)));
        }
        section.head(readable, method, metadata)
    }
}

/// Reads the trailers behind a head and messages.
///
/// # Errors
/// The call's status, if it is not OK; UNKNOWN if it cannot be read or is missing.
pub fn read_trailers<'a>(
    fields: impl IntoIterator<Item = (FieldToken, &'a [u8], &'a [u8])>,
) -> Result<Metadata, Status> {
    let mut metadata = Metadata::new();
    let mut section = Section::default();
    section.read(fields, &mut metadata);
    section.outcome(metadata)
}

/// The status of a response that ended in order without trailers: INTERNAL.
#[must_use]
pub fn end_without_trailers() -> Status {
    Status::internal("the response ended without trailers")
}

/// What a field section of a response says.
#[derive(Default)]
struct Section<'a> {
    http_status: u16,
    content_type: Option<FieldToken>,
    content_type_text: &'a [u8],
    encoding: Encoding,
    unknown_encoding: Option<&'a [u8]>,
    /// `grpc-status`: `Some(None)` if it is no number.
    status: Option<Option<u32>>,
    status_text: &'a [u8],
    message: &'a [u8],
    details: &'a [u8],
    has_invalid_binary: bool,
}

impl<'a> Section<'a> {
    /// Reads the fields; those of the application go to `metadata`.
    fn read(&mut self, fields: impl IntoIterator<Item = (FieldToken, &'a [u8], &'a [u8])>, metadata: &mut Metadata) {
        let mut received = metadata.receive();
        for (token, name, value) in fields {
            match token {
                FieldToken::Text | FieldToken::Binary { is_valid: true } => received.push(name, value),
                _ => self.read_field(token, value),
            }
        }
    }

    /// Reads a field that is no metadata.
    #[inline]
    fn read_field(&mut self, token: FieldToken, value: &'a [u8]) {
        match token {
            FieldToken::Status(status) => self.http_status = status,
            FieldToken::ContentType(_) | FieldToken::ForeignContentType => {
                self.content_type = Some(token);
                self.content_type_text = value;
            }
            FieldToken::Encoding(Some(encoding)) => self.encoding = encoding,
            FieldToken::Encoding(None) => self.unknown_encoding = Some(value),
            // Of several, an error stands: OK is what all of them say.
            FieldToken::GrpcStatus(status) if matches!(self.status, None | Some(Some(0))) => {
                self.status = Some(status);
                self.status_text = value;
            }
            FieldToken::GrpcMessage => self.message = value,
            FieldToken::StatusDetails => self.details = value,
            FieldToken::Binary { is_valid: false } => self.has_invalid_binary = true,
            _ => {}
        }
    }

    fn head(&self, readable: EncodingSet, method: &MethodInfo, metadata: Metadata) -> Result<ResponseHead, Status> {
        self.check_subtype(method)?;
        self.check_encoding(readable)?;
        self.check_metadata()?;
        Ok(ResponseHead::Head { metadata, encoding: self.encoding })
    }

    fn check_subtype(&self, method: &MethodInfo) -> Result<(), Status> {
        let Some(FieldToken::ContentType(subtype)) = self.content_type else { return Ok(()) };
        if subtype == Subtype::NONE || method.reads(subtype.as_str()) {
            return Ok(());
        }
        Err(Status::internal(format!(
            "the method's messages are {}, and the response's content type names {}",
            method.subtype().as_str(),
            subtype.as_str()
        )))
    }

    fn check_encoding(&self, readable: EncodingSet) -> Result<(), Status> {
        let name = match self.unknown_encoding {
            Some(name) => name,
            None if readable.contains(self.encoding) => return Ok(()),
            None => self.encoding.name().as_bytes(),
        };
        let name = name.escape_ascii();
        Err(Status::internal(format!("the response's grpc-encoding {name} is not supported here")))
    }

    fn check_metadata(&self) -> Result<(), Status> {
        if !self.has_invalid_binary {
            return Ok(());
        }
        Err(Status::internal("the value of a metadata key that ends in -bin is not base64"))
    }

    /// The outcome that the section says, or the lack of one.
    fn outcome(&self, metadata: Metadata) -> Result<Metadata, Status> {
        match self.status {
            Some(Some(0)) => self.check_metadata().map(|()| metadata),
            Some(Some(number)) => Err(self.remote(number, metadata)),
            Some(None) => {
                let message = format!("grpc-status cannot be read: {}{}", self.status_text.escape_ascii(), self.hint());
                Err(Status::unknown(message).with_metadata(metadata))
            }
            None => {
                let message = format!("the trailers have no grpc-status{}", self.hint());
                Err(Status::unknown(message).with_metadata(metadata))
            }
        }
    }

    /// What the peer's message adds to a status that this side had to make.
    fn hint(&self) -> String {
        if self.message.is_empty() { String::new() } else { format!(" ({})", percent::decode(self.message)) }
    }

    fn remote(&self, number: u32, metadata: Metadata) -> Status {
        let message = Cow::Owned(percent::decode(self.message));
        // Details that cannot be read are ignored: the status holds without them.
        let details = decode_binary(self.details).map(Bytes::from).unwrap_or_default();
        Status::remote(number, message, details, metadata)
    }
}

/// Octets of a foreign response's body that are kept to explain it.
const BODY_LEN_MAX: usize = 1024;

/// A response without a gRPC head: a proxy's error page, a wrong port, a server that
/// failed before gRPC began. Its body is kept as far as it helps.
#[derive(Debug)]
pub struct ForeignResponse {
    http_status: u16,
    content_type: Option<Box<[u8]>>,
    is_grpc: bool,
    message: String,
    body: Vec<u8>,
    metadata: Metadata,
}

impl ForeignResponse {
    fn new(section: &Section<'_>, metadata: Metadata) -> Self {
        let is_grpc = matches!(section.content_type, Some(FieldToken::ContentType(_)));
        ForeignResponse {
            http_status: section.http_status,
            content_type: section.content_type.filter(|_| !is_grpc).map(|_| section.content_type_text.into()),
            is_grpc,
            message: percent::decode(section.message),
            body: Vec::new(),
            metadata,
        }
    }

    /// Takes a piece of the body. False once more of it would not help: the stream may be
    /// reset then.
    pub fn handle_body(&mut self, octets: &[u8]) -> bool {
        let room = BODY_LEN_MAX.saturating_sub(self.body.len());
        self.body.extend_from_slice(octets.get(..room).unwrap_or(octets));
        self.body.len() < BODY_LEN_MAX
    }

    /// The call's status, if trailers came behind the body: theirs, unless it is OK or missing.
    #[must_use]
    pub fn into_status_with<'a>(self, trailers: impl IntoIterator<Item = (FieldToken, &'a [u8], &'a [u8])>) -> Status {
        let mut metadata = Metadata::new();
        let mut section = Section::default();
        section.read(trailers, &mut metadata);
        match section.status {
            Some(Some(number)) if number != 0 => section.remote(number, metadata),
            _ => self.into_status(),
        }
    }

    /// The call's status: from the HTTP status.
    #[must_use]
    pub fn into_status(self) -> Status {
        let mut message = format!("the server answered with HTTP status {}", self.http_status);
        match &self.content_type {
            Some(text) => message.push_str(&format!(" and content type {:?}", String::from_utf8_lossy(text))),
            None if !self.is_grpc => message.push_str(" and no content type"),
            None => message.push_str(" and no grpc-status"),
        }
        for text in [self.message.trim(), String::from_utf8_lossy(&self.body).trim()] {
            if !text.is_empty() {
                message.push_str(": ");
                message.push_str(text);
            }
        }
        Status::new(code_of_http_status(self.http_status), message).with_metadata(self.metadata)
    }
}
