//! Programs that speak with other people's gRPC suites.

pub mod cases;
pub mod certificates;
pub mod conformance;
pub mod counting;
pub mod flags;
pub mod test_service;

/// The services of the suites, generated.
pub mod protos {
    tramline::include_protos!();
}
