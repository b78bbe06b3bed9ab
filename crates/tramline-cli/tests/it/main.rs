//! The program `tram`, from the outside.

mod call;
mod demo;
mod discover;
mod mistakes;
mod servers;
mod support;
mod tls;
