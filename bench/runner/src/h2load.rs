//! The neutral load client: nghttp2's h2load with a recorded gRPC request.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rig::meter::{CpuTime, MachineTime, Switches};

use crate::cells::Cell;
use crate::server::Server;
use crate::summary::Sample;

/// `HelloRequest { name: "world" }` in its envelope, as any gRPC client sends it.
const REQUEST: &[u8] = b"\0\0\0\0\x07\x0a\x05world";
/// A deadline and three metadata entries, the same as those of our own load client.
const METADATA: [&str; 4] = [
    "grpc-timeout: 10S",
    "authorization: Bearer 0123456789abcdef0123456789abcdef",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "x-request-id: 7b2f0f0e-6c1f-4a51-9f0e-1d2c3b4a5968",
];
/// Octets of `HelloReply { message: "Hello, world!" }` in its envelope.
const REPLY_LEN: u64 = 5 + 2 + 13;
/// Calls of the run that finds out how many fill the wanted time.
const PROBE_COUNT: u64 = 4000;
/// How often the server's threads are looked at, so that ended ones are not forgotten.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Calls that take about `duration`.
pub(crate) fn calibrate(server: &Server, cell: &Cell, duration: Duration) -> anyhow::Result<u64> {
    let probe = run(server, cell, PROBE_COUNT.max(20 * (cell.connections * cell.streams) as u64))?;
    let first = (probe.operations_per_s * 0.2) as u64;
    let longer = run(server, cell, first.max(PROBE_COUNT))?;
    Ok(((longer.operations_per_s * duration.as_secs_f64()) as u64).max(PROBE_COUNT))
}

/// Makes `count` calls and reads what they cost the server.
pub(crate) fn run(server: &Server, cell: &Cell, count: u64) -> anyhow::Result<Sample> {
    let pid = server.pid();
    let mut switches = Switches::default();
    switches.sample(pid);
    let switches_before = switches.totals();
    let before = CpuTime::read(pid)?;
    let machine = MachineTime::read();
    let output = watch(command(server, cell, count)?, || switches.sample(pid))?;
    let cpu = CpuTime::read(pid)?.since(before);
    let stolen_share = MachineTime::read().stolen_share(machine);
    switches.sample(pid);
    let text = String::from_utf8_lossy(&output.stdout);
    let operations_per_s = check(&text, count)?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    let (voluntary, involuntary) = switches.totals();
    Ok(Sample {
        cpu_us: each(cpu.total),
        user_us: each(cpu.user),
        system_us: each(cpu.system),
        voluntary_switches: (voluntary - switches_before.0) as f64 / count as f64,
        involuntary_switches: (involuntary - switches_before.1) as f64 / count as f64,
        operations_per_s,
        client_cpu_us: 0.0,
        stolen_share,
    })
}

fn command(server: &Server, cell: &Cell, count: u64) -> anyhow::Result<Command> {
    let body = std::env::temp_dir().join("bench-hello-request.bin");
    std::fs::write(&body, REQUEST)?;
    let scheme = if cell.is_tls { "https" } else { "http" };
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "h2load", "-t", "1"]);
    command.args(["-n", &count.to_string()]);
    command.args(["-c", &cell.connections.to_string(), "-m", &cell.streams.to_string()]);
    command.arg("-d").arg(body);
    command.args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
    for field in cell.has_metadata.then_some(METADATA).into_iter().flatten() {
        command.args(["-H", field]);
    }
    command.arg(format!("{scheme}://{}/helloworld.Greeter/SayHello", server.addr));
    Ok(command)
}

/// Runs a command and calls `look` now and then.
fn watch(mut command: Command, mut look: impl FnMut()) -> anyhow::Result<Output> {
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .context("h2load (Debian: nghttp2-client) cannot be started")?;
    let waiter = std::thread::spawn(move || child.wait_with_output());
    while !waiter.is_finished() {
        std::thread::sleep(LOOK_INTERVAL.min(Duration::from_millis(10)));
        look();
    }
    waiter.join().map_err(|_| anyhow::anyhow!("the waiting thread panicked"))?.map_err(Into::into)
}

/// That every call was answered with 200 and a reply of the right length; calls per second.
fn check(text: &str, count: u64) -> anyhow::Result<f64> {
    let requests = line(text, "requests: ")?;
    let succeeded = requests.split(", ").find_map(|part| part.strip_suffix(" succeeded")).unwrap_or("0");
    ensure!(succeeded.parse::<u64>() == Ok(count), "h2load: {requests}");
    let codes = line(text, "status codes: ")?;
    ensure!(codes.starts_with(&format!("{count} 2xx")), "h2load: {codes}");
    let traffic = line(text, "traffic: ")?;
    let Some(data) = parenthesised(traffic, "data") else { bail!("h2load: {traffic}") };
    ensure!(data == count * REPLY_LEN, "replies have {data} octets of data, expected {}", count * REPLY_LEN);
    let finished = line(text, "finished in ")?;
    let rate = finished.split(", ").find_map(|part| part.strip_suffix(" req/s")).context("h2load: no rate")?;
    Ok(rate.parse()?)
}

fn line<'t>(text: &'t str, start: &str) -> anyhow::Result<&'t str> {
    text.lines()
        .find_map(|line| line.strip_prefix(start))
        .with_context(|| format!("h2load printed no {start:?}:\n{text}"))
}

/// The number in `… data` of `traffic: 1.2MB (1234) total, … 12KB (1200) data`.
fn parenthesised(traffic: &str, name: &str) -> Option<u64> {
    let part = traffic.split(", ").find(|part| part.trim_end().ends_with(name))?;
    part.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
finished in 1.02s, 3921.57 req/s, 100.00KB/s
requests: 4000 total, 4000 started, 4000 done, 4000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 200.00KB (204800) total, 15.63KB (16000) headers (space savings 95.00%), 78.13KB (80000) data
";

    #[test]
    fn a_good_run_passes() {
        assert_eq!(check(TEXT, 4000).unwrap(), 3921.57);
    }

    #[test]
    fn missing_calls_and_short_replies_fail() {
        assert!(check(TEXT, 4001).is_err());
        assert!(check(&TEXT.replace("(80000)", "(79999)"), 4000).is_err());
        assert!(check(&TEXT.replace("4000 2xx, 0 3xx, 0 4xx", "0 2xx, 0 3xx, 4000 4xx"), 4000).is_err());
    }
}
