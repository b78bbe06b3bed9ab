//! Tramline's client under load: its CPU time per unary call, with default settings.

mod proto;

use proto::helloworld::HelloRequest;
use proto::helloworld::greeter_client::GreeterClient;
use rig::{ClientOptions, meter};
use tramline::Channel;

async fn call(greeter: GreeterClient, calls: u64) -> anyhow::Result<()> {
    for _ in 0..calls {
        let request = HelloRequest { name: "world".to_owned(), ..Default::default() };
        let reply = greeter.say_hello(request).await?.into_inner();
        anyhow::ensure!(reply.message == "Hello, world!", "wrong reply: {:?}", reply.message);
    }
    Ok(())
}

async fn run(greeters: &[GreeterClient], options: &ClientOptions, calls: u64) -> anyhow::Result<()> {
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
        greeters.push(GreeterClient::new(Channel::new(&format!("ipv4:{}", options.addr))?));
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
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(measure(&options))
}
