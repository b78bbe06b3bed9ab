//! connectrpc's client under load, speaking gRPC: its CPU time per unary call.
//!
//! Default: one shared HTTP/2 connection on tokio's multi-threaded runtime, as its
//! documentation has it. Tuned: a current-thread runtime.

#[allow(warnings, clippy::all, reason = "generated code")]
mod proto;

use connectrpc::Protocol;
use connectrpc::client::{ClientConfig, Http2Connection, SharedHttp2Connection};
use proto::helloworld::{GreeterClient, HelloRequest};
use rig::{ClientOptions, meter};

/// As many requests may wait for the connection, as in its documentation.
const QUEUE_LEN: usize = 1024;

type Greeter = GreeterClient<SharedHttp2Connection>;

async fn call(greeter: Greeter, calls: u64) -> anyhow::Result<()> {
    for _ in 0..calls {
        let request = HelloRequest { name: "world".to_owned(), ..Default::default() };
        let reply = greeter.say_hello(request).await?.into_owned();
        anyhow::ensure!(reply.message == "Hello, world!", "wrong reply: {:?}", reply.message);
    }
    Ok(())
}

async fn run(greeters: &[Greeter], options: &ClientOptions, calls: u64) -> anyhow::Result<()> {
    let flights = (options.connections * options.streams) as u64;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..flights {
        let greeter = greeters[index as usize % greeters.len()].clone();
        tasks.spawn(call(greeter, calls / flights + u64::from(index < calls % flights)));
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

async fn measure(options: &ClientOptions) -> anyhow::Result<()> {
    let mut greeters = Vec::new();
    for _ in 0..options.connections {
        let uri: http::Uri = format!("http://{}", options.addr).parse()?;
        let connection = Http2Connection::connect_plaintext(uri.clone()).await?.shared(QUEUE_LEN);
        greeters.push(GreeterClient::new(connection, ClientConfig::new(uri).with_protocol(Protocol::Grpc)));
    }
    run(&greeters, options, options.calls / 10).await?;
    let begin = meter::own_cpu_time();
    run(&greeters, options, options.calls).await?;
    let spent = meter::own_cpu_time() - begin;
    println!("{:.3}", spent.as_secs_f64() * 1e6 / options.calls as f64);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let options = ClientOptions::from_args()?;
    let mut builder = match options.is_tuned {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(1).enable_all().build()?.block_on(measure(&options))
}
