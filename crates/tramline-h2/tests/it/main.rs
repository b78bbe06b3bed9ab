//! The engine through its border, one theme per file.

mod abuse;
mod flow_control;
mod frames;
mod goaway;
mod headers;
mod state_table;
mod wire;
