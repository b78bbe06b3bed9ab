//! Many calls, on one channel or each on a new one, within a latency.

use std::time::{Duration, Instant};

use crate::cases::unary::check_len;
use crate::cases::{Failure, Session, check, payload};
use crate::protos::grpc::testing::SimpleRequest;
use crate::protos::grpc::testing::test_service_client::TestServiceClient;

/// The `--soak_*` flags of the official clients, with their defaults.
struct Plan {
    iterations: usize,
    failures_max: usize,
    latency_max: Duration,
    interval_min: Duration,
    overall_max: Duration,
    request_len: usize,
    response_len: i32,
}

impl Plan {
    fn of(session: &Session) -> Result<Plan, Failure> {
        let flags = &session.flags;
        let iterations = flags.number("soak_iterations", 10)?;
        let latency_ms = flags.number("soak_per_iteration_max_acceptable_latency_ms", 1000)?;
        let overall = flags.number("soak_overall_timeout_seconds", iterations as u64 * latency_ms / 1000)?;
        Ok(Plan {
            iterations,
            failures_max: flags.number("soak_max_failures", 0)?,
            latency_max: Duration::from_millis(latency_ms),
            interval_min: Duration::from_millis(flags.number("soak_min_time_ms_between_rpcs", 0)?),
            overall_max: Duration::from_secs(overall),
            request_len: flags.number("soak_request_size", 271_828)?,
            response_len: flags.number("soak_response_size", 314_159)?,
        })
    }
}

pub(super) async fn rpc_soak(session: &Session) -> Result<(), Failure> {
    soak(session, false).await
}

pub(super) async fn channel_soak(session: &Session) -> Result<(), Failure> {
    soak(session, true).await
}

async fn soak(session: &Session, is_channel_new_each_time: bool) -> Result<(), Failure> {
    let plan = Plan::of(session)?;
    let begin = Instant::now();
    let mut failures = Vec::new();
    for iteration in 0..plan.iterations {
        check(begin.elapsed() <= plan.overall_max, format_args!("not done after {:?}", plan.overall_max))?;
        let call_begin = Instant::now();
        let channel = if is_channel_new_each_time { session.connect_again()? } else { session.channel.clone() };
        if let Err(failure) = call(TestServiceClient::new(channel), &plan, call_begin).await {
            failures.push(format!("{iteration}: {failure}"));
        }
        tokio::time::sleep(plan.interval_min.saturating_sub(call_begin.elapsed())).await;
    }
    check(failures.len() <= plan.failures_max, format_args!("calls failed: {}", failures.join("; ")))
}

async fn call(client: TestServiceClient, plan: &Plan, begin: Instant) -> Result<(), Failure> {
    let payload = payload(plan.request_len).into();
    let request = SimpleRequest { response_size: plan.response_len, payload, ..Default::default() };
    check_len(client.unary_call(request).await?.get_ref(), plan.response_len)?;
    let latency = begin.elapsed();
    check(latency <= plan.latency_max, format_args!("took {latency:?}"))
}
