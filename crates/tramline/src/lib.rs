//! gRPC for Rust: servers and clients on an HTTP/2 engine of their own.
