//! Compiles the benchmark's schema.

use prost::Message;

fn main() -> anyhow::Result<()> {
    let set = std::fs::read(schema::write_descriptor_set()?)?;
    let set = prost_types::FileDescriptorSet::decode(&*set)?;
    tonic_prost_build::configure().bytes(".").compile_fds(set)?;
    Ok(())
}
