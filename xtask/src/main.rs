//! The project's automation: `cargo xtask`.
fn main() {}
