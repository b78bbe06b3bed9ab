//! Codes and statuses.

use std::error::Error;
use std::sync::Arc;

use tramline_call::{Code, Metadata, Status};

#[test]
fn codes_have_their_numbers_and_names() {
    let names = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    for (number, name) in names.iter().enumerate() {
        let code = Code::from_i32(number as i32);
        assert_eq!(i32::from(code), number as i32);
        assert_eq!(code, Code::ALL[number]);
        assert_eq!(code.name(), *name);
        assert_eq!(code.to_string(), *name);
    }
}

#[test]
fn a_number_that_is_no_code_is_unknown() {
    for number in [17, 99, -1, i32::MAX, i32::MIN] {
        assert_eq!(Code::from_i32(number), Code::Unknown, "{number}");
    }
}

type Constructor = fn(&'static str) -> Status;

#[test]
fn every_code_has_a_constructor() {
    let constructors: [(Constructor, Code); 16] = [
        (Status::cancelled, Code::Cancelled),
        (Status::unknown, Code::Unknown),
        (Status::invalid_argument, Code::InvalidArgument),
        (Status::deadline_exceeded, Code::DeadlineExceeded),
        (Status::not_found, Code::NotFound),
        (Status::already_exists, Code::AlreadyExists),
        (Status::permission_denied, Code::PermissionDenied),
        (Status::resource_exhausted, Code::ResourceExhausted),
        (Status::failed_precondition, Code::FailedPrecondition),
        (Status::aborted, Code::Aborted),
        (Status::out_of_range, Code::OutOfRange),
        (Status::unimplemented, Code::Unimplemented),
        (Status::internal, Code::Internal),
        (Status::unavailable, Code::Unavailable),
        (Status::data_loss, Code::DataLoss),
        (Status::unauthenticated, Code::Unauthenticated),
    ];
    for (constructor, code) in constructors {
        let status = constructor("why");
        assert_eq!((status.code(), status.message()), (code, "why"));
        assert_eq!(status.raw_code(), code as u32);
        assert!(!status.is_remote());
    }
}

#[test]
fn small_types_stay_small() {
    assert_eq!(size_of::<Status>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), Status>>(), size_of::<usize>());
    assert_eq!(size_of::<Metadata>(), size_of::<usize>());
}

#[test]
fn a_status_shows_its_code_and_message() {
    assert_eq!(Status::not_found("no such book").to_string(), "NOT_FOUND: no such book");
    assert_eq!(Status::aborted("").to_string(), "ABORTED");
}

#[test]
fn a_cause_is_the_source_and_survives_a_clone() {
    let cause = Arc::new(std::io::Error::other("disk full"));
    let status = Status::internal("cannot write").with_cause(cause).clone();
    assert_eq!(status.source().expect("a source").to_string(), "disk full");
    assert!(format!("{status:?}").contains("disk full"));
}

#[test]
fn debug_does_not_show_secrets() {
    let mut status = Status::unauthenticated("expired");
    status.metadata_mut().insert("authorization", "Bearer hunter2").unwrap();
    let shown = format!("{status:?}");
    assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_local_status_keeps_its_metadata_when_it_is_passed_on() {
    let mut status = Status::aborted("again");
    status.metadata_mut().insert("x-reason", "conflict").unwrap();
    assert_eq!(status.into_local().metadata().get("x-reason"), Some("conflict"));
}
