//! Allocations, counted by the allocator: one line for each scenario, in their order, with
//! its name, the calls of one run, and the allocations of the whole run.

use instructions::{scenario, scenario_count};

fn main() {
    for index in 0..scenario_count() {
        let scenario = scenario(index);
        let mut run = (scenario.prepare)();
        let counted = allocation_counter::measure(&mut run);
        println!("{} {} {}", scenario.name, scenario.count, counted.count_total);
    }
}
