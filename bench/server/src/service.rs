//! The benchmark's services on Tramline, as a user would write them.

use bytes::Bytes;
use tramline::server::ServerBuilder;
use tramline::{Replies, Request, Response, Server, Status, Streaming};

use crate::proto::bench::benchmark_service_server::{BenchmarkService, BenchmarkServiceServer};
use crate::proto::bench::{Payload, StreamRequest};
use crate::proto::helloworld::greeter_server::{Greeter, GreeterServer};
use crate::proto::helloworld::{HelloReply, HelloRequest};

struct Hello;

impl Greeter for Hello {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("Hello, {}!", request.get_ref().name);
        Ok(Response::new(HelloReply { message, ..Default::default() }))
    }
}

struct Bench;

impl BenchmarkService for Bench {
    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(Payload { body: request.into_inner().body, ..Default::default() }))
    }

    async fn stream(&self, request: Request<StreamRequest>, replies: Replies<Payload>) -> Result<(), Status> {
        let StreamRequest { count, len, .. } = request.into_inner();
        let body = Bytes::from(vec![0; len as usize]);
        for _ in 0..count {
            replies.send(Payload { body: body.clone(), ..Default::default() }).await?;
        }
        Ok(())
    }

    async fn ping_pong(&self, request: Request<Streaming<Payload>>, replies: Replies<Payload>) -> Result<(), Status> {
        let mut pings = request.into_inner();
        while let Some(ping) = pings.message().await? {
            replies.send(Payload { body: ping.body, ..Default::default() }).await?;
        }
        Ok(())
    }
}

/// A server with default settings.
pub(crate) fn builder() -> ServerBuilder {
    Server::builder().add_service(GreeterServer::new(Hello)).add_service(BenchmarkServiceServer::new(Bench))
}
