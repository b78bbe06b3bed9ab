//! The benchmark's services on connectrpc, spoken to in gRPC.
//!
//! Default: its own server on tokio's multi-threaded runtime. Tuned: one current-thread runtime
//! per thread that share the port, fixed windows instead of adaptive ones, and no compression
//! to negotiate.

#[allow(warnings, clippy::all, reason = "generated code")]
mod proto;

use std::sync::Arc;

use connectrpc::{
    CompressionRegistry, ConnectRpcService, Encodable, InboundStream, Limits, RequestContext, Response, Router, Server,
    ServiceRequest, ServiceResult, ServiceStream,
};
use proto::bench::{BenchmarkService, Payload, StreamRequest};
use proto::helloworld::{Greeter, HelloReply, HelloRequest};
use rig::{ServerOptions, listen};

const WINDOW_LEN: u32 = 4 * 1024 * 1024;

struct Hello;

impl Greeter for Hello {
    async fn say_hello(
        &self,
        _context: RequestContext,
        request: ServiceRequest<'_, HelloRequest>,
    ) -> ServiceResult<HelloReply> {
        Response::ok(HelloReply { message: format!("Hello, {}!", request.name), ..Default::default() })
    }
}

struct Bench;

impl BenchmarkService for Bench {
    async fn echo(&self, _context: RequestContext, request: ServiceRequest<'_, Payload>) -> ServiceResult<Payload> {
        Response::ok(Payload { body: request.body.to_vec(), ..Default::default() })
    }

    async fn stream(
        &self,
        _context: RequestContext,
        request: ServiceRequest<'_, StreamRequest>,
    ) -> ServiceResult<ServiceStream<impl Encodable<Payload> + Send + use<>>> {
        let body = vec![0; request.len as usize];
        let replies = (0..request.count).map(move |_| Ok(Payload { body: body.clone(), ..Default::default() }));
        Response::stream_ok(futures::stream::iter(replies))
    }

    async fn ping_pong(
        &self,
        _context: RequestContext,
        pings: InboundStream<Payload>,
    ) -> ServiceResult<ServiceStream<impl Encodable<Payload> + Send + use<>>> {
        // Its guide: a received item is forwarded as it is, without encoding it again.
        Response::ok(pings)
    }
}

async fn serve(options: &ServerOptions) -> anyhow::Result<()> {
    let router = Router::new().add_service(Arc::new(Hello)).add_service(Arc::new(Bench));
    let mut service = ConnectRpcService::new(router).with_limits(Limits::unlimited());
    let listener = tokio::net::TcpListener::from_std(listen::listen_shared(options.addr)?)?;
    let mut server = Server::from_listener(listener);
    if options.is_tuned {
        service = service.with_compression(CompressionRegistry::new());
        server = server
            .with_http2_adaptive_window(false)
            .with_http2_initial_stream_window_size(WINDOW_LEN)
            .with_http2_initial_connection_window_size(WINDOW_LEN);
    }
    server.serve_with_service(service).await.map_err(|error| anyhow::anyhow!("{error}"))
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::from_args()?;
    if !options.is_per_core && !options.is_tuned {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
        return runtime.block_on(async move { tokio::spawn(async move { serve(&options).await }).await? });
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(serve(&options))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a serving thread panicked"))
    })
}
