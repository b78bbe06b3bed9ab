//! Health, through a real server and a real client.

use std::time::Duration;

use tramline::server::ServerHandle;
use tramline::{Channel, Code, Server, Streaming};

use super::{HealthReporter, ServingStatus};
use crate::proto::grpc_health as proto;
use proto::health_check_response::ServingStatus as WireStatus;
use proto::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, health_service};

fn serve(health: &HealthReporter) -> (ServerHandle, Channel) {
    let server = Server::builder().add_service(health.service()).bind("127.0.0.1:0").expect("binds");
    let address = server.local_addr().expect("has an address").to_string();
    (server.start().expect("starts"), Channel::new(&address).expect("is a target"))
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned(), ..Default::default() }
}

async fn check(channel: &Channel, service: &str) -> Result<WireStatus, Code> {
    let reply = channel.unary(&health_service::CHECK, request(service)).await.map_err(|status| status.code())?;
    Ok(reply.into_inner().status.as_known().expect("is known"))
}

async fn next(replies: &mut Streaming<HealthCheckResponse>) -> WireStatus {
    let reply = tokio::time::timeout(Duration::from_secs(10), replies.message()).await.expect("comes in time");
    reply.expect("goes on").expect("does not end").status.as_known().expect("is known")
}

#[tokio::test]
async fn check_says_what_was_reported() {
    let health = HealthReporter::new();
    let (_server, channel) = serve(&health);
    assert_eq!(check(&channel, "").await, Ok(WireStatus::SERVING));
    assert_eq!(check(&channel, "a.B").await, Err(Code::NotFound));
    health.set("a.B", ServingStatus::NotServing);
    assert_eq!(check(&channel, "a.B").await, Ok(WireStatus::NOT_SERVING));
    health.set("a.B", ServingStatus::Serving);
    assert_eq!(check(&channel, "a.B").await, Ok(WireStatus::SERVING));
    health.set("a.B", ServingStatus::Unknown);
    assert_eq!(check(&channel, "a.B").await, Ok(WireStatus::UNKNOWN));
    health.clear("a.B");
    assert_eq!(check(&channel, "a.B").await, Err(Code::NotFound));
}

#[tokio::test]
async fn watch_follows_a_service_from_before_it_is_known() {
    let health = HealthReporter::new();
    let (_server, channel) = serve(&health);
    let watch = channel.server_streaming(&health_service::WATCH, request("a.B")).await.expect("begins");
    let mut replies = watch.into_inner();
    assert_eq!(next(&mut replies).await, WireStatus::SERVICE_UNKNOWN);
    health.set("a.B", ServingStatus::Serving);
    assert_eq!(next(&mut replies).await, WireStatus::SERVING);
    // Neither what is said again nor what concerns others is told.
    health.set("a.B", ServingStatus::Serving);
    health.set("other", ServingStatus::NotServing);
    health.set("a.B", ServingStatus::NotServing);
    assert_eq!(next(&mut replies).await, WireStatus::NOT_SERVING);
    health.clear("a.B");
    assert_eq!(next(&mut replies).await, WireStatus::SERVICE_UNKNOWN);
}

#[tokio::test]
async fn shutdown_turns_everything_away_for_good() {
    let health = HealthReporter::new();
    health.set("a.B", ServingStatus::Serving);
    let (_server, channel) = serve(&health);
    let watch = channel.server_streaming(&health_service::WATCH, request("a.B")).await.expect("begins");
    let mut replies = watch.into_inner();
    assert_eq!(next(&mut replies).await, WireStatus::SERVING);
    health.shutdown();
    assert_eq!(next(&mut replies).await, WireStatus::NOT_SERVING);
    health.set("a.B", ServingStatus::Serving);
    assert_eq!(check(&channel, "a.B").await, Ok(WireStatus::NOT_SERVING));
    assert_eq!(check(&channel, "").await, Ok(WireStatus::NOT_SERVING));
    health.resume();
    assert_eq!(next(&mut replies).await, WireStatus::SERVING);
}

#[tokio::test]
async fn list_has_at_most_a_hundred_services() {
    let health = HealthReporter::new();
    let (_server, channel) = serve(&health);
    for n in 1..100 {
        health.set(format!("service.{n}"), ServingStatus::Serving);
    }
    let list = || channel.unary(&health_service::LIST, HealthListRequest::default());
    let statuses = list().await.expect("fits").into_inner().statuses;
    assert_eq!(statuses.len(), 100);
    assert_eq!(statuses.get("").and_then(|status| status.status.as_known()), Some(WireStatus::SERVING));
    health.set("one.too.many", ServingStatus::Serving);
    assert_eq!(list().await.expect_err("too many").code(), Code::ResourceExhausted);
}
