//! How a call failed.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use bytes::Bytes;

use crate::{Code, Metadata};

/// Why a call failed: a code, a message for people, and what else the peer is told.
///
/// It is one pointer wide, so that a `Result<T, Status>` costs no more than `T`. Success
/// is not a `Status`: it is the `Ok` of such a result, and allocates nothing.
///
/// ```
/// use tramline_call::{Code, Status};
///
/// let status = Status::not_found("no such book");
/// assert_eq!(status.code(), Code::NotFound);
/// assert_eq!(status.to_string(), "NOT_FOUND: no such book");
/// ```
#[derive(Clone)]
pub struct Status(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: Code,
    message: Cow<'static, str>,
    details: Bytes,
    metadata: Metadata,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    /// The number on the wire, if the peer's is not the code's.
    foreign_code: Option<u32>,
    is_remote: bool,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $code:ident,)*) => {
        impl Status {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Status {
                    Status::new(Code::$code, message)
                }
            )*
        }
    };
}

constructors! {
    /// The call was cancelled.
    cancelled => Cancelled,
    /// Nothing more is known.
    unknown => Unknown,
    /// An argument is wrong.
    invalid_argument => InvalidArgument,
    /// The deadline passed.
    deadline_exceeded => DeadlineExceeded,
    /// What was asked for does not exist.
    not_found => NotFound,
    /// What was to be created exists.
    already_exists => AlreadyExists,
    /// The caller may not do this.
    permission_denied => PermissionDenied,
    /// A quota, a limit, or a resource is used up.
    resource_exhausted => ResourceExhausted,
    /// The system is not in the state that the call needs.
    failed_precondition => FailedPrecondition,
    /// The call was given up because of a conflict.
    aborted => Aborted,
    /// The argument is past the valid range.
    out_of_range => OutOfRange,
    /// Not offered here.
    unimplemented => Unimplemented,
    /// An invariant is broken.
    internal => Internal,
    /// The service cannot be reached for now.
    unavailable => Unavailable,
    /// Data is lost or damaged.
    data_loss => DataLoss,
    /// The caller has no valid credentials.
    unauthenticated => Unauthenticated,
}

impl Status {
    /// A status of this side. A literal message is not copied.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Status {
        Status(Box::new(Parts {
            code,
            message: message.into(),
            details: Bytes::new(),
            metadata: Metadata::new(),
            cause: None,
            foreign_code: None,
            is_remote: false,
        }))
    }

    /// What the peer said in its trailers.
    pub(crate) fn remote(number: u32, message: Cow<'static, str>, details: Bytes, metadata: Metadata) -> Status {
        let code = i32::try_from(number).map_or(Code::Unknown, Code::from_i32);
        let foreign_code = (number != code as u32).then_some(number);
        Status(Box::new(Parts { code, message, details, metadata, cause: None, foreign_code, is_remote: true }))
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The number that stood in `grpc-status`: other than the code's if it names none of
    /// the codes, and [`code`](Self::code) therefore is [`Code::Unknown`].
    #[must_use]
    pub fn raw_code(&self) -> u32 {
        self.0.foreign_code.unwrap_or(self.0.code as u32)
    }

    /// The message, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// An encoded `google.rpc.Status` with typed details; empty if there is none.
    /// [`code`](Self::code) holds, whatever code stands in there.
    #[must_use]
    pub fn details(&self) -> &Bytes {
        &self.0.details
    }

    /// Adds an encoded `google.rpc.Status`; it travels in `grpc-status-details-bin`.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Bytes>) -> Status {
        self.0.details = details.into();
        self
    }

    /// The metadata that came, or will go out, beside the status.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.metadata
    }

    pub(crate) fn with_metadata(mut self, metadata: Metadata) -> Status {
        self.0.metadata = metadata;
        self
    }

    /// Keeps the error behind this status. It stays on this side.
    #[must_use]
    pub fn with_cause(mut self, cause: Arc<dyn Error + Send + Sync>) -> Status {
        self.0.cause = Some(cause);
        self
    }

    /// The error behind this status, if this side kept one.
    #[must_use]
    pub fn cause(&self) -> Option<&Arc<dyn Error + Send + Sync>> {
        self.0.cause.as_ref()
    }

    /// Whether the peer sent this status; if not, this side made it.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.0.is_remote
    }

    /// What a server may pass on of a status that another server sent to it: code,
    /// message and details, but not the other's metadata, which was meant for this side.
    /// A status of this side stays as it is.
    #[must_use]
    pub fn into_local(mut self) -> Status {
        if self.0.is_remote {
            self.0.is_remote = false;
            self.0.metadata = Metadata::new();
        }
        self
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().name())?;
        if self.message().is_empty() { Ok(()) } else { write!(f, ": {}", self.message()) }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Status");
        out.field("code", &self.code()).field("message", &self.message());
        if let Some(number) = self.0.foreign_code {
            out.field("raw_code", &number);
        }
        if !self.details().is_empty() {
            out.field("details", self.details());
        }
        if !self.metadata().is_empty() {
            out.field("metadata", self.metadata());
        }
        if let Some(cause) = self.cause() {
            out.field("cause", cause);
        }
        out.field("is_remote", &self.is_remote()).finish()
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| &**cause as &(dyn Error + 'static))
    }
}
