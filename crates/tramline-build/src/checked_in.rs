//! Generated code that is checked in is what its schema generates. `TRAMLINE_GENERATE=1` writes it anew.
//!
//! These are tests of the library, not of `tests/it`, which compiles the code that they write.

use std::path::{Path, PathBuf};

use crate::{Buffa, Builder, Error, Prost, ServicePart};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn golden(path: &str) -> PathBuf {
    crates().join("tramline-build/tests/golden").join(path)
}

fn held(builder: Builder, compile: impl Fn(&Builder) -> Result<(), Error>) {
    let is_check = std::env::var_os("TRAMLINE_GENERATE").is_none();
    if let Err(error) = compile(&builder.check(is_check)) {
        panic!("{error}\n = help: TRAMLINE_GENERATE=1 cargo test -p tramline-build --lib checked_in");
    }
}

#[test]
fn messages_of_the_codec_tests() {
    for (messages, name) in [(Buffa, "tramline-buffa"), (Prost, "tramline-prost")] {
        let out = crates().join(name).join("tests/it/messages");
        // The codec crates cannot name `tramline`: it depends on them.
        let builder = Builder::new().messages(messages).out_dir(out).runtime_path("crate::runtime");
        held(builder.embed_descriptor_set(false), |builder| builder.compile(&[golden("proto/shapes.proto")]));
    }
}

#[test]
fn golden_code_of_both_libraries() {
    let files = [
        "calls/v1/calls.proto",
        "keywords/names.proto",
        "keywords/modules.proto",
        "no_package.proto",
        "legacy.proto",
        "shapes.proto",
    ];
    let files = files.map(|file| golden("proto").join(file));
    for (messages, name) in [(Buffa, "buffa"), (Prost, "prost")] {
        let builder = Builder::new().messages(messages).includes([golden("proto")]).out_dir(golden(name));
        held(builder, |builder| builder.compile(&files));
    }
}

#[test]
fn golden_code_with_settings() {
    let builder = Builder::new()
        .out_dir(golden("settings"))
        .server(false)
        .bytes_as_vec()
        .btree_map()
        .embed_descriptor_set(false)
        .extern_path(".shapes.Point", "crate::golden::buffa::shapes::Point")
        .type_attribute(".shapes.PointV2", "#[must_use]")
        .field_attribute(".shapes.Shape.name", "#[doc = \" Named by an attribute.\"]")
        .service_attribute(ServicePart::Client, ".", "#[must_use]");
    held(builder, |builder| builder.compile(&[golden("proto/shapes.proto")]));
}

#[test]
fn golden_code_of_an_edition() {
    // The set was compiled by protoc 35.1, since most machines have no protoc that knows editions.
    let builder = Builder::new().out_dir(golden("edition"));
    held(builder, |builder| builder.compile_descriptor_set(golden("edition.binpb")));
}
