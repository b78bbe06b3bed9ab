//! The benchmark's services on tonic.
//!
//! Default: `Server::builder()` on tokio's multi-threaded runtime, as in tonic's examples.
//! Tuned: one current-thread runtime per thread that share the port, and the windows that
//! tonic's users set for throughput.

mod proto;

use bytes::Bytes;
use proto::bench::benchmark_service_server::{BenchmarkService, BenchmarkServiceServer};
use proto::bench::{Payload, StreamRequest};
use proto::helloworld::greeter_server::{Greeter, GreeterServer};
use proto::helloworld::{HelloReply, HelloRequest};
use rig::{ServerOptions, identity, listen};
use tokio_stream::StreamExt;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// What issue threads and the documentation recommend for bulk traffic.
const WINDOW_LEN: u32 = 4 * 1024 * 1024;

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("Hello, {}!", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }
}

struct Bench;

type PayloadStream = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Payload, Status>> + Send>>;

#[tonic::async_trait]
impl BenchmarkService for Bench {
    type StreamStream = PayloadStream;
    type PingPongStream = PayloadStream;

    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(Payload { body: request.into_inner().body }))
    }

    async fn stream(&self, request: Request<StreamRequest>) -> Result<Response<PayloadStream>, Status> {
        let StreamRequest { count, len } = request.into_inner();
        let body = Bytes::from(vec![0; len as usize]);
        let replies = (0..count).map(move |_| Ok(Payload { body: body.clone() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }

    async fn ping_pong(&self, request: Request<Streaming<Payload>>) -> Result<Response<PayloadStream>, Status> {
        let replies = request.into_inner().map(|ping| ping.map(|ping| Payload { body: ping.body }));
        Ok(Response::new(Box::pin(replies)))
    }
}

fn router(options: &ServerOptions, identity: Option<&Identity>) -> anyhow::Result<Router> {
    let mut server = Server::builder();
    if options.is_tuned {
        server = server.initial_stream_window_size(WINDOW_LEN).initial_connection_window_size(WINDOW_LEN);
    }
    if let Some(identity) = identity {
        server = server.tls_config(ServerTlsConfig::new().identity(identity.clone()))?;
    }
    let bench =
        BenchmarkServiceServer::new(Bench).max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX);
    Ok(server.add_service(GreeterServer::new(Hello)).add_service(bench))
}

async fn serve(options: &ServerOptions, identity: Option<&Identity>) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listen::listen_shared(options.addr)?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    router(options, identity)?.serve_with_incoming(incoming).await?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::from_args()?;
    let identity = match options.is_tls {
        true => Some(identity::self_signed().map(|(cert, key)| Identity::from_pem(cert, key))?),
        false => None,
    };
    if !options.is_per_core && !options.is_tuned {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
        return runtime
            .block_on(async move { tokio::spawn(async move { serve(&options, identity.as_ref()).await }).await? });
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(serve(&options, identity.as_ref()))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a serving thread panicked"))
    })
}
