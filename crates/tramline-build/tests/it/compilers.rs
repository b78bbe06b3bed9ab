//! Which compiler compiles a schema. What needs a `protoc` runs where there is one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tramline_build::{Builder, ErrorKind};

use crate::support::{Output, Scratch};

const EDITION: &str = include_str!("../golden/proto/edition.proto");

/// A `protoc` that knows editions: the one that `PROTOC` names, on the search path, or with the feature
/// `vendored-protoc`. `None` is said aloud, so that a skipped test is not taken for a passed one.
fn protoc() -> Option<PathBuf> {
    let named = env::var_os("PROTOC").map(PathBuf::from);
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|directory| directory.join("protoc")).find(|path| path.is_file())
    };
    let found = named.or_else(on_path).or_else(vendored).filter(|protoc| knows_editions(protoc));
    if found.is_none() {
        eprintln!("skipped: no protoc 27 or newer; set PROTOC");
    }
    found
}

#[cfg(feature = "vendored-protoc")]
fn vendored() -> Option<PathBuf> {
    Some(protoc_bin_vendored::protoc_bin_path().unwrap())
}

#[cfg(not(feature = "vendored-protoc"))]
fn vendored() -> Option<PathBuf> {
    None
}

fn knows_editions(protoc: &Path) -> bool {
    let output = Command::new(protoc).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let major = version.trim().trim_start_matches("libprotoc ").split('.').next().and_then(|major| major.parse().ok());
    major.is_some_and(|major: u32| major >= 27)
}

#[test]
fn an_edition_without_protoc_says_how_to_get_one() {
    if env::var_os("PROTOC").is_some() || protoc().is_some() {
        return;
    }
    let scratch = Scratch::new(&[("a.proto", EDITION)]);
    let error = scratch.compile(&scratch.builder(), &["a.proto"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCompiler);
    let text = scratch.without_root(&error);
    assert!(text.starts_with("error: proto/a.proto uses an edition"), "{text}");
    assert!(text.contains("$PROTOC") && text.contains("vendored-protoc"), "{text}");
}

#[test]
fn an_edition_is_compiled_by_protoc() {
    if protoc().is_none() {
        return;
    }
    let scratch = Scratch::new(&[("edition.proto", EDITION)]);
    let output = scratch.compile(&scratch.builder(), &["edition.proto"]).unwrap();
    assert_eq!(output.file("edition.rs"), include_str!("../golden/edition/edition.rs"));
}

#[test]
fn both_compilers_lead_to_the_same_code() {
    let Some(protoc) = protoc() else { return };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = ["calls/v1/calls.proto", "keywords/names.proto", "no_package.proto", "legacy.proto"];
    let files = files.map(|file| golden.join("proto").join(file));
    let scratch = Scratch::new(&[]);
    // The descriptors differ in details that mean nothing, such as a `json_name` spelled out.
    let builder = || Builder::new().includes([golden.join("proto")]).embed_descriptor_set(false);
    builder().protoc(&protoc).out_dir(scratch.out().join("protoc")).compile(&files).unwrap();
    builder().out_dir(scratch.out().join("protox")).compile(&files).unwrap();
    let read = |name| Output::read(&scratch.out().join(name)).files;
    assert_eq!(read("protoc"), read("protox"));
}

#[test]
fn complaints_of_protoc_are_shown_with_their_line() {
    let Some(protoc) = protoc() else { return };
    let text = "syntax = \"proto3\";\nmessage A {\n  Missing x = 1;\n}\n";
    let scratch = Scratch::new(&[("a.proto", text)]);
    let error = scratch.compile(&scratch.builder().protoc(protoc), &["a.proto"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    let text = scratch.without_root(&error);
    assert!(text.starts_with("error: \"Missing\" is not defined\n --> proto/a.proto:3:3\n"), "{text}");
    assert!(text.contains("3 |   Missing x = 1;\n  |   ^^^^^^^"), "{text}");
    assert!(text.contains("compiled by protoc at"), "{text}");
}

#[test]
fn the_plugin_runs_under_protoc() {
    let Some(protoc) = protoc() else { return };
    let scratch = Scratch::new(&[("edition.proto", EDITION)]);
    fs::create_dir_all(scratch.out()).unwrap();
    let plugin = format!("--plugin=protoc-gen-tramline={}", env!("CARGO_BIN_EXE_protoc-gen-tramline"));
    let run = |options: &str| {
        let mut command = Command::new(&protoc);
        command
            .arg(&plugin)
            .arg("-I")
            .arg(scratch.proto(""))
            .arg(format!("--tramline_out={}", scratch.out().display()));
        command.arg(format!("--tramline_opt={options}")).arg("edition.proto");
        command.output().unwrap()
    };
    let output = run("messages=buffa");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(scratch.out().join("edition.rs")).unwrap();
    assert!(text.contains("pub trait Modern") && text.contains("EDITION") | text.contains("edition"), "{text}");
    let output = run("messages=prost");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("which prost does not support"));
}
