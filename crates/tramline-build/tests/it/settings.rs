//! What the settings change, and which files are written.

use std::{fs, time::SystemTime};

use buffa::Message as _;
use buffa_descriptor::generated::descriptor::FileDescriptorSet;
use tramline_build::{Builder, ErrorKind, Messages, Prost};

use crate::support::{Output, Scratch};

const SHOP: &str = "syntax = \"proto3\";\npackage shop;\nimport \"parts/part.proto\";\nimport \"google/api/annotations.proto\";\n\
    service Shop { rpc Buy (Item) returns (parts.Part); }\nmessage Item { bytes blob = 1; }\n";
const PART: &str = "syntax = \"proto3\";\npackage parts;\nmessage Part { int32 number = 1; }\n";

fn shop() -> Scratch {
    Scratch::new(&[("shop.proto", SHOP), ("parts/part.proto", PART)])
}

fn shop_with(set: impl FnOnce(Builder) -> Builder) -> Output {
    let scratch = shop();
    scratch.compile(&set(scratch.builder()), &["shop.proto"]).unwrap()
}

fn names(output: &Output) -> Vec<&str> {
    output.files.keys().map(String::as_str).collect()
}

#[test]
fn imports_get_code_if_a_type_of_theirs_is_used() {
    assert_eq!(names(&shop_with(|builder| builder)), ["_protos.rs", "parts.rs", "shop.rs"]);
    assert_eq!(names(&shop_with(|builder| builder.messages(Prost))), ["_protos.rs", "parts.rs", "shop.rs"]);
}

#[test]
fn extern_paths_replace_code() {
    for messages in [Messages::Buffa, Prost] {
        let output = shop_with(|builder| builder.messages(messages).extern_path("parts", "::parts_crate"));
        assert_eq!(names(&output), ["_protos.rs", "shop.rs"]);
        assert!(output.file("shop.rs").contains("::parts_crate::Part"), "{messages:?}");
    }
}

#[test]
fn services_alone_over_types_of_others() {
    let output = shop_with(|builder| {
        let builder = builder.messages(Messages::None).codec("::own::Codec");
        builder.extern_path(".", "crate::types").extern_path(".parts.Part", "::parts_crate::Part")
    });
    let text = output.file("shop.rs");
    assert!(text.contains("crate::types::shop::Item") && text.contains("::parts_crate::Part"), "{text}");
    assert!(text.contains("::own::Codec") && !text.contains("struct Item"), "{text}");
}

#[test]
fn client_or_server_alone() {
    let client = shop_with(|builder| builder.server(false));
    let text = client.file("shop.rs");
    assert!(text.contains("struct ShopClient") && !text.contains("trait Shop") && text.contains("BUY"));
    let server = shop_with(|builder| builder.client(false));
    let text = server.file("shop.rs");
    assert!(!text.contains("struct ShopClient") && text.contains("trait Shop"));
}

