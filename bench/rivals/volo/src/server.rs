//! The benchmark's services on volo-grpc.
//!
//! Default: volo's server on tokio's multi-threaded runtime. Tuned: one current-thread runtime
//! per thread that share the port, and larger windows.

#[allow(warnings, clippy::all, reason = "generated code")]
mod proto;

use bytes::Bytes;
use futures::StreamExt;
use proto::volo_gen::bench::{BenchmarkService, BenchmarkServiceServer, Payload, StreamRequest};
use proto::volo_gen::helloworld::{Greeter, GreeterServer, HelloReply, HelloRequest};
use rig::{ServerOptions, listen};
use volo::net::incoming::DefaultIncoming;
use volo_grpc::server::{Server, ServiceBuilder};
use volo_grpc::{BoxStream, RecvStream, Request, Response, Status};

const WINDOW_LEN: u32 = 4 * 1024 * 1024;

type PayloadStream = BoxStream<'static, Result<Payload, Status>>;

struct Hello;

impl Greeter for Hello {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("Hello, {}!", request.get_ref().name).into();
        Ok(Response::new(HelloReply { message, ..Default::default() }))
    }
}

struct Bench;

impl BenchmarkService for Bench {
    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(Payload { body: request.into_inner().body, ..Default::default() }))
    }

    async fn stream(&self, request: Request<StreamRequest>) -> Result<Response<PayloadStream>, Status> {
        let StreamRequest { count, len, .. } = request.into_inner();
        let body = Bytes::from(vec![0; len as usize]);
        let replies = (0..count).map(move |_| Ok(Payload { body: body.clone(), ..Default::default() }));
        Ok(Response::new(Box::pin(futures::stream::iter(replies))))
    }

    async fn ping_pong(&self, request: Request<RecvStream<Payload>>) -> Result<Response<PayloadStream>, Status> {
        let replies =
            request.into_inner().map(|ping| ping.map(|ping| Payload { body: ping.body, ..Default::default() }));
        Ok(Response::new(Box::pin(replies)))
    }
}

async fn serve(options: &ServerOptions) -> anyhow::Result<()> {
    let mut server = Server::new();
    if options.is_tuned {
        server = server.http2_init_stream_window_size(WINDOW_LEN).http2_init_connection_window_size(WINDOW_LEN);
    }
    let listener = tokio::net::TcpListener::from_std(listen::listen_shared(options.addr)?)?;
    server
        .add_service(ServiceBuilder::new(GreeterServer::new(Hello)).build())
        .add_service(ServiceBuilder::new(BenchmarkServiceServer::new(Bench)).build())
        .run(DefaultIncoming::from(listener))
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))
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
