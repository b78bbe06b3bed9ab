//! The unary half of the benchmark's services on pajamax, which has no streaming.
//!
//! No published pajamax-build fits pajamax 0.4, so what it would generate is written by hand.
//! There are no threads to set: each connection gets one. Default and tuned differ in nothing.

mod proto {
    pub(crate) mod helloworld {
        include!(concat!(env!("OUT_DIR"), "/helloworld.rs"));
    }

    pub(crate) mod bench {
        include!(concat!(env!("OUT_DIR"), "/bench.rs"));
    }
}

use pajamax::PajamaxService;
use pajamax::error::Error;
use prost::Message;
use proto::bench::Payload;
use proto::helloworld::{HelloReply, HelloRequest};
use rig::ServerOptions;

/// Its default of 100 refuses the hundred-and-first.
const CONNECTION_COUNT_MAX: usize = 1000;

struct Hello;

impl PajamaxService for Hello {
    fn is_dispatch_mode(&self) -> bool {
        false
    }

    fn route(&self, path: &[u8]) -> Option<usize> {
        (path == b"/helloworld.Greeter/SayHello").then_some(0)
    }

    fn handle(&self, _method: usize, request: &[u8], stream_id: u32) -> Result<(), Error> {
        let request = HelloRequest::decode(request)?;
        let reply = HelloReply { message: format!("Hello, {}!", request.name) };
        pajamax::local_build_response(stream_id, Ok(reply))
    }
}

struct Bench;

impl PajamaxService for Bench {
    fn is_dispatch_mode(&self) -> bool {
        false
    }

    fn route(&self, path: &[u8]) -> Option<usize> {
        (path == b"/bench.BenchmarkService/Echo").then_some(0)
    }

    fn handle(&self, _method: usize, request: &[u8], stream_id: u32) -> Result<(), Error> {
        let reply = Payload { body: Payload::decode(request)?.body };
        pajamax::local_build_response(stream_id, Ok(reply))
    }
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::from_args()?;
    pajamax::Config::new()
        .max_concurrent_connections(CONNECTION_COUNT_MAX)
        .add_service(Hello)
        .add_service(Bench)
        .serve(options.addr)?;
    Ok(())
}
