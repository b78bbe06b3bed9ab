//! What the kernel knows about a process: CPU time, context switches, memory; and about
//! the machine: time that the hypervisor stole.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// CPU time of a process since its start, its ended threads included.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct CpuTime {
    /// All of it, to the nanosecond, from the process's CPU clock.
    pub total: Duration,
    /// The share spent in user space, in ticks of 10 ms, from `/proc/PID/stat`.
    pub user: Duration,
    /// The share spent in the kernel, likewise.
    pub system: Duration,
}

impl CpuTime {
    /// Reads the clocks of process `pid`.
    ///
    /// # Errors
    /// There is no such process.
    pub fn read(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("process is gone")?;
        // The second field is the command in parentheses, which may hold blanks.
        let rest = stat.rsplit_once(')').context("stat without a command")?.1;
        let mut ticks = rest.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().unwrap_or(0));
        let user = ticks.next().unwrap_or(0);
        let system = ticks.next().unwrap_or(0);
        Ok(CpuTime {
            total: process_clock(pid)?,
            user: Duration::from_millis(user * 10),
            system: Duration::from_millis(system * 10),
        })
    }

    /// What passed since `earlier`.
    #[must_use]
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

fn process_clock(pid: u32) -> anyhow::Result<Duration> {
    let pid = i32::try_from(pid).context("pid")?;
    Ok(clock_getcpuclockid(Pid::from_raw(pid))?.now()?.into())
}

/// The CPU time of this process.
#[must_use]
pub fn own_cpu_time() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID.now().map_or(Duration::ZERO, Duration::from)
}

/// Context switches of a process, by thread.
///
/// A thread takes its counts with it when it ends, so what was seen last is kept:
/// call [`sample`](Switches::sample) now and then while the process runs.
#[derive(Clone, Debug, Default)]
pub struct Switches {
    threads: BTreeMap<u32, (u64, u64)>,
}

impl Switches {
    /// Takes note of every thread of process `pid`.
    pub fn sample(&mut self, pid: u32) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
        for task in tasks.flatten() {
            let Some(tid) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
            let voluntary = field(&status, "voluntary_ctxt_switches:");
            let involuntary = field(&status, "nonvoluntary_ctxt_switches:");
            self.threads.insert(tid, (voluntary, involuntary));
        }
    }

    /// Voluntary and involuntary switches, over all threads that were seen.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        self.threads.values().fold((0, 0), |sum, thread| (sum.0 + thread.0, sum.1 + thread.1))
    }
}

/// Resident memory of a process, in octets.
///
/// # Errors
/// There is no such process.
pub fn resident_len(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("process is gone")?;
    Ok(field(&status, "VmRSS:") * 1024)
}

/// The number behind `name` at the start of a line, or 0.
fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// Ticks of all CPUs since boot, from `/proc/stat`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineTime {
    all: u64,
    stolen: u64,
}

impl MachineTime {
    /// Reads the counters.
    #[must_use]
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace()
            .skip(1)
            .take(8)
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        MachineTime { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }

    /// The share of time since `earlier` that the hypervisor gave to others, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "tick counts of one round are small")]
    pub fn stolen_share(self, earlier: MachineTime) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        self.stolen.saturating_sub(earlier.stolen) as f64 / all as f64
    }
}
