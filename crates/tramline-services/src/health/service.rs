//! The answers.

use std::collections::HashMap;
use std::sync::Arc;

use tramline::server::{Routes, Service};
use tramline::{Replies, Request, Response, Status};

use super::{Health, ServingStatus};
use crate::proto::grpc_health as proto;
use proto::health_check_response::ServingStatus as WireStatus;
use proto::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};

/// The most services that List answers with (gRFC A90).
const LISTED_MAX: usize = 100;

/// `grpc.health.v1.Health`: answers from what its
/// [`HealthReporter`](super::HealthReporter) said.
#[derive(Debug, Clone)]
pub struct HealthService {
    health: Arc<Health>,
}

impl HealthService {
    pub(super) fn new(health: Arc<Health>) -> Self {
        HealthService { health }
    }
}

impl Service for HealthService {
    fn name(&self) -> &'static str {
        proto::health_service::NAME
    }

    fn register(self, routes: &mut Routes) {
        proto::health_server::HealthServer::new(Handler { health: self.health }).register(routes);
    }
}

/// The generated trait is implemented beside the public type, which shows nothing of it.
struct Handler {
    health: Arc<Health>,
}

impl proto::health_server::Health for Handler {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        match self.health.status(service) {
            Some(status) => Ok(Response::new(response(on_wire(status)))),
            None => Err(Status::not_found(format!("the health of `{service}` is not known here"))),
        }
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let statuses: HashMap<_, _> = {
            let state = self.health.lock();
            if state.statuses.len() > LISTED_MAX {
                return Err(Status::resource_exhausted(format!(
                    "there are {} services, and a list has at most {LISTED_MAX}",
                    state.statuses.len()
                )));
            }
            state.statuses.iter().map(|(name, status)| (name.clone(), response(on_wire(*status)))).collect()
        };
        Ok(Response::new(HealthListResponse { statuses: statuses.into_iter().collect(), ..Default::default() }))
    }

    /// Never ends by itself, also not on a service that nobody knows: it may come.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
        replies: Replies<HealthCheckResponse>,
    ) -> Result<(), Status> {
        let service = &request.get_ref().service;
        let mut changes = self.health.changes.subscribe();
        let mut told = None;
        loop {
            changes.mark_unchanged();
            let status = self.health.status(service).map_or(WireStatus::SERVICE_UNKNOWN, on_wire);
            if told != Some(status) {
                replies.send(response(status)).await?;
                told = Some(status);
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

fn on_wire(status: ServingStatus) -> WireStatus {
    match status {
        ServingStatus::Unknown => WireStatus::UNKNOWN,
        ServingStatus::Serving => WireStatus::SERVING,
        ServingStatus::NotServing => WireStatus::NOT_SERVING,
    }
}

fn response(status: WireStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into(), ..Default::default() }
}
