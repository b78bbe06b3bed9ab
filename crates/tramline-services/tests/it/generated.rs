//! The generated code that is checked in is what its schema generates.

use std::fs;
use std::path::{Path, PathBuf};

/// Set to anything, the test writes the files instead of comparing them.
const WRITE: &str = "TRAMLINE_GENERATE";

const FILES: [&str; 3] = ["google.rpc.rs", "grpc.health.v1.rs", "grpc.reflection.v1.rs"];

fn generate(directory: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let google = root.join("../tramline-build/protos");
    let own = root.join("proto");
    tramline_build::Builder::new()
        .client(false)
        .includes([&own, &google])
        .out_dir(directory)
        .compile(&[
            own.join("grpc/health/v1/health.proto"),
            own.join("grpc/reflection/v1/reflection.proto"),
            google.join("google/rpc/status.proto"),
            google.join("google/rpc/error_details.proto"),
        ])
        .expect("generates");
}

#[test]
fn checked_in_code_is_what_the_schema_generates() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto");
    let fresh = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    fs::create_dir_all(&fresh).expect("can be made");
    generate(&fresh);
    for file in FILES {
        let text = fs::read_to_string(fresh.join(file)).expect("was generated");
        if std::env::var_os(WRITE).is_some() {
            fs::write(checked_in.join(file), &text).expect("can be written");
        }
        let present = fs::read_to_string(checked_in.join(file)).unwrap_or_default();
        assert!(present == text, "{file} is stale: run this test with {WRITE}=1");
    }
}
