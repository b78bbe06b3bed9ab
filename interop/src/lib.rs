//! Programs that speak with other people's gRPC suites.
