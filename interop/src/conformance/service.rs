//! The service that the suite's reference client calls: it answers as each request asks.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tramline::codec::buffa::well_known::google::protobuf::Any;
use tramline::codec::buffa::{Message, MessageName};
use tramline::{CallContext, Metadata, Replies, Request, Response, Status, Streaming};

use super::{error, headers};
use crate::protos::connectrpc::conformance::v1::conformance_payload::RequestInfo;
use crate::protos::connectrpc::conformance::v1::conformance_service_server::ConformanceService;
use crate::protos::connectrpc::conformance::v1::unary_response_definition::Response as Definition;
use crate::protos::connectrpc::conformance::v1::{
    BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse, ConformancePayload,
    IdempotentUnaryRequest, IdempotentUnaryResponse, ServerStreamRequest, ServerStreamResponse,
    StreamResponseDefinition, UnaryRequest, UnaryResponse, UnaryResponseDefinition, UnimplementedRequest,
    UnimplementedResponse,
};

/// The conformance service.
#[derive(Debug, Default)]
pub struct Conformance;

impl ConformanceService for Conformance {
    async fn unary(&self, request: Request<UnaryRequest>) -> Result<Response<UnaryResponse>, Status> {
        let info = info(&request, vec![pack(request.get_ref())]);
        let definition = request.get_ref().response_definition.as_option().cloned();
        let payload = |payload: ConformancePayload| UnaryResponse { payload: payload.into(), ..Default::default() };
        answer(request.context(), definition, info, payload).await
    }

    async fn idempotent_unary(
        &self,
        request: Request<IdempotentUnaryRequest>,
    ) -> Result<Response<IdempotentUnaryResponse>, Status> {
        let info = info(&request, vec![pack(request.get_ref())]);
        let definition = request.get_ref().response_definition.as_option().cloned();
        let payload =
            |payload: ConformancePayload| IdempotentUnaryResponse { payload: payload.into(), ..Default::default() };
        answer(request.context(), definition, info, payload).await
    }

    async fn client_stream(
        &self,
        mut request: Request<Streaming<ClientStreamRequest>>,
    ) -> Result<Response<ClientStreamResponse>, Status> {
        let mut requests = Vec::new();
        let mut definition = None;
        while let Some(message) = request.get_mut().message().await? {
            if requests.is_empty() {
                definition = message.response_definition.as_option().cloned();
            }
            requests.push(pack(&message));
        }
        let info = info(&request, requests);
        let payload =
            |payload: ConformancePayload| ClientStreamResponse { payload: payload.into(), ..Default::default() };
        answer(request.context(), definition, info, payload).await
    }

    async fn server_stream(
        &self,
        request: Request<ServerStreamRequest>,
        replies: Replies<ServerStreamResponse>,
    ) -> Result<(), Status> {
        let info = info(&request, vec![pack(request.get_ref())]);
        let Some(definition) = request.get_ref().response_definition.as_option() else { return Ok(()) };
        begin(&replies, definition)?;
        replies.send_metadata();
        let mut responses = Responses { definition, sent: 0 };
        let mut info = Some(info);
        while let Some(payload) = responses.next(&mut info).await {
            replies.send(ServerStreamResponse { payload: payload.into(), ..Default::default() }).await?;
        }
        responses.end(info)
    }

    async fn bidi_stream(
        &self,
        mut request: Request<Streaming<BidiStreamRequest>>,
        replies: Replies<BidiStreamResponse>,
    ) -> Result<(), Status> {
        let Some(first) = request.get_mut().message().await? else { return Ok(()) };
        let mut requests = vec![pack(&first)];
        let is_full_duplex = first.full_duplex;
        let Some(definition) = first.response_definition.as_option() else {
            while !is_full_duplex && request.get_mut().message().await?.is_some() {}
            return Ok(());
        };
        begin(&replies, definition)?;
        if is_full_duplex {
            replies.send_metadata();
        }
        let mut responses = Responses { definition, sent: 0 };
        let mut is_first = true;
        while is_full_duplex && !responses.is_done() {
            let taken = std::mem::take(&mut requests);
            let all = if is_first { info(&request, taken) } else { only_requests(taken) };
            is_first = false;
            let Some(payload) = responses.next(&mut Some(all)).await else { break };
            replies.send(BidiStreamResponse { payload: payload.into(), ..Default::default() }).await?;
            let Some(message) = request.get_mut().message().await? else { break };
            requests.push(pack(&message));
        }
        while !is_full_duplex && let Some(message) = request.get_mut().message().await? {
            requests.push(pack(&message));
        }
        let mut rest = is_first.then(|| info(&request, requests));
        while let Some(payload) = responses.next(&mut rest).await {
            replies.send(BidiStreamResponse { payload: payload.into(), ..Default::default() }).await?;
        }
        responses.end(rest)
    }

