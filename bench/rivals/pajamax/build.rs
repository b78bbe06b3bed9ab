//! Compiles the messages; the services are by hand, see `src/server.rs`.

fn main() -> anyhow::Result<()> {
    let set = schema::write_descriptor_set()?;
    prost_build::Config::new()
        .file_descriptor_set_path(set)
        .skip_protoc_run()
        .compile_protos(&schema::FILES, &[schema::proto_dir()])?;
    Ok(())
}
