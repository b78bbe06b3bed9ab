//! From what a transport says to a status, row by row.

use std::time::Duration;

use tramline_call::mapping::{
    CancelReason, ConnectFailure, ResetReason, code_of_http_status, control_plane_status, deadline_exceeded,
};
use tramline_call::{Code, Status};

#[test]
fn http_statuses() {
    let rows: &[(u16, Code)] = &[
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
    ];
    for status in 0..=1000 {
        let row = rows.iter().find(|(own, _)| *own == status);
        let expected = row.map_or(Code::Unknown, |(_, code)| *code);
        assert_eq!(code_of_http_status(status), expected, "{status}");
    }
}

const RESETS: [(ResetReason, Code); 15] = [
    (ResetReason::NoError, Code::Internal),
    (ResetReason::ProtocolError, Code::Internal),
    (ResetReason::InternalError, Code::Internal),
    (ResetReason::FlowControlError, Code::Internal),
    (ResetReason::SettingsTimeout, Code::Internal),
    (ResetReason::StreamClosed, Code::Internal),
    (ResetReason::FrameSizeError, Code::Internal),
    (ResetReason::Refused, Code::Unavailable),
    (ResetReason::Cancel, Code::Cancelled),
    (ResetReason::CompressionError, Code::Internal),
    (ResetReason::ConnectError, Code::Internal),
    (ResetReason::EnhanceYourCalm, Code::ResourceExhausted),
    (ResetReason::InadequateSecurity, Code::PermissionDenied),
    (ResetReason::Http11Required, Code::Unknown),
    (ResetReason::Unknown(0x77), Code::Internal),
];

#[test]
fn resets() {
    for (reason, code) in RESETS {
        let status = reason.status(Duration::ZERO, None);
        assert_eq!(status.code(), code, "{reason:?}");
        assert!(status.message().contains(&reason.to_string()), "{status}");
        assert!(!status.is_remote());
        assert_eq!(reason.is_transparently_retryable(), reason == ResetReason::Refused, "{reason:?}");
    }
}

#[test]
fn an_unknown_reason_shows_its_number() {
    assert_eq!(ResetReason::Unknown(0x77).to_string(), "unknown error 0x77");
}

#[test]
fn a_cancel_near_the_own_deadline_is_the_deadline() {
    let deadline = Some(Duration::from_secs(10));
    let code = |now| ResetReason::Cancel.status(now, deadline).code();
    assert_eq!(code(Duration::from_secs(5)), Code::Cancelled);
    assert_eq!(code(Duration::from_millis(9_995)), Code::DeadlineExceeded);
    assert_eq!(code(Duration::from_secs(10)), Code::DeadlineExceeded);
    assert_eq!(code(Duration::MAX), Code::DeadlineExceeded);
}

#[test]
fn other_resets_near_the_deadline_are_what_they_are() {
    for (reason, code) in RESETS.into_iter().filter(|(reason, _)| *reason != ResetReason::Cancel) {
        assert_eq!(reason.status(Duration::from_secs(10), Some(Duration::from_secs(10))).code(), code, "{reason:?}");
    }
}

#[test]
fn without_a_connection_a_call_is_unavailable() {
    let rows = [
        (ConnectFailure::Resolve, true),
        (ConnectFailure::Connect, true),
        (ConnectFailure::Handshake, true),
        (ConnectFailure::Protocol, true),
        (ConnectFailure::Timeout, true),
        (ConnectFailure::Lost, false),
        (ConnectFailure::GoingAway, true),
        (ConnectFailure::Shutdown, false),
    ];
    for (failure, is_retryable) in rows {
        let status = failure.status("connection refused (os error 111)");
        assert_eq!(status.code(), Code::Unavailable, "{failure:?}");
        assert!(status.message().starts_with(failure.name()), "{status}");
        assert!(status.message().ends_with("connection refused (os error 111)"), "{status}");
        assert_eq!(failure.is_transparently_retryable(), is_retryable, "{failure:?}");
    }
}

#[test]
fn an_own_deadline_is_deadline_exceeded() {
    assert_eq!(deadline_exceeded().code(), Code::DeadlineExceeded);
}

#[test]
fn a_part_of_the_client_cannot_speak_for_the_server() {
    let rewritten = [
        Code::Ok,
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::DataLoss,
    ];
    for code in Code::ALL {
        let status = control_plane_status(Status::new(code, "from the picker"));
        let expected = if rewritten.contains(&code) { Code::Internal } else { code };
        assert_eq!(status.code(), expected, "{code}");
        assert!(status.message().contains("from the picker"));
    }
}

#[test]
fn early_ends_on_a_server() {
    let cases = [
        (CancelReason::Client, Code::Cancelled),
        (CancelReason::ConnectionLost, Code::Cancelled),
        (CancelReason::Deadline, Code::DeadlineExceeded),
        (CancelReason::Shutdown, Code::Unavailable),
    ];
    for (reason, code) in cases {
        assert_eq!(reason.status().code(), code, "{reason:?}");
    }
}
