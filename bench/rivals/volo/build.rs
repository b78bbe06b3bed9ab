//! Compiles the benchmark's schema.

fn main() -> anyhow::Result<()> {
    let dir = schema::proto_dir();
    let mut builder = volo_build::Builder::protobuf();
    for file in schema::FILES {
        builder = builder.add_service(dir.join(file));
    }
    builder.include_dirs(vec![dir]).write()
}