    async fn unimplemented(
        &self,
        _request: Request<UnimplementedRequest>,
    ) -> Result<Response<UnimplementedResponse>, Status> {
        Err(Status::unimplemented("this method is there to be missing"))
    }
}

/// The answer of a method with one response.
async fn answer<T>(
    context: Option<&CallContext>,
    definition: Option<UnaryResponseDefinition>,
    info: RequestInfo,
    wrap: impl FnOnce(ConformancePayload) -> T,
) -> Result<Response<T>, Status> {
    let definition = definition.unwrap_or_default();
    if let Some(context) = context {
        context.with_initial_metadata(|initial| headers::append(initial, &definition.response_headers))?;
    }
    sleep(Duration::from_millis(definition.response_delay_ms.into())).await;
    let data = match &definition.response {
        Some(Definition::Error(error)) => {
            let mut status = error::to_status(error, Some(pack(&info)));
            headers::append(status.metadata_mut(), &definition.response_trailers)?;
            return Err(status);
        }
        Some(Definition::ResponseData(data)) => data.clone(),
        None => Bytes::new(),
    };
    let payload = ConformancePayload { data, request_info: info.into(), ..Default::default() };
    let mut response = Response::new(wrap(payload));
    headers::append(response.trailers_mut(), &definition.response_trailers)?;
    Ok(response)
}

/// Sets what a streaming response has around its messages.
fn begin<T>(replies: &Replies<T>, definition: &StreamResponseDefinition) -> Result<(), Status> {
    let mut initial = Metadata::new();
    headers::append(&mut initial, &definition.response_headers)?;
    replies.set_metadata(initial).map_err(|_| Status::internal("the response had begun"))?;
    replies.with_trailers(|trailers| headers::append(trailers, &definition.response_trailers))
}

/// The responses that a request asks for, one after the other.
struct Responses<'d> {
    definition: &'d StreamResponseDefinition,
    sent: usize,
}

impl Responses<'_> {
    fn is_done(&self) -> bool {
        self.sent >= self.definition.response_data.len()
    }

    /// The next response, after its delay. It takes the information that is there.
    async fn next(&mut self, info: &mut Option<RequestInfo>) -> Option<ConformancePayload> {
        let data = self.definition.response_data.get(self.sent)?.clone();
        sleep(Duration::from_millis(self.definition.response_delay_ms.into())).await;
        self.sent += 1;
        let request_info = info.take().map(Into::into).unwrap_or_default();
        Some(ConformancePayload { data, request_info, ..Default::default() })
    }

    /// How the call ends. If nothing was sent, the error carries the information.
    fn end(&self, info: Option<RequestInfo>) -> Result<(), Status> {
        let Some(error) = self.definition.error.as_option() else { return Ok(()) };
        let detail = if self.sent == 0 { info.map(|info| pack(&info)) } else { None };
        Err(error::to_status(error, detail))
    }
}

fn info<T>(request: &Request<T>, requests: Vec<Any>) -> RequestInfo {
    let remaining = request.context().and_then(|context| context.remaining());
    let timeout_ms = remaining.map(|remaining| i64::try_from(remaining.as_millis()).unwrap_or(i64::MAX));
    let request_headers = headers::to_headers(request.metadata());
    RequestInfo { request_headers, timeout_ms, requests, ..Default::default() }
}

fn only_requests(requests: Vec<Any>) -> RequestInfo {
    RequestInfo { requests, ..Default::default() }
}

fn pack<T: Message + MessageName>(message: &T) -> Any {
    Any::pack(message, T::TYPE_URL)
}
