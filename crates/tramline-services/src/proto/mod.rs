//! Messages as they go over the wire, generated and checked in (`tests/it/generated.rs`
//! holds them against their schema). Nothing of them is in the public API, so that the
//! message library can change without breaking anybody.

#[cfg(feature = "error-details")]
pub(crate) mod google_rpc {
    include!("google.rpc.rs");
}
#[cfg(feature = "health")]
pub(crate) mod grpc_health {
    include!("grpc.health.v1.rs");
}
#[cfg(feature = "reflection")]
pub(crate) mod grpc_reflection {
    include!("grpc.reflection.v1.rs");
}
