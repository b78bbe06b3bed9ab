//! A seeded network between two engines, and fuzz drivers for one.
//!
//! Everything here is deterministic: time is virtual, and every choice comes from a
//! seed or from a fuzzer's octets, so that a failure replays to the octet.

mod client;
mod entropy;
mod link;
mod node;
pub mod octets;
pub mod operations;
mod plan;
mod server;
mod world;

pub use world::{Failure, Outcome, run};
