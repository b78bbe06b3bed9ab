//! Compiles the benchmark's schema.

fn main() -> anyhow::Result<()> {
    let set = schema::write_descriptor_set()?;
    let dir = schema::proto_dir();
    connectrpc_build::Config::new()
        .descriptor_set(set)
        .files(&schema::FILES)
        .includes(&[dir])
        .include_file("_connectrpc.rs")
        .compile()?;
    Ok(())
}
