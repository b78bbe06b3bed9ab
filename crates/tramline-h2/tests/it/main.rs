//! The engine through its border, one theme per file.

mod abuse;
mod adaptive_window;
mod client_rules;
mod copies;
mod flow_control;
mod frames;
mod goaway;
mod headers;
mod hpack_groups;
mod hpack_keys;
mod hpack_stories;
mod hpack_vectors;
mod identifiers;
mod numbers;
mod peer;
mod schedule;
mod server_rules;
mod state_table;
mod whole_responses;
mod wire;
