//! Schemas that every import finds without a file: google/api, google/rpc, google/type.
//!
//! The well-known types (`google/protobuf/…`) come with each compiler.

/// Name and text of each built-in file.
pub(crate) const IMPORTABLE: &[(&str, &str)] = &[
    ("google/api/annotations.proto", include_str!("../../protos/google/api/annotations.proto")),
    ("google/api/client.proto", include_str!("../../protos/google/api/client.proto")),
    ("google/api/field_behavior.proto", include_str!("../../protos/google/api/field_behavior.proto")),
    ("google/api/field_info.proto", include_str!("../../protos/google/api/field_info.proto")),
    ("google/api/http.proto", include_str!("../../protos/google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("../../protos/google/api/httpbody.proto")),
    ("google/api/launch_stage.proto", include_str!("../../protos/google/api/launch_stage.proto")),
    ("google/api/resource.proto", include_str!("../../protos/google/api/resource.proto")),
    ("google/api/routing.proto", include_str!("../../protos/google/api/routing.proto")),
    ("google/api/visibility.proto", include_str!("../../protos/google/api/visibility.proto")),
    ("google/rpc/code.proto", include_str!("../../protos/google/rpc/code.proto")),
    ("google/rpc/error_details.proto", include_str!("../../protos/google/rpc/error_details.proto")),
    ("google/rpc/status.proto", include_str!("../../protos/google/rpc/status.proto")),
    ("google/type/calendar_period.proto", include_str!("../../protos/google/type/calendar_period.proto")),
    ("google/type/color.proto", include_str!("../../protos/google/type/color.proto")),
    ("google/type/date.proto", include_str!("../../protos/google/type/date.proto")),
    ("google/type/datetime.proto", include_str!("../../protos/google/type/datetime.proto")),
    ("google/type/dayofweek.proto", include_str!("../../protos/google/type/dayofweek.proto")),
    ("google/type/decimal.proto", include_str!("../../protos/google/type/decimal.proto")),
    ("google/type/expr.proto", include_str!("../../protos/google/type/expr.proto")),
    ("google/type/fraction.proto", include_str!("../../protos/google/type/fraction.proto")),
    ("google/type/interval.proto", include_str!("../../protos/google/type/interval.proto")),
    ("google/type/latlng.proto", include_str!("../../protos/google/type/latlng.proto")),
    ("google/type/localized_text.proto", include_str!("../../protos/google/type/localized_text.proto")),
    ("google/type/money.proto", include_str!("../../protos/google/type/money.proto")),
    ("google/type/month.proto", include_str!("../../protos/google/type/month.proto")),
    ("google/type/phone_number.proto", include_str!("../../protos/google/type/phone_number.proto")),
    ("google/type/postal_address.proto", include_str!("../../protos/google/type/postal_address.proto")),
    ("google/type/quaternion.proto", include_str!("../../protos/google/type/quaternion.proto")),
    ("google/type/timeofday.proto", include_str!("../../protos/google/type/timeofday.proto")),
];

/// The text of a built-in file.
pub(super) fn text(name: &str) -> Option<&'static str> {
    IMPORTABLE.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Whether `name` is one of protobuf's own files, whose Rust types come with the message library.
pub(crate) fn is_well_known(name: &str) -> bool {
    name.starts_with("google/protobuf/")
}
