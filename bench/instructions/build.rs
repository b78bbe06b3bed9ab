//! Compiles the benchmark's schema.

fn main() -> Result<(), tramline_build::Error> {
    tramline_build::compile(&["../proto/helloworld.proto", "../proto/bench.proto"])
}
