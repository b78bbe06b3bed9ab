//! Statuses to the suite's errors and back.

use tramline::codec::buffa::Message;
use tramline::codec::buffa::well_known::google::protobuf::Any;
use tramline::{Code, Status};

use crate::protos::connectrpc::conformance::v1::Error;

/// The status that the suite wants, with one more detail.
pub(super) fn to_status(error: &Error, detail: Option<Any>) -> Status {
    let code = Code::from_i32(error.code.to_i32());
    let message = error.message.clone().unwrap_or_default();
    let mut details = Error { message: Some(message.clone()), ..error.clone() };
    details.details.extend(detail);
    let status = Status::new(code, message);
    if details.details.is_empty() {
        return status;
    }
    // On the wire, the suite's Error is what google.rpc.Status is.
    status.with_details(details.encode_to_bytes())
}

/// What a call ended with, as the suite wants to see it.
pub(super) fn of_status(status: &Status) -> Error {
    let details = Error::decode_from_slice(status.details()).unwrap_or_default().details;
    let code = (status.code() as i32).into();
    Error { code, message: Some(status.message().to_owned()), details, ..Default::default() }
}
