//! Rich error details: what a status says beyond its code and message.
//!
//! The details travel as a `google.rpc.Status` in `grpc-status-details-bin`
//! (<https://grpc.io/docs/guides/error/#richer-error-model>). [`StatusExt`] puts them
//! into a [`Status`] and takes them out again.
//!
//! ```
//! use std::time::Duration;
//! use tramline::Status;
//! use tramline_services::error_details::{BadRequest, ErrorDetail, FieldViolation, RetryInfo, StatusExt};
//!
//! let violation = FieldViolation { field: "name".into(), description: "it is empty".into(), ..Default::default() };
//! let status = Status::invalid_argument("the request is not valid")
//!     .with_error_detail(BadRequest { field_violations: vec![violation] })
//!     .with_error_detail(RetryInfo { retry_delay: Duration::from_secs(1) });
//!
//! let bad_request: BadRequest = status.error_detail().expect("is there");
//! assert_eq!(bad_request.field_violations[0].field, "name");
//! assert!(matches!(status.error_details()[1], ErrorDetail::RetryInfo(_)));
//! ```

mod convert;
mod kinds;

pub use kinds::{
    BadRequest, DebugInfo, ErrorInfo, FieldViolation, Help, Link, LocalizedMessage, PreconditionFailure,
    PreconditionViolation, QuotaFailure, QuotaViolation, RequestInfo, ResourceInfo, RetryInfo,
};

use bytes::Bytes;
use tramline::Status;

/// The descriptor set of `google.rpc` with the standard details, for
/// reflection and for tools that show them.
pub const DESCRIPTOR_SET: &[u8] = crate::proto::google_rpc::FILE_DESCRIPTOR_SET;

/// One detail of an error: one of the standard kinds, or any other message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// Which error of which service it is, for machines.
    ErrorInfo(ErrorInfo),
    /// When to try again.
    RetryInfo(RetryInfo),
    /// Where it went wrong, for developers.
    DebugInfo(DebugInfo),
    /// Which quota is used up.
    QuotaFailure(QuotaFailure),
    /// What has to be so before the call can succeed.
    PreconditionFailure(PreconditionFailure),
    /// Which fields of the request are wrong.
    BadRequest(BadRequest),
    /// Which request it was, for a support case.
    RequestInfo(RequestInfo),
    /// Which resource it is about.
    ResourceInfo(ResourceInfo),
    /// Where to read on.
    Help(Help),
    /// A message for the user, in the user's language.
    LocalizedMessage(LocalizedMessage),
    /// A message of any other type, as a `google.protobuf.Any` holds it; also one of the
    /// standard types that cannot be read.
    Other {
        /// `type.googleapis.com/package.Type`
        type_url: String,
        /// The encoded message.
        value: Bytes,
    },
}

/// Rich details of a [`Status`].
pub trait StatusExt: Sized {
    /// The same status with one detail more.
    #[must_use]
    fn with_error_detail(self, detail: impl Into<ErrorDetail>) -> Self;

    /// The details, in the order they were given. Octets in `grpc-status-details-bin`
    /// that are no `google.rpc.Status` are none; the code and the message of the status
    /// hold, whatever stands there.
    fn error_details(&self) -> Vec<ErrorDetail>;

    /// The first detail of one kind.
    fn error_detail<T>(&self) -> Option<T>
    where
        T: TryFrom<ErrorDetail>,
    {
        self.error_details().into_iter().find_map(|detail| T::try_from(detail).ok())
    }
}

impl StatusExt for Status {
    fn with_error_detail(self, detail: impl Into<ErrorDetail>) -> Self {
        let mut details = self.error_details();
        details.push(detail.into());
        let encoded = convert::encode(self.code() as i32, self.message(), details);
        self.with_details(encoded)
    }

    fn error_details(&self) -> Vec<ErrorDetail> {
        convert::decode(self.details())
    }
}
