//! The standard services, against the real server and client.

mod generated;
