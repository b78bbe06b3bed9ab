//! Errors name the file, the line and the column, show the line, and say what to do.

use tramline_build::{Builder, Error, ErrorKind, Messages, Prost, ServicePart};

use crate::support::Scratch;

/// The error of compiling `text` as `a.proto`, with the scratch directory's own path taken out.
fn error_of(text: &str) -> (ErrorKind, String) {
    let scratch = Scratch::new(&[("a.proto", text)]);
    let error = scratch.compile(&scratch.builder(), &["a.proto"]).unwrap_err();
    (error.kind(), scratch.without_root(&error))
}

#[test]
fn an_unknown_type() {
    let (kind, text) = error_of("syntax = \"proto3\";\nmessage A {}\nservice S {\n  rpc Get (A) returns (B);\n}\n");
    assert_eq!(kind, ErrorKind::Schema);
    let expected = "error: name 'B' is not defined\n --> proto/a.proto:4:24\n  |\n4 |   rpc Get (A) returns (B);\n  |                        ^ found here";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_syntax_error_and_all_that_follow() {
    let (kind, text) = error_of("syntax = \"proto3\";\nmessage A {\n  string = 1;\n}\nmessage B { int32 x = ; }\n");
    assert_eq!(kind, ErrorKind::Schema);
    assert!(text.contains("proto/a.proto:3:10"), "{text}");
    assert!(text.contains("3 |   string = 1;\n  |          ^ found here"), "{text}");
    assert!(text.contains("proto/a.proto:5:23"), "{text}");
}

#[test]
fn an_import_that_is_not_found_says_where_it_was_looked_for() {
    let (_, text) = error_of("syntax = \"proto3\";\nimport \"other/b.proto\";\n");
    assert!(text.starts_with("error: import 'other/b.proto' not found\n --> proto/a.proto:2:"), "{text}");
    assert!(text.ends_with("= help: looked in proto; name further directories with `.includes([..])`"), "{text}");
}

#[test]
fn debug_is_what_a_build_script_shows() {
    let scratch = Scratch::new(&[("a.proto", "message A { int x = 1; }")]);
    let error = scratch.compile(&scratch.builder(), &["a.proto"]).unwrap_err();
    assert_eq!(format!("{error:?}"), format!("\n{error}"));
}

#[test]
fn a_file_that_is_missing_or_outside() {
    let scratch = Scratch::new(&[("a.proto", "")]);
    let error = scratch.compile(&scratch.builder(), &["b.proto"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let elsewhere = Scratch::new(&[("c.proto", "")]);
    let error = scratch.builder().compile(&[elsewhere.proto("c.proto")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("in none of the include directories"), "{error}");
}

#[test]
fn a_file_hidden_behind_another() {
    let (first, second) = (Scratch::new(&[("a.proto", "")]), Scratch::new(&[("a.proto", "")]));
    let builder = Builder::new().includes([first.proto(""), second.proto("")]).out_dir(first.out());
    let error = builder.compile(&[second.proto("a.proto")]).unwrap_err();
    assert!(error.to_string().contains("is hidden behind"), "{error}");
}

#[test]
fn prost_and_an_edition() {
    let scratch = Scratch::new(&[]);
    let set = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/edition.binpb");
    let error = scratch.builder().messages(Prost).compile_descriptor_set(set).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(
        text.contains("edition.proto uses an edition") && text.contains(".messages(tramline_build::Buffa)"),
        "{text}"
    );
}

#[test]
fn buffa_and_a_type_named_by_a_keyword() {
    let text = "syntax = \"proto3\";\npackage a;\nmessage Outer { message type {} }\n";
    let (kind, text) = error_of(text);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(text.contains("a.proto: buffa cannot generate the type `a.Outer.type`"), "{text}");
    let scratch =
        Scratch::new(&[("a.proto", "syntax = \"proto3\";\nmessage type {}\nmessage Other { type type = 1; }\n")]);
    scratch.compile(&scratch.builder().messages(Prost), &["a.proto"]).unwrap();
}

fn settings_error(builder: impl FnOnce(Builder) -> Builder) -> Error {
    let text = "syntax = \"proto3\";\nmessage A {}\nservice S { rpc Get (A) returns (A); }\n";
    let scratch = Scratch::new(&[("a.proto", text)]);
    scratch.compile(&builder(scratch.builder()), &["a.proto"]).unwrap_err()
}

#[test]
fn settings_that_are_not_rust() {
    for messages in [Messages::Buffa, Prost] {
        settings_error(|builder| builder.messages(messages).type_attribute(".A", "#[derive("));
    }
    let error = settings_error(|builder| builder.service_attribute(ServicePart::Trait, ".S", "derive"));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(settings_error(|builder| builder.runtime_path("not a path")).kind(), ErrorKind::Config);
    let error = settings_error(|builder| builder.messages(Messages::None));
    assert!(error.to_string().contains("no extern path covers `.A`"), "{error}");
}

#[test]
fn a_damaged_descriptor_set() {
    let scratch = Scratch::new(&[("set.binpb", "\u{a}\u{ff}")]);
    let error = scratch.builder().compile_descriptor_set(scratch.proto("set.binpb")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
}

#[test]
fn a_descriptor_set_without_its_imports() {
    use prost::Message as _;
    let scratch = Scratch::new(&[
        ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\nmessage A { B b = 1; }\n"),
        ("b.proto", "syntax = \"proto3\";\nmessage B {}\n"),
    ]);
    let path = scratch.proto("set.binpb");
    scratch.compile(&scratch.builder().file_descriptor_set_path(&path), &["a.proto"]).unwrap();
    let mut set = prost_types::FileDescriptorSet::decode(std::fs::read(&path).unwrap().as_slice()).unwrap();
    let error_of = |set: &prost_types::FileDescriptorSet, messages| {
        std::fs::write(&path, set.encode_to_vec()).unwrap();
        scratch.builder().messages(messages).compile_descriptor_set(&path).unwrap_err().to_string()
    };
    set.file.retain(|file| file.name() == "a.proto");
    for messages in [Messages::Buffa, Prost] {
        assert!(error_of(&set, messages).contains("a.proto imports `b.proto`, which the descriptor set lacks"));
    }
    set.file[0].dependency.clear();
    assert!(error_of(&set, Prost).contains("a.proto uses `.B`, which the descriptor set lacks"));
}
