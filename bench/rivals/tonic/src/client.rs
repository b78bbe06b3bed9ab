//! tonic's client under load: its CPU time per unary call.
//!
//! Default: one channel on tokio's multi-threaded runtime. Tuned: a current-thread runtime.

mod proto;

use proto::helloworld::HelloRequest;
use proto::helloworld::greeter_client::GreeterClient;
use rig::{ClientOptions, meter};
use tonic::transport::{Channel, Endpoint};

async fn call(mut greeter: GreeterClient<Channel>, calls: u64) -> anyhow::Result<()> {
    for _ in 0..calls {
        let reply = greeter.say_hello(HelloRequest { name: "world".to_owned() }).await?.into_inner();
        anyhow::ensure!(reply.message == "Hello, world!", "wrong reply: {:?}", reply.message);
    }
    Ok(())
}

async fn run(channels: &[Channel], options: &ClientOptions, calls: u64) -> anyhow::Result<()> {
    let flights = (options.connections * options.streams) as u64;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..flights {
        let channel = channels[index as usize % channels.len()].clone();
        let share = calls / flights + u64::from(index < calls % flights);
        tasks.spawn(call(GreeterClient::new(channel), share));
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

async fn measure(options: &ClientOptions) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://{}", options.addr))?;
    let mut channels = Vec::new();
    for _ in 0..options.connections {
        channels.push(endpoint.connect().await?);
    }
    run(&channels, options, options.calls / 10).await?;
    let begin = meter::own_cpu_time();
    run(&channels, options, options.calls).await?;
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
