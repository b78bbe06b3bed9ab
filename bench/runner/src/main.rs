//! Runs the contestants of the benchmark one beside the other and reports what a call costs
//! the server in CPU time: the quantity that a noisy machine moves least.
//!
//! Servers are pinned to CPU 0 and the load to CPU 1. Contestants alternate within each round,
//! forwards and backwards by turns, so that a change of the machine's speed meets all alike. A
//! run in which the hypervisor took more than 2 % of the time is repeated.

mod build;
mod cells;
mod clients;
mod contestants;
mod h2load;
mod latency;
mod load;
mod machine;
mod memory;
mod options;
mod plot;
mod report;
mod rounds;
mod server;
mod summary;
mod syscalls;

use options::Options;

fn main() -> anyhow::Result<()> {
    let options = Options::from_args()?;
    if options.is_build {
        build::build(&options)?;
    }
    let mut report = report::Report::new(&options)?;
    report.server(&rounds::run(&options)?)?;
    if options.has_memory {
        report.memory(&memory::run(&options)?);
    }
    if options.has_latency {
        report.latency(&latency::run(&options)?);
    }
    if options.has_clients {
        report.clients(&clients::run(&options)?);
    }
    report.finish()
}
