//! Details to octets and back.

use std::time::Duration;

use bytes::Bytes;
use tramline::codec::buffa::well_known::google::protobuf as well_known;
use tramline::codec::buffa::{Message, MessageField};

use super::ErrorDetail;
use super::kinds::{
    BadRequest, DebugInfo, ErrorInfo, FieldViolation, Help, Link, LocalizedMessage, PreconditionFailure,
    PreconditionViolation, QuotaFailure, QuotaViolation, RequestInfo, ResourceInfo, RetryInfo,
};
use crate::proto::google_rpc as proto;
use well_known::Any;

/// An encoded `google.rpc.Status`.
pub(super) fn encode(code: i32, message: &str, details: Vec<ErrorDetail>) -> Bytes {
    let details = details.into_iter().map(into_any).collect();
    proto::Status { code, message: message.to_owned(), details, ..Default::default() }.encode_to_vec().into()
}

/// The details of an encoded `google.rpc.Status`; none if it is none.
pub(super) fn decode(encoded: &[u8]) -> Vec<ErrorDetail> {
    let status = proto::Status::decode_from_slice(encoded).unwrap_or_default();
    status.details.into_iter().map(from_any).collect()
}

macro_rules! conversions {
    ($($kind:ident),+ $(,)?) => {
        fn into_any(detail: ErrorDetail) -> Any {
            match detail {
                $(ErrorDetail::$kind(detail) => {
                    let value = proto::$kind::from(detail).encode_to_vec();
                    Any { type_url: proto::$kind::TYPE_URL.to_owned(), value: value.into(), ..Default::default() }
                })+
                ErrorDetail::Other { type_url, value } => Any { type_url, value: value.into(), ..Default::default() },
            }
        }

        /// Whatever stands before the last slash, the type's name tells.
        fn from_any(any: Any) -> ErrorDetail {
            let name = any.type_url.rsplit('/').next().unwrap_or_default();
            let known = match name {
                $(concat!("google.rpc.", stringify!($kind)) => {
                    proto::$kind::decode_from_slice(&any.value).ok().map(|detail| ErrorDetail::$kind(detail.into()))
                })+
                _ => None,
            };
            known.unwrap_or_else(|| ErrorDetail::Other { type_url: any.type_url, value: any.value.into() })
        }
    };
}

conversions!(
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

/// Both ways between a plain type and its message, where the fields are the same.
macro_rules! same_fields {
    ($kind:ident, $wire:path, $($field:ident),+) => {
        impl From<$kind> for $wire {
            fn from(detail: $kind) -> Self {
                Self { $($field: detail.$field,)+ ..Default::default() }
            }
        }

        impl From<$wire> for $kind {
            fn from(message: $wire) -> Self {
                Self { $($field: message.$field,)+ }
            }
        }
    };
}

same_fields!(DebugInfo, proto::DebugInfo, stack_entries, detail);
same_fields!(RequestInfo, proto::RequestInfo, request_id, serving_data);
same_fields!(ResourceInfo, proto::ResourceInfo, resource_type, resource_name, owner, description);
same_fields!(Link, proto::help::Link, description, url);
same_fields!(LocalizedMessage, proto::LocalizedMessage, locale, message);

/// Both ways between a plain type and its message, where one field is a list of such.
macro_rules! list_of {
    ($kind:ident, $field:ident) => {
        impl From<$kind> for proto::$kind {
            fn from(detail: $kind) -> Self {
                Self { $field: detail.$field.into_iter().map(Into::into).collect(), ..Default::default() }
            }
        }

        impl From<proto::$kind> for $kind {
            fn from(message: proto::$kind) -> Self {
                Self { $field: message.$field.into_iter().map(Into::into).collect() }
            }
        }
    };
}

list_of!(QuotaFailure, violations);
list_of!(PreconditionFailure, violations);
list_of!(BadRequest, field_violations);
list_of!(Help, links);

impl From<ErrorInfo> for proto::ErrorInfo {
    fn from(detail: ErrorInfo) -> Self {
        let metadata = detail.metadata.into_iter().collect();
        Self { reason: detail.reason, domain: detail.domain, metadata, ..Default::default() }
    }
}

impl From<proto::ErrorInfo> for ErrorInfo {
    fn from(message: proto::ErrorInfo) -> Self {
        Self { reason: message.reason, domain: message.domain, metadata: message.metadata.into_iter().collect() }
    }
}

impl From<RetryInfo> for proto::RetryInfo {
    fn from(detail: RetryInfo) -> Self {
        let seconds = i64::try_from(detail.retry_delay.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(detail.retry_delay.subsec_nanos()).unwrap_or_default();
        let delay = well_known::Duration { seconds, nanos, ..Default::default() };
        Self { retry_delay: MessageField::some(delay), ..Default::default() }
    }
}

/// A delay below zero is no delay.
impl From<proto::RetryInfo> for RetryInfo {
    fn from(message: proto::RetryInfo) -> Self {
        let seconds = u64::try_from(message.retry_delay.seconds).unwrap_or_default();
        let nanos = u32::try_from(message.retry_delay.nanos).unwrap_or_default();
        Self { retry_delay: Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())) }
    }
}

impl From<QuotaViolation> for proto::quota_failure::Violation {
    fn from(detail: QuotaViolation) -> Self {
        Self {
            subject: detail.subject,
            description: detail.description,
            api_service: detail.api_service,
            quota_metric: detail.quota_metric,
            quota_id: detail.quota_id,
            quota_dimensions: detail.quota_dimensions.into_iter().collect(),
            quota_value: detail.quota_value,
            future_quota_value: detail.future_quota_value,
            ..Default::default()
        }
    }
}

impl From<proto::quota_failure::Violation> for QuotaViolation {
    fn from(message: proto::quota_failure::Violation) -> Self {
        Self {
            subject: message.subject,
            description: message.description,
            api_service: message.api_service,
            quota_metric: message.quota_metric,
            quota_id: message.quota_id,
            quota_dimensions: message.quota_dimensions.into_iter().collect(),
            quota_value: message.quota_value,
            future_quota_value: message.future_quota_value,
        }
    }
}

impl From<PreconditionViolation> for proto::precondition_failure::Violation {
    fn from(detail: PreconditionViolation) -> Self {
        let PreconditionViolation { kind, subject, description } = detail;
        Self { r#type: kind, subject, description, ..Default::default() }
    }
}

impl From<proto::precondition_failure::Violation> for PreconditionViolation {
    fn from(message: proto::precondition_failure::Violation) -> Self {
        Self { kind: message.r#type, subject: message.subject, description: message.description }
    }
}

impl From<FieldViolation> for proto::bad_request::FieldViolation {
    fn from(detail: FieldViolation) -> Self {
        Self {
            field: detail.field,
            description: detail.description,
            reason: detail.reason,
            localized_message: detail.localized_message.map(Into::into).into(),
            ..Default::default()
        }
    }
}

impl From<proto::bad_request::FieldViolation> for FieldViolation {
    fn from(message: proto::bad_request::FieldViolation) -> Self {
        Self {
            field: message.field,
            description: message.description,
            reason: message.reason,
            localized_message: message.localized_message.into_option().map(Into::into),
        }
    }
}
