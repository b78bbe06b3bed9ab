//! The standard details, as plain types. Each is built with `..Default::default()`, so
//! that a field which Google adds breaks nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ErrorDetail;

/// Which error of which service it is, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorInfo {
    /// Why, as a constant of the service: `API_DISABLED`.
    pub reason: String,
    /// The service that `reason` belongs to: `pubsub.example.com`.
    pub domain: String,
    /// More about this one error.
    pub metadata: BTreeMap<String, String>,
}

/// When to try again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryInfo {
    /// How long to wait at least.
    pub retry_delay: Duration,
}

/// Where it went wrong, for developers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DebugInfo {
    /// The stack, innermost call first.
    pub stack_entries: Vec<String>,
    /// What else helps.
    pub detail: String,
}

/// Which quota is used up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuotaFailure {
    /// All quotas that failed.
    pub violations: Vec<QuotaViolation>,
}

/// One quota that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuotaViolation {
    /// Whose quota it is: `clientip:192.0.2.1`.
    pub subject: String,
    /// What happened, for people.
    pub description: String,
    /// The service that counts: `compute.example.com`.
    pub api_service: String,
    /// What is counted.
    pub quota_metric: String,
    /// Which limit of that metric it is.
    pub quota_id: String,
    /// Where it applies: `region` and the like.
    pub quota_dimensions: BTreeMap<String, String>,
    /// The limit that is in force.
    pub quota_value: i64,
    /// The limit that is being rolled out, if it changes.
    pub future_quota_value: Option<i64>,
}

/// What has to be so before the call can succeed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreconditionFailure {
    /// All preconditions that do not hold.
    pub violations: Vec<PreconditionViolation>,
}

/// One precondition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreconditionViolation {
    /// Its kind, as a constant of the service: `TOS`.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// How to make it hold, for people.
    pub description: String,
}

/// Which fields of the request are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BadRequest {
    /// All fields that are wrong.
    pub field_violations: Vec<FieldViolation>,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldViolation {
    /// The path to it: `user.addresses[1].street`.
    pub field: String,
    /// What is wrong, for developers.
    pub description: String,
    /// Why, as a constant of the service.
    pub reason: String,
    /// What is wrong, for the user.
    pub localized_message: Option<LocalizedMessage>,
}

/// Which request it was, for a support case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestInfo {
    /// The name that the service's logs know it by.
    pub request_id: String,
    /// What helps to find it there, opaque to the client.
    pub serving_data: String,
}

/// Which resource it is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceInfo {
    /// Its type: `sql table`, or the URL of a type.
    pub resource_type: String,
    /// Its name.
    pub resource_name: String,
    /// Whose it is, if that helps.
    pub owner: String,
    /// What went wrong with it.
    pub description: String,
}

/// Where to read on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Help {
    /// The places.
    pub links: Vec<Link>,
}

/// One place to read on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// What is there.
    pub description: String,
    /// Where it is.
    pub url: String,
}

/// A message for the user, in the user's language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalizedMessage {
    /// The language, as BCP 47 names it: `fr-CH`.
    pub locale: String,
    /// The message.
    pub message: String,
}

macro_rules! details {
    ($($kind:ident),+ $(,)?) => {$(
        impl From<$kind> for ErrorDetail {
            fn from(detail: $kind) -> Self {
                ErrorDetail::$kind(detail)
            }
        }

        /// Gives the detail back if it is of another kind.
        impl TryFrom<ErrorDetail> for $kind {
            type Error = ErrorDetail;

            fn try_from(detail: ErrorDetail) -> Result<Self, ErrorDetail> {
                match detail {
                    ErrorDetail::$kind(detail) => Ok(detail),
                    other => Err(other),
                }
            }
        }
    )+};
}

details!(
    ErrorInfo,
    RetryInfo,
    DebugInfo,
    QuotaFailure,
    PreconditionFailure,
    BadRequest,
    RequestInfo,
    ResourceInfo,
    Help,
    LocalizedMessage,
);
