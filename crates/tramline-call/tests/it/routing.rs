//! Which octets are a method's path.

use tramline_call::server_call::{Rejection, RequestHead};
use tramline_call::{Code, EncodingSet, Method, MethodKind, Path, codec::Raw};

use crate::wire::{classified, refs};

/// Every way that is known of dressing up a path.
const NO_PATHS: [&str; 24] = [
    "pkg.Echo/Say",
    "//pkg.Echo/Say",
    "/pkg.Echo//Say",
    "/pkg.Echo/Say/",
    "/pkg.Echo/Say/x",
    "/pkg.Echo",
    "/pkg.Echo/",
    "//Say",
    "/",
    "*",
    "/./Say",
    "/../Say",
    "/pkg.Echo/.",
    "/pkg.Echo/..",
    "/pkg.Echo%2fSay",
    "/pkg.Echo/Say%00",
    "/pkg.Echo/Say?x=1",
    "/pkg.Echo/Say#x",
    "/pkg.Echo\\Say",
    "/pkg.Echo/Say ",
    "/pkg.Echo/Sä",
    "http://localhost/pkg.Echo/Say",
    "localhost:50051",
    "/pkg.Echo/Say\t",
];

fn head(path: &str) -> (RequestHead, Result<(), Rejection>) {
    let fields = [(":method", "POST"), (":path", path), ("content-type", "application/grpc")];
    let fields = classified(&fields);
    let mut head = RequestHead::default();
    let outcome = head.read(refs(&fields), EncodingSet::IDENTITY);
    (head, outcome)
}

#[test]
fn a_registered_path_is_its_route() {
    let (head, outcome) = head("/pkg.Echo/Say");
    outcome.unwrap();
    assert_eq!(head.route(), Some(7));
    assert_eq!(head.path(), "", "the route says it all");
}

#[test]
fn what_is_no_path_is_unimplemented_whatever_handlers_there_are() {
    for path in NO_PATHS {
        let (_, outcome) = head(path);
        match outcome {
            Err(Rejection::Call(rejected)) => {
                assert_eq!(rejected.status.code(), Code::Unimplemented, "{path}");
                assert_eq!(rejected.http_status, 200);
            }
            other => panic!("{path}: {other:?}"),
        }
        assert!(Path::new(path).is_err(), "{path}");
    }
}

#[test]
fn another_spelling_is_another_method() {
    for path in ["/pkg.echo/Say", "/pkg.Echo/say", "/Echo/Say", "/pkg.Echo/Say2", "/.pkg.Echo/Say", "/.../Say"] {
        let (head, outcome) = head(path);
        outcome.unwrap();
        assert_eq!(head.route(), None, "{path}");
        assert_eq!(head.path(), path, "for whoever handles unknown methods");
    }
}

#[test]
fn a_path_has_a_service_and_a_method() {
    let path = Path::new("/pkg.Echo/Say").unwrap();
    assert_eq!((path.service(), path.method(), path.as_str()), ("pkg.Echo", "Say", "/pkg.Echo/Say"));
    assert_eq!(path, Path::from_static("/pkg.Echo/Say"));
    assert_eq!(path.to_string(), "/pkg.Echo/Say");
}

#[test]
fn a_dynamic_method_checks_its_path() {
    let method = Method::<bytes::Bytes, bytes::Bytes, _>::dynamic("/pkg.Echo/Say", MethodKind::Unary, Raw);
    assert_eq!(method.unwrap().path().method(), "Say");
    let error = Method::<bytes::Bytes, bytes::Bytes, _>::dynamic("pkg.Echo.Say", MethodKind::Unary, Raw).unwrap_err();
    assert!(error.to_string().contains("/package.Service/Method"));
}
