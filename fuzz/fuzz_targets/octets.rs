//! Anything that a peer can send.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| sim::octets::run(octets));
