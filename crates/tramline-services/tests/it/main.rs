//! The standard services, against the real server and client.

mod error_details;
mod generated;
