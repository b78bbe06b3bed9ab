//! The service of the official interop tests (gRPC interop-test-descriptions, "Server").

use std::time::Duration;

use bytes::Bytes;
use tramline::{Code, Metadata, Replies, Request, Response, Status, Streaming};

use crate::protos::grpc::testing::test_service_server::TestService;
use crate::protos::grpc::testing::{
    BoolValue, EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, SimpleResponse,
    StreamingInputCallRequest, StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};

/// Metadata that is sent back in front of the response.
pub const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
/// Metadata that is sent back behind it.
pub const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// The interop test service.
#[derive(Debug)]
pub struct Interop {
    server_id: String,
}

impl Default for Interop {
    fn default() -> Self {
        Interop { server_id: format!("tramline-{}", std::process::id()) }
    }
}

impl TestService for Interop {
    async fn empty_call(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        respond(request.metadata(), Empty::default())
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let message = request.get_ref();
        expect_compressed(message.expect_compressed.as_option(), request.was_compressed())?;
        echo_status(message.response_status.as_option())?;
        let payload = payload(message.response_size)?;
        let server_id = if message.fill_server_id { self.server_id.clone() } else { String::new() };
        let reply = SimpleResponse { payload: payload.into(), server_id, ..Default::default() };
        let mut response = respond(request.metadata(), reply)?;
        response.set_compressible(message.response_compressed.value);
        Ok(response)
    }

    async fn cacheable_unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let mut response = self.unary_call(request).await?;
        set(response.metadata_mut(), "cache-control", "max-age=60, public")?;
        Ok(response)
    }

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
        replies: Replies<StreamingOutputCallResponse>,
    ) -> Result<(), Status> {
        echo_status(request.get_ref().response_status.as_option())?;
        echo_to(request.metadata(), &replies)?;
        send_all(&request.get_ref().response_parameters, &replies).await
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let mut requests = request.into_inner();
        let mut len = 0;
        while let Some(message) = requests.message().await? {
            expect_compressed(message.expect_compressed.as_option(), requests.was_compressed())?;
            len += message.payload.body.len();
        }
        let aggregated_payload_size = i32::try_from(len).unwrap_or(i32::MAX);
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size, ..Default::default() }))
    }

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
        replies: Replies<StreamingOutputCallResponse>,
    ) -> Result<(), Status> {
        echo_to(request.metadata(), &replies)?;
        let mut requests = request.into_inner();
        while let Some(message) = requests.message().await? {
            echo_status(message.response_status.as_option())?;
            send_all(&message.response_parameters, &replies).await?;
        }
        Ok(())
    }

    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
        replies: Replies<StreamingOutputCallResponse>,
    ) -> Result<(), Status> {
        let mut requests = request.into_inner();
        let mut parameters = Vec::new();
        while let Some(message) = requests.message().await? {
            parameters.extend(message.response_parameters);
        }
        send_all(&parameters, &replies).await
    }

    async fn unimplemented_call(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("this method is there to be missing"))
    }
}

/// A payload of zeros.
///
/// # Errors
/// INVALID_ARGUMENT: a length below zero.
fn payload(len: i32) -> Result<Payload, Status> {
    let len = usize::try_from(len).map_err(|_| Status::invalid_argument("a payload's size below zero"))?;
    Ok(Payload { body: Bytes::from(vec![0; len]), ..Default::default() })
}

/// The client says how its message was meant to come; both ends must agree.
fn expect_compressed(expected: Option<&BoolValue>, was_compressed: bool) -> Result<(), Status> {
    match expected {
        Some(expected) if expected.value != was_compressed => Err(Status::invalid_argument(format!(
            "the message {} compressed, which was not expected",
            if was_compressed { "came" } else { "did not come" }
        ))),
        _ => Ok(()),
    }
}

fn echo_status(wanted: Option<&EchoStatus>) -> Result<(), Status> {
    match wanted {
        Some(wanted) if wanted.code != 0 => Err(Status::new(Code::from_i32(wanted.code), wanted.message.clone())),
        _ => Ok(()),
    }
}

fn respond<T>(metadata: &Metadata, message: T) -> Result<Response<T>, Status> {
    let mut response = Response::new(message);
    if let Some(value) = metadata.get(ECHO_INITIAL) {
        set(response.metadata_mut(), ECHO_INITIAL, value)?;
    }
    if let Some(value) = metadata.get_bin(ECHO_TRAILING) {
        set_bin(response.trailers_mut(), &value)?;
    }
    Ok(response)
}

fn echo_to<T>(metadata: &Metadata, replies: &Replies<T>) -> Result<(), Status> {
    if let Some(value) = metadata.get(ECHO_INITIAL) {
        let mut initial = Metadata::new();
        set(&mut initial, ECHO_INITIAL, value)?;
        replies.set_metadata(initial).map_err(|_| Status::internal("the response had begun"))?;
    }
    if let Some(value) = metadata.get_bin(ECHO_TRAILING) {
        replies.with_trailers(|trailers| set_bin(trailers, &value))?;
    }
    Ok(())
}

fn set(metadata: &mut Metadata, key: &str, value: &str) -> Result<(), Status> {
    metadata.insert(key, value).map_err(|error| Status::internal(error.to_string()))
}

fn set_bin(metadata: &mut Metadata, value: &[u8]) -> Result<(), Status> {
    metadata.insert_bin(ECHO_TRAILING, value).map_err(|error| Status::internal(error.to_string()))
}

async fn send_all(
    parameters: &[ResponseParameters],
    replies: &Replies<StreamingOutputCallResponse>,
) -> Result<(), Status> {
    for wanted in parameters {
        let interval = u64::try_from(wanted.interval_us).unwrap_or(0);
        if interval > 0 {
            tokio::time::sleep(Duration::from_micros(interval)).await;
        }
        let reply = StreamingOutputCallResponse { payload: payload(wanted.size)?.into(), ..Default::default() };
        if wanted.compressed.value {
            replies.send(reply).await?;
        } else {
            replies.send_uncompressed(reply).await?;
        }
    }
    Ok(())
}
