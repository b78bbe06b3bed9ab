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
mod figures;
mod gates;
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
mod stdout;
mod summary;
mod syscalls;

use figures::Figures;
use options::Options;

fn main() -> anyhow::Result<()> {
    let options = Options::from_args()?;
    if options.is_build {
        build::build(&options)?;
    }
    let mut figures = if options.is_merge { Figures::load(&options.output)? } else { Figures::default() };
    for result in rounds::run(&options)? {
        figures.add_cell(result);
    }
    if options.has_memory {
        figures.memory = memory::run(&options)?;
    }
    if options.has_latency {
        figures.latency = Some(latency::run(&options)?);
    }
    if options.has_clients {
        figures.clients = Some(clients::run(&options)?);
    }
    figures.save(&options.output)?;
    report::write(&options, &figures)
}
