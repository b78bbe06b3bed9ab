//! A client reads trailers, and servers write them.

use tramline_call::client_call::read_trailers;
use tramline_call::server_call::write_trailers;
use tramline_call::{Code, Metadata, Status};

use crate::wire::{Recorder, classified, refs};

fn read(fields: &[(&str, &str)]) -> Result<Metadata, Status> {
    read_trailers(refs(&classified(fields)))
}

fn through_the_wire(status: Option<&Status>, trailers: &Metadata) -> Result<Metadata, Status> {
    let fields = Recorder::of(|sink| write_trailers(status, trailers, sink)).classified();
    read_trailers(refs(&fields))
}

#[test]
fn every_code_comes_through() {
    for code in Code::ALL.into_iter().filter(|code| *code != Code::Ok) {
        let status = through_the_wire(Some(&Status::new(code, "why")), &Metadata::new()).unwrap_err();
        assert_eq!((status.code(), status.message()), (code, "why"));
        assert!(status.is_remote());
        assert_eq!(status.raw_code(), code as u32);
    }
    assert!(through_the_wire(None, &Metadata::new()).unwrap().is_empty());
}

#[test]
fn message_details_and_metadata_come_through() {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let mut status = Status::aborted(message).with_details(vec![8, 10, 255]);
    status.metadata_mut().append("x-own", "1").unwrap();
    let mut trailers = Metadata::new();
    trailers.append_bin("x-cost-bin", &[0xab, 0xab, 0xab]).unwrap();
    let received = through_the_wire(Some(&status), &trailers).unwrap_err();
    assert_eq!(received.message(), message);
    assert_eq!(received.details()[..], [8, 10, 255]);
    assert_eq!(received.metadata().get("x-own"), Some("1"));
    assert_eq!(received.metadata().get_bin("x-cost-bin").unwrap()[..], [0xab, 0xab, 0xab]);
    assert_eq!(received.metadata().len(), 2, "what the status is made of is not metadata");
}

#[test]
fn a_status_that_is_passed_on_leaves_the_peers_metadata_behind() {
    let fields =
        [("grpc-status", "5"), ("grpc-message", "gone"), ("x-internal", "host-17"), ("grpc-status-details-bin", "AQ")];
    let status = read(&fields).unwrap_err();
    assert_eq!(status.metadata().get("x-internal"), Some("host-17"));
    let local = status.into_local();
    assert!(!local.is_remote() && local.metadata().is_empty());
    assert_eq!((local.code(), local.message(), &local.details()[..]), (Code::NotFound, "gone", &[1][..]));
}

#[test]
fn an_unknown_code_is_unknown_and_keeps_its_number() {
    let status = read(&[("grpc-status", "42"), ("grpc-message", "custom")]).unwrap_err();
    assert_eq!((status.code(), status.raw_code(), status.message()), (Code::Unknown, 42, "custom"));
    assert!(format!("{status:?}").contains("42"));
}

#[test]
fn a_status_that_cannot_be_read_is_unknown() {
    for value in ["", "abc", "-1", "00", "07", "1.0", "99999999999999"] {
        let status = read(&[("grpc-status", value), ("grpc-message", "why"), ("x", "y")]).unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{value:?}");
        assert!(status.message().contains("why"), "{status}");
        assert_eq!(status.metadata().get("x"), Some("y"));
    }
}

#[test]
fn a_missing_status_is_unknown_and_never_ok() {
    for fields in [&[][..], &[("grpc-message", "error")], &[("x", "y")]] {
        assert_eq!(read(fields).unwrap_err().code(), Code::Unknown, "{fields:?}");
    }
}

#[test]
fn of_several_statuses_none_can_hide_an_error() {
    for fields in [[("grpc-status", "5"), ("grpc-status", "0")], [("grpc-status", "0"), ("grpc-status", "5")]] {
        assert!(read(&fields).is_err(), "{fields:?}");
    }
}

#[test]
fn details_that_cannot_be_read_are_ignored() {
    for details in ["A", "!!!!", "AA-_"] {
        let status = read(&[("grpc-status", "3"), ("grpc-status-details-bin", details)]).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.details().is_empty());
    }
}

#[test]
fn the_status_holds_whatever_code_its_details_have() {
    // A google.rpc.Status with code 5.
    let status = read(&[("grpc-status", "3"), ("grpc-status-details-bin", "CAU")]).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.details()[..], [8, 5]);
}

#[test]
fn padded_details_are_read() {
    for details in ["AQI=", "AQI"] {
        let status = read(&[("grpc-status", "3"), ("grpc-status-details-bin", details)]).unwrap_err();
        assert_eq!(status.details()[..], [1, 2]);
    }
}

#[test]
fn ok_keeps_its_metadata() {
    let metadata = read(&[("grpc-status", "0"), ("grpc-message", "ignored"), ("x-a", "1"), ("x-a", "2")]).unwrap();
    assert_eq!(metadata.get_all("x-a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(metadata.len(), 2);
}
