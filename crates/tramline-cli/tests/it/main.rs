//! The program `tram`, from the outside.

mod call;
mod demo;
mod discover;
#[cfg(unix)]
mod interrupt;
mod mistakes;
mod servers;
mod standard_types;
mod support;
mod tls;