#[test]
fn generated_code_names_the_runtime_alone() {
    let messages = [(Messages::Buffa, "buffa"), (Prost, "prost")];
    for (messages, _) in messages {
        let output = shop_with(|builder| builder.messages(messages).runtime_path("::facade::rpc"));
        for (name, text) in &output.files {
            // Words in comments aside, every absolute path leads into the runtime or a standard crate.
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let code = code.join("\n");
            for (at, _) in code.match_indices("::") {
                let before = code[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || matches!(before, '_' | '>') {
                    continue;
                }
                let after = &code[at + 2..];
                let is_known = ["facade::rpc", "core::", "std::"].iter().any(|known| after.starts_with(known));
                assert!(is_known || after.starts_with('<'), "{name}: ::{}", &after[..after.len().min(40)]);
            }
        }
    }
}

#[test]
fn all_that_is_written_parses() {
    for messages in [Messages::Buffa, Prost] {
        for text in shop_with(|builder| builder.messages(messages)).files.values() {
            syn2::parse_file(text).unwrap();
        }
    }
}

#[test]
fn a_directory_stands_for_its_files() {
    let scratch = shop();
    Builder::new().out_dir(scratch.out()).compile(&[scratch.proto("")]).unwrap();
    assert_eq!(names(&Output::read(&scratch.out())), ["_protos.rs", "parts.rs", "shop.rs"]);
}

#[test]
fn names_below_an_include_directory_and_built_in_files() {
    let scratch = shop();
    scratch.builder().compile(&["shop.proto", "google/rpc/error_details.proto"]).unwrap();
    assert_eq!(names(&Output::read(&scratch.out())), ["_protos.rs", "google.rpc.rs", "parts.rs", "shop.rs"]);
    let scratch = Scratch::new(&[]);
    Builder::new().out_dir(scratch.out()).compile(&["google/rpc/status.proto"]).unwrap();
    assert_eq!(names(&Output::read(&scratch.out())), ["_protos.rs", "google.rpc.rs"]);
}

#[test]
fn a_file_that_is_right_is_not_written_again() {
    let scratch = shop();
    let path = scratch.out().join("shop.rs");
    scratch.compile(&scratch.builder(), &["shop.proto"]).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH;
    fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    scratch.compile(&scratch.builder(), &["shop.proto"]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
}

#[test]
fn a_check_writes_nothing_and_finds_what_is_stale() {
    let scratch = shop();
    let check = scratch.builder().check(true);
    let error = check.compile(&[scratch.proto("shop.proto")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale);
    assert!(error.to_string().contains("shop.rs is missing") && !scratch.out().exists(), "{error}");

    scratch.compile(&scratch.builder(), &["shop.proto"]).unwrap();
    check.compile(&[scratch.proto("shop.proto")]).unwrap();
    let path = scratch.out().join("parts.rs");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    check.compile(&[scratch.proto("shop.proto")]).unwrap();
    fs::write(&path, text.replace("number", "no")).unwrap();
    let error = check.compile(&[scratch.proto("shop.proto")]).unwrap_err();
    assert!(error.to_string().contains("parts.rs:") && error.to_string().contains("  + "), "{error}");
}

#[test]
fn descriptor_sets_hold_the_imports_with_their_options() {
    use prost::Message as _;
    let scratch = shop();
    let set_path = scratch.proto("set.binpb");
    let builder = scratch.builder().file_descriptor_set_path(&set_path);
    scratch.compile(&builder, &["shop.proto"]).unwrap();
    let set = prost_types::FileDescriptorSet::decode(fs::read(&set_path).unwrap().as_slice()).unwrap();
    let files: Vec<&str> = set.file.iter().map(|file| file.name()).collect();
    let expected = [
        "parts/part.proto",
        "google/protobuf/descriptor.proto",
        "google/api/http.proto",
        "google/api/annotations.proto",
        "shop.proto",
    ];
    let mut sorted = files.clone();
    sorted.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    assert_eq!(files.last(), Some(&"shop.proto"), "a file comes after what it imports");

    // The set that was written is input again.
    let again = Scratch::new(&[]);
    again.builder().compile_descriptor_set(&set_path).unwrap();
    assert_eq!(names(&Output::read(&again.out())), ["_protos.rs", "parts.rs", "shop.rs"]);
}

/// `tram describe` shows comments through reflection; of the places without any, which are
/// most, nothing is embedded.
#[test]
fn descriptors_have_the_comments_of_generated_files_and_no_other_places() {
    let text = "// A licence.\n\nsyntax = \"proto3\";\npackage a;\nimport \"google/protobuf/timestamp.proto\";\n\n\
                // Who  asks:\n//\n//     indented\nmessage Asker {\n  string name = 1; // in full\n\
                \x20 google.protobuf.Timestamp at = 2;\n}\n";
    let scratch = Scratch::new(&[("a.proto", text)]);
    let path = scratch.out().join("set.binpb");
    std::fs::create_dir_all(scratch.out()).unwrap();
    scratch.builder().file_descriptor_set_path(&path).compile(&[scratch.proto("a.proto")]).unwrap();
    let set = FileDescriptorSet::decode_from_slice(&std::fs::read(path).unwrap()).unwrap();
    let locations = |name: &str| {
        let file = set.file.iter().find(|file| file.name.as_deref() == Some(name)).unwrap();
        file.source_code_info.location.clone()
    };
    assert!(locations("google/protobuf/timestamp.proto").is_empty());
    let own = locations("a.proto");
    assert_eq!(own.len(), 2, "{own:?}");
    assert_eq!(own[0].leading_comments.as_deref(), Some(" Who  asks:\n\n     indented\n"));
    assert_eq!(own[1].trailing_comments.as_deref(), Some(" in full\n"));
    assert!(own.iter().all(|location| matches!(location.span.len(), 3 | 4)), "{own:?}");
}
