//! Seeds and fuzz drivers as bounded tests.

mod fuzz;
mod seeds;
