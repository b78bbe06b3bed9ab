//! The rules of a gRPC call: status, metadata, envelope, deadlines, compression policy.
