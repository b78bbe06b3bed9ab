//! Instructions, counted by callgrind.

use gungraun::Callgrind;
use gungraun::prelude::*;
use instructions::{Run, scenario, scenario_count};

/// The C library copies memory in ways that differ from one processor to the next; these
/// are the ways that every one has.
const SAME_EVERYWHERE: &str = "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-Prefer_ERMS";

fn prepare(index: usize) -> Run {
    (scenario(index).prepare)()
}

#[library_benchmark]
#[benches::scenario(iter = 0..scenario_count(), setup = prepare)]
fn run(mut run: Run) -> Run {
    run();
    run
}

library_benchmark_group!(name = calls, benchmarks = run);

main!(
    config = LibraryBenchmarkConfig::default()
        .env("GLIBC_TUNABLES", SAME_EVERYWHERE)
        .tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = calls
);
