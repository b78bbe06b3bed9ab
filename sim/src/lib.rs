//! A seeded network between two engines, and fuzz drivers for one.
//!
//! Everything here is deterministic: time is virtual, and every choice comes from an
//! [`Entropy`], so that a seed or a fuzzer's input replays to the octet.

pub mod client;
pub mod entropy;
pub mod link;
pub mod node;
pub mod octets;
pub mod operations;
pub mod plan;
pub mod server;
pub mod world;

pub use entropy::Entropy;
pub use world::{Failure, Outcome, run};
