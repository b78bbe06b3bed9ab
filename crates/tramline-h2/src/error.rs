//! Who broke what, in HTTP/2's own words.

use core::fmt;

/// An error code of RFC 9113 §7, as carried by RST_STREAM and GOAWAY.
///
/// Codes that no standard names are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u32);

macro_rules! reasons {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        impl Reason {
            $(#[doc = $doc] pub const $name: Reason = Reason($code);)*

            /// The code's name in RFC 9113 §7, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    NO_ERROR = 0x0, "Not a result of an error.";
    PROTOCOL_ERROR = 0x1, "An unspecific protocol error.";
    INTERNAL_ERROR = 0x2, "An unexpected error of the endpoint itself.";
    FLOW_CONTROL_ERROR = 0x3, "The peer violated flow control.";
    SETTINGS_TIMEOUT = 0x4, "SETTINGS was not acknowledged in time.";
    STREAM_CLOSED = 0x5, "A frame came for a half-closed stream.";
    FRAME_SIZE_ERROR = 0x6, "A frame has an invalid size.";
    REFUSED_STREAM = 0x7, "The stream was refused before any processing.";
    CANCEL = 0x8, "The stream is no longer needed.";
    COMPRESSION_ERROR = 0x9, "The field section compression context is lost.";
    CONNECT_ERROR = 0xa, "A CONNECT's connection was reset.";
    ENHANCE_YOUR_CALM = 0xb, "The peer generates excessive load.";
    INADEQUATE_SECURITY = 0xc, "The transport does not meet the requirements.";
    HTTP_1_1_REQUIRED = 0xd, "HTTP/1.1 is required.";
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Reason({:#x})", self.0),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Who caused an end: the peer said so, or this engine concluded so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Initiator {
    /// The peer sent RST_STREAM or GOAWAY.
    Remote,
    /// The peer broke a rule, and this engine answered.
    Library,
}

/// What kind of rule a [`ConnectionError`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer's bytes break RFC 9113 or RFC 7541.
    Protocol,
    /// The peer spent a budget against abuse; the detail names it.
    Budget,
    /// A time limit passed; the detail names it.
    Timeout,
    /// The connection was already closed by an earlier error.
    Closed,
}

/// The connection is over: GOAWAY with this reason is in the output, and the
/// engine takes no more input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionError {
    pub(crate) reason: Reason,
    pub(crate) kind: ErrorKind,
    pub(crate) detail: &'static str,
}

impl ConnectionError {
    pub(crate) const fn protocol(detail: &'static str) -> Self {
        Self::with_reason(Reason::PROTOCOL_ERROR, detail)
    }

    pub(crate) const fn with_reason(reason: Reason, detail: &'static str) -> Self {
        ConnectionError { reason, kind: ErrorKind::Protocol, detail }
    }

    pub(crate) const fn budget(detail: &'static str) -> Self {
        ConnectionError { reason: Reason::ENHANCE_YOUR_CALM, kind: ErrorKind::Budget, detail }
    }

    /// The code that the GOAWAY frame carries.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// What kind of rule was broken.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The rule or budget in words; also the GOAWAY frame's debug data.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        self.detail
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP/2 connection error {}: {}", self.reason, self.detail)
    }
}

impl core::error::Error for ConnectionError {}
