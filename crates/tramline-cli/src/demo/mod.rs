//! The services of the demo server.

mod chat;

pub(crate) use chat::Rooms;

use tramline::{Request, Response, Status};

/// What the schema in `proto/` became.
pub(crate) mod greeter {
    tramline::include_proto!("greeter");
}

use greeter::greeter_server::Greeter;
use greeter::{HelloReply, HelloRequest};

/// `greeter.Greeter`: says hello.
#[derive(Debug)]
pub(crate) struct Greetings;

impl Greeter for Greetings {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("Hello, {}!", request.get_ref().name);
        Ok(Response::new(HelloReply { message, ..Default::default() }))
    }
}
