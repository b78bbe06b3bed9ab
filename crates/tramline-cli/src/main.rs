//! `tram`.
fn main() {}
