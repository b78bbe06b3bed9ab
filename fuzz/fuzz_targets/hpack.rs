//! Any field blocks.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| sim::octets::run_hpack(octets));
