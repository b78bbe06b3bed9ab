//! Any command of an application at any time.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    sim::operations::run(octets);
});
