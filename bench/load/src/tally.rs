//! What was counted between the two ends of the measured time.

use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use rig::meter::{CpuTime, MachineTime, Switches};
use serde_json::{Value, json};

use crate::generator::BULK_LEN;
use crate::options::Options;

/// Latencies up to a minute, to three digits, in nanoseconds.
const LATENCY_MAX: u64 = 60_000_000_000;

pub(crate) struct Tally {
    is_open: bool,
    operations: u64,
    latencies: Histogram<u64>,
    bulk_len: u64,
    begin: Reading,
}

/// Every meter at one moment.
#[derive(Default)]
struct Reading {
    time: Duration,
    server: CpuTime,
    switches: (u64, u64),
    own: Duration,
    machine: MachineTime,
}

impl Reading {
    fn take(options: &Options, now: Duration) -> anyhow::Result<Self> {
        let mut switches = Switches::default();
        let server = match options.watch {
            Some(pid) => {
                switches.sample(pid);
                CpuTime::read(pid)?
            }
            None => CpuTime::default(),
        };
        Ok(Reading {
            time: now,
            server,
            switches: switches.totals(),
            own: rig::meter::own_cpu_time(),
            machine: MachineTime::read(),
        })
    }
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX, 3).context("histogram")?;
        Ok(Tally { is_open: false, operations: 0, latencies, bulk_len: 0, begin: Reading::default() })
    }

    /// The measured time begins.
    pub(crate) fn open(&mut self, options: &Options, now: Duration) -> anyhow::Result<()> {
        self.begin = Reading::take(options, now)?;
        self.is_open = true;
        Ok(())
    }

    /// `count` operations are done, of which the last took `latency`.
    pub(crate) fn record(&mut self, count: usize, latency: Duration) {
        if !self.is_open || count == 0 {
            return;
        }
        self.operations += count as u64;
        self.latencies.saturating_record(latency.as_nanos() as u64);
    }

    /// Octets of the bulk streams beside the calls.
    pub(crate) fn record_bulk(&mut self, len: usize) {
        if self.is_open {
            self.bulk_len += len as u64;
        }
    }

    /// The measured time is over: the figures.
    pub(crate) fn close(&mut self, options: &Options, now: Duration) -> anyhow::Result<Value> {
        let end = Reading::take(options, now)?;
        self.is_open = false;
        anyhow::ensure!(self.operations > 0, "no call was answered in the measured time");
        let seconds = (end.time - self.begin.time).as_secs_f64();
        let server = end.server.since(self.begin.server);
        // Beside bulk streams a message of theirs counts as much as a call: the server works for both.
        let operations = (self.operations + self.bulk_len / BULK_LEN as u64) as f64;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / operations;
        let micros = |quantile: f64| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        Ok(json!({
            "unit": options.script.unit(),
            "operations": self.operations,
            "seconds": seconds,
            "operations_per_s": operations / seconds,
            "bulk_octets_per_s": self.bulk_len as f64 / seconds,
            "server_cpu_us": each(server.total),
            "server_user_us": each(server.user),
            "server_system_us": each(server.system),
            "server_voluntary_switches": (end.switches.0 - self.begin.switches.0) as f64 / operations,
            "server_involuntary_switches": (end.switches.1 - self.begin.switches.1) as f64 / operations,
            "client_cpu_us": each(end.own - self.begin.own),
            "stolen_share": end.machine.stolen_share(self.begin.machine),
            "p50_us": micros(0.5),
            "p90_us": micros(0.9),
            "p99_us": micros(0.99),
            "p999_us": micros(0.999),
            "max_us": self.latencies.max() as f64 / 1e3,
        }))
    }
}
