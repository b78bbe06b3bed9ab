//! Generated code that is checked in is what its schema generates. `TRAMLINE_GENERATE=1` writes it anew.

use std::path::{Path, PathBuf};

use tramline_build::{Buffa, Builder, Prost};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Checks, or writes, what `builder` makes of `protos`.
fn hold(builder: Builder, protos: &[PathBuf]) {
    let is_check = std::env::var_os("TRAMLINE_GENERATE").is_none();
    if let Err(error) = builder.check(is_check).compile(protos) {
        panic!("{error}\n = help: TRAMLINE_GENERATE=1 cargo test -p tramline-build checked_in");
    }
}

#[test]
fn messages_of_the_codec_tests_are_fresh() {
    let protos = [crates().join("tramline-build/tests/protos/shapes.proto")];
    for (messages, name) in [(Buffa, "tramline-buffa"), (Prost, "tramline-prost")] {
        let out = crates().join(name).join("tests/it/messages");
        // The codec crates cannot name `tramline`: it depends on them.
        let builder = Builder::new().messages(messages).out_dir(out).runtime_path("crate::runtime");
        hold(builder.embed_descriptor_set(false), &protos);
    }
}
