//! Protobuf schema to Rust: messages, clients, servers and the descriptor set.
