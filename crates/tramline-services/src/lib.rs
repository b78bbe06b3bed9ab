//! gRPC's standard services, as ordinary handlers on Tramline: [`health`], [`reflection`],
//! and the typed [`error_details`] of a status. Plain Rust types outside; how they are
//! encoded is nobody's business.

#[cfg(feature = "error-details")]
pub mod error_details;
#[cfg(feature = "health")]
pub mod health;
mod proto;
#[cfg(feature = "reflection")]
pub mod reflection;
