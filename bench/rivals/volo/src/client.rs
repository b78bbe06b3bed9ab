//! volo's client under load: its CPU time per unary call.
//!
//! It pools connections by itself; `--connections` makes as many clients. Default: tokio's
//! multi-threaded runtime. Tuned: a current-thread runtime.

#[allow(warnings, clippy::all, reason = "generated code")]
mod proto;

use proto::volo_gen::helloworld::{GreeterClient, GreeterClientBuilder, HelloRequest};
use rig::{ClientOptions, meter};

async fn call(greeter: GreeterClient, calls: u64) -> anyhow::Result<()> {
    for _ in 0..calls {
        let request = HelloRequest { name: "world".into(), ..Default::default() };
        let reply = greeter.say_hello(request).await.map_err(|status| anyhow::anyhow!("{status}"))?.into_inner();
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
    let addr = volo::net::Address::from(options.addr);
    let greeters: Vec<GreeterClient> =
        (0..options.connections).map(|_| GreeterClientBuilder::new("greeter").address(addr.clone()).build()).collect();
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
