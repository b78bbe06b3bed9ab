//! The plugin for `protoc` and `buf`: a request on standard input, a response on standard output.
//!
//! Parameters are separated by commas: `messages=buffa` (or `prost`, `none`), `client=false`, `server=false`,
//! `extern_path=.pkg=::crate::path`, `codec=::path`, `runtime=::path`, `bytes=vec`, `map=btree`,
//! `descriptor_set=false`, `include_file=true`.

use buffa::Message as _;
use buffa_descriptor::generated::{
    compiler::{CodeGeneratorRequest, CodeGeneratorResponse, code_generator_response},
    descriptor::Edition,
};

use crate::{
    config::{Config, Messages, rooted},
    error::Error,
    generate::{self, Generated},
    schema::Schema,
};

/// What the plugin can do, as bits of `CodeGeneratorResponse.supported_features`: fields with explicit presence in
/// proto3, and editions.
const SUPPORTED_FEATURES: u64 = 1 | 2;

/// Answers a serialized `CodeGeneratorRequest` with a serialized `CodeGeneratorResponse`.
///
/// What is wrong with the schema or the parameters is told in the response, where the compiler expects it.
pub fn respond(request: &[u8]) -> Vec<u8> {
    let mut response = CodeGeneratorResponse {
        supported_features: Some(SUPPORTED_FEATURES),
        minimum_edition: Some(Edition::EDITION_PROTO2 as i32),
        maximum_edition: Some(Edition::EDITION_2024 as i32),
        ..Default::default()
    };
    match generate_files(request) {
        Ok(files) => response.file = files,
        Err(error) => response.error = Some(error.to_string()),
    }
    response.encode_to_vec()
}

fn generate_files(request: &[u8]) -> Result<Vec<code_generator_response::File>, Error> {
    let request: CodeGeneratorRequest = buffa_codegen::decode_request(request).map_err(Error::schema)?;
    let parameters = Parameters::parse(request.parameter.as_deref().unwrap_or_default())?;
    let schema = Schema::new(request.proto_file, &request.file_to_generate, &parameters.config)?;
    let Generated { mut files, include_file, .. } = generate::generate(&schema, &parameters.config)?;
    if parameters.include_file {
        files.push(include_file);
    }
    let files = files.into_iter().map(|file| code_generator_response::File {
        name: Some(file.name),
        content: Some(file.text),
        ..Default::default()
    });
    Ok(files.collect())
}

struct Parameters {
    config: Config,
    include_file: bool,
}

impl Parameters {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut parameters = Self { config: Config::default(), include_file: false };
        for parameter in text.split(',').map(str::trim).filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, "true"));
            parameters.set(name, value)?;
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let config = &mut self.config;
        match name {
            "messages" => config.messages = messages(value)?,
            "client" => config.client = boolean(name, value)?,
            "server" => config.server = boolean(name, value)?,
            "descriptor_set" => config.embed_descriptor_set = boolean(name, value)?,
            "include_file" => self.include_file = boolean(name, value)?,
            "extern_path" => {
                let (proto, rust) =
                    value.split_once('=').ok_or_else(|| wrong(name, value, ".proto.path=::rust::path"))?;
                config.extern_paths.push((rooted(proto), rust.to_owned()));
            }
            "codec" => config.codec = Some(value.to_owned()),
            "runtime" => value.clone_into(&mut config.runtime),
            "bytes" => config.bytes_as_vec = choice(name, value, "vec", "bytes")?,
            "map" => config.btree_map = choice(name, value, "btree", "hash")?,
            _ => return Err(Error::config(format!("protoc-gen-tramline has no parameter `{name}`"))),
        }
        Ok(())
    }
}

fn messages(value: &str) -> Result<Messages, Error> {
    match value {
        "buffa" => Ok(Messages::Buffa),
        "prost" => Ok(Messages::Prost),
        "none" => Ok(Messages::None),
        _ => Err(wrong("messages", value, "buffa, prost or none")),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, Error> {
    choice(name, value, "true", "false")
}

fn choice(name: &str, value: &str, yes: &str, no: &str) -> Result<bool, Error> {
    match value {
        _ if value == yes => Ok(true),
        _ if value == no => Ok(false),
        _ => Err(wrong(name, value, &format!("{yes} or {no}"))),
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::config(format!("the parameter {name}={value} of protoc-gen-tramline should be {expected}"))
}
