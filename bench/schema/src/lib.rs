//! The benchmark's schema as a descriptor set, for the build script of each contestant.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The files of the services, relative to [`proto_dir`].
pub const FILES: [&str; 2] = ["helloworld.proto", "bench.proto"];

/// The folder of the schema.
#[must_use]
pub fn proto_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto")
}

/// Compiles the services' schema into a file of the build script's output folder, and returns its path.
///
/// # Errors
/// The schema has an error, or the output folder cannot be written.
pub fn write_descriptor_set() -> anyhow::Result<PathBuf> {
    write_descriptor_set_of(&FILES)
}

/// The same for other files of the folder.
///
/// # Errors
/// The schema has an error, or the output folder cannot be written.
pub fn write_descriptor_set_of(files: &[&str]) -> anyhow::Result<PathBuf> {
    let dir = proto_dir();
    for file in files {
        println!("cargo::rerun-if-changed={}", dir.join(file).display());
    }
    let mut compiler = protox::Compiler::new([&dir])?;
    compiler.include_imports(true).include_source_info(false).open_files(files)?;
    let path = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR")?).join("schema.bin");
    std::fs::write(&path, compiler.encode_file_descriptor_set())?;
    Ok(path)
}
