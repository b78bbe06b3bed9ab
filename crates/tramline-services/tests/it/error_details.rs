//! Rich details, from a handler to its caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::server::{Routes, Service};
use tramline::{Channel, Code, Method, Request, Response, Server, Status};
use tramline_services::error_details::{
    BadRequest, DebugInfo, ErrorDetail, ErrorInfo, FieldViolation, Help, Link, LocalizedMessage, PreconditionFailure,
    PreconditionViolation, QuotaFailure, QuotaViolation, RequestInfo, ResourceInfo, RetryInfo, StatusExt,
};

const FAIL: Method<Bytes, Bytes, Raw> = Method::unary("/test.Failing/Fail", Raw);

/// Fails with what it was given.
struct Failing(Status);

impl Service for Failing {
    fn name(&self) -> &'static str {
        "test.Failing"
    }

    fn register(self, routes: &mut Routes) {
        routes.unary(FAIL, Arc::new(self), |failing: Arc<Self>, _: Request<Bytes>| async move {
            Err::<Response<Bytes>, _>(failing.0.clone())
        });
    }
}

/// The status as a client sees it.
async fn received(status: Status) -> Status {
    let server = Server::builder().add_service(Failing(status)).bind("127.0.0.1:0").expect("binds");
    let address = server.local_addr().expect("has an address").to_string();
    let handle = server.start().expect("starts");
    let channel = Channel::new(&address).expect("is a target");
    let status = channel.unary(&FAIL, Bytes::new()).await.expect_err("fails");
    handle.abort();
    status
}

fn pairs(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

fn every_kind() -> Vec<ErrorDetail> {
    let message = || LocalizedMessage { locale: "fr-CH".into(), message: "trop vieux".into() };
    let field = FieldViolation {
        field: "user.age".into(),
        description: "too old".into(),
        reason: "AGE".into(),
        localized_message: Some(message()),
    };
    let quota = QuotaViolation {
        subject: "clientip:192.0.2.1".into(),
        description: "too much".into(),
        api_service: "api.example.com".into(),
        quota_metric: "calls".into(),
        quota_id: "calls-per-day".into(),
        quota_dimensions: pairs("region", "eu"),
        quota_value: 100,
        future_quota_value: Some(0),
    };
    let precondition =
        PreconditionViolation { kind: "TOS".into(), subject: "terms".into(), description: "not accepted".into() };
    let link = Link { description: "more".into(), url: "https://example.com".into() };
    vec![
        ErrorInfo { reason: "STOCKOUT".into(), domain: "shop".into(), metadata: pairs("sku", "7") }.into(),
        RetryInfo { retry_delay: Duration::from_millis(1500) }.into(),
        DebugInfo { stack_entries: vec!["a".into(), "b".into()], detail: "here".into() }.into(),
        QuotaFailure { violations: vec![quota] }.into(),
        PreconditionFailure { violations: vec![precondition] }.into(),
        BadRequest { field_violations: vec![field, FieldViolation::default()] }.into(),
        RequestInfo { request_id: "r-1".into(), serving_data: "cell 4".into() }.into(),
        ResourceInfo {
            resource_type: "book".into(),
            resource_name: "b-1".into(),
            owner: "me".into(),
            description: "gone".into(),
        }
        .into(),
        Help { links: vec![link] }.into(),
        message().into(),
        ErrorDetail::Other { type_url: "type.example.com/pkg.Custom".into(), value: Bytes::from_static(b"\x08\x01") },
    ]
}

#[tokio::test]
async fn every_kind_arrives_in_order() {
    let details = every_kind();
    let status = details.iter().cloned().fold(Status::aborted("all of it"), StatusExt::with_error_detail);
    let received = received(status).await;
    assert_eq!(received.code(), Code::Aborted);
    assert_eq!(received.message(), "all of it");
    assert_eq!(received.error_details(), details);
    assert_eq!(received.error_detail::<RequestInfo>().map(|info| info.request_id), Some("r-1".to_owned()));
    assert!(Status::internal("plain").error_details().is_empty());
}

#[tokio::test]
async fn octets_that_are_no_status_are_no_details() {
    let received = received(Status::internal("odd").with_details(&b"\xff\xff\xff"[..])).await;
    assert_eq!((received.code(), received.message()), (Code::Internal, "odd"));
    assert!(received.error_details().is_empty());
}

/// A standard type whose octets cannot be read is kept as it is.
#[test]
fn a_damaged_detail_is_kept_as_octets() {
    let damaged = ErrorDetail::Other {
        type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(),
        value: Bytes::from_static(b"\x0a\xff"),
    };
    let status = Status::internal("x").with_error_detail(damaged.clone());
    assert_eq!(status.error_details(), [damaged]);
    assert!(status.error_detail::<ErrorInfo>().is_none());
}
