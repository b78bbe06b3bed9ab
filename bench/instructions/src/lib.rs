//! What one call costs, in instructions and allocations, counted in process.
//!
//! To add a figure, add a [`Scenario`] to a table in [`SCENARIOS`], and write the baseline
//! anew with `TRAMLINE_BASELINE=write cargo xtask interop instructions`.

mod engine;
#[path = "../../server/src/guard.rs"]
mod guard;
#[path = "../../server/src/proto.rs"]
mod proto;
mod road;
#[path = "../../server/src/service.rs"]
mod service;

/// A figure of the baseline.
pub struct Scenario {
    /// Its name there.
    pub name: &'static str,
    /// Calls, or messages, of one run: figures are for one of them.
    pub count: usize,
    /// Everything that is not counted: set up, recording, warm-up. What it returns is run
    /// once, and that is counted.
    pub prepare: fn() -> Run,
}

/// One run of a scenario, warmed up.
pub type Run = Box<dyn FnMut()>;

/// All tables, in the order of the baseline.
const TABLES: &[&[Scenario]] = &[engine::SCENARIOS, road::SCENARIOS];

/// How many scenarios there are.
pub fn scenario_count() -> usize {
    TABLES.iter().map(|table| table.len()).sum()
}

/// The scenario at `index`.
///
/// # Panics
/// Behind the last.
pub fn scenario(index: usize) -> &'static Scenario {
    TABLES.iter().copied().flatten().nth(index).expect("a scenario")
}
