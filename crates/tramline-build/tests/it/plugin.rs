//! The plugin, as `protoc` talks to it.

use prost::Message as _;
use prost_types::{
    FileDescriptorProto,
    compiler::{CodeGeneratorRequest, CodeGeneratorResponse},
};

const SOURCE: &str =
    "syntax = \"proto3\";\npackage shop;\nservice Shop { rpc Buy (Item) returns (Item); }\nmessage Item {}\n";

fn respond(parameter: &str) -> CodeGeneratorResponse {
    let file: FileDescriptorProto =
        protox::file::File::from_source("shop.proto", SOURCE).unwrap().file_descriptor_proto().clone();
    let mut compiled = file;
    // protoc gives types their full names.
    for method in &mut compiled.service[0].method {
        method.input_type = Some(".shop.Item".into());
        method.output_type = Some(".shop.Item".into());
    }
    let request = CodeGeneratorRequest {
        file_to_generate: vec!["shop.proto".into()],
        parameter: Some(parameter.into()),
        proto_file: vec![compiled],
        ..Default::default()
    };
    let response = tramline_build::plugin::respond(&request.encode_to_vec());
    CodeGeneratorResponse::decode(response.as_slice()).unwrap()
}

fn text(parameter: &str) -> String {
    let response = respond(parameter);
    assert_eq!(response.error, None);
    response.file[0].content().to_owned()
}

#[test]
fn it_generates_the_file_and_says_what_it_can() {
    let response = respond("");
    assert_eq!(response.supported_features(), 3);
    assert_eq!(response.file.len(), 1);
    assert_eq!(response.file[0].name(), "shop.rs");
    assert!(response.file[0].content().contains("::tramline::codec::Buffa"));
}

#[test]
fn parameters_are_obeyed() {
    let prost = text("messages=prost,client=false");
    assert!(prost.contains("::tramline::codec::Prost") && !prost.contains("ShopClient"));
    let none =
        text("messages=none,extern_path=.shop=::shop_types,codec=::own::Codec,server=false,descriptor_set=false");
    assert!(none.contains("::shop_types::Item") && none.contains("::own::Codec"));
    assert!(!none.contains("ShopServer") && !none.contains("FILE_DESCRIPTOR_SET"));
    assert_eq!(respond("include_file=true").file[1].name(), "_protos.rs");
}

#[test]
fn a_wrong_parameter_is_told_to_the_compiler() {
    for (parameter, part) in [
        ("views=true", "no parameter `views`"),
        ("messages=upb", "should be buffa, prost or none"),
        ("client=maybe", "should be true or false"),
        ("extern_path=x", ".proto.path=::rust::path"),
    ] {
        let response = respond(parameter);
        assert!(response.error().contains(part), "{}", response.error());
        assert!(response.file.is_empty());
    }
}

#[test]
fn octets_that_are_no_request_are_an_error_not_a_panic() {
    let response = tramline_build::plugin::respond(b"\xff\xff");
    let response = CodeGeneratorResponse::decode(response.as_slice()).unwrap();
    assert!(!response.error().is_empty());
}
