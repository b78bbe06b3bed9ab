//! Messages by prost, from descriptors: no protoc is run.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use prost::Message as _;
use prost_build::{Module, Service, ServiceGenerator};

use super::{MessageCode, MethodTypes};
use crate::{
    config::Config,
    error::{Error, ErrorKind},
    names,
    rewrite::adapt_messages,
    schema::{FileNames as _, Schema},
};

pub(super) fn generate(schema: &Schema, config: &Config) -> Result<MessageCode, Error> {
    refuse_editions(schema)?;
    let paths = Rc::new(RefCell::new(Paths::new()));
    let mut settings = settings(config);
    settings.service_generator(Box::new(PathRecorder { paths: Rc::clone(&paths) }));
    let requests = requests(schema)?;
    let packages: BTreeMap<Module, String> =
        schema.packages().into_keys().map(|name| (Module::from_protobuf_package_name(name), name.to_owned())).collect();
    let texts = settings
        .generate(requests)
        .map_err(|error| Error::new(ErrorKind::Unsupported, format!("prost: {error}")).with_source(error))?;
    let mut code = BTreeMap::new();
    for (module, text) in texts {
        if let Some(package) = packages.get(&module) {
            code.insert(package.clone(), formatted(&text)?);
        }
    }
    let paths = paths.take();
    let types = MethodTypes::resolve(schema, |package, name| {
        let path = paths.get(&(package.to_owned(), name.to_owned()));
        path.map(|path| from_below(path)).ok_or_else(|| Error::schema(format!("prost has no type for `{name}`")))
    })?;
    Ok(MessageCode { packages: code, types, module: names::module, warnings: Vec::new() })
}

/// prost reads proto2 and proto3 only, and panics at anything else.
fn refuse_editions(schema: &Schema) -> Result<(), Error> {
    let with_edition = schema.files.iter().find(|file| file.syntax.as_deref() == Some("editions"));
    with_edition.map_or(Ok(()), |file| {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "error: {} uses an edition, which prost does not support\n = help: generate messages by buffa: \
                 `.messages(tramline_build::Buffa)`, the default",
                file.name()
            ),
        ))
    })
}

fn settings(config: &Config) -> prost_build::Config {
    let library = format!("{}::codec::prost", config.runtime);
    let mut settings = prost_build::Config::new();
    settings.prost_types_path(format!("{library}::well_known")).prost_path(library);
    for (proto, rust) in &config.extern_paths {
        settings.extern_path(proto, rust);
    }
    for attribute in &config.type_attributes {
        settings.type_attribute(&attribute.path, &attribute.text);
    }
    for attribute in &config.field_attributes {
        settings.field_attribute(&attribute.path, &attribute.text);
    }
    if !config.bytes_as_vec {
        settings.bytes(["."]);
    }
    if config.btree_map {
        settings.btree_map(["."]);
    }
    settings
}

/// All files, as prost's own descriptors: it looks into imported messages, too, and panics at one that it lacks.
fn requests(schema: &Schema) -> Result<Vec<(Module, prost_types::FileDescriptorProto)>, Error> {
    use buffa::Message as _;
    schema
        .files
        .iter()
        .map(|file| {
            let file = prost_types::FileDescriptorProto::decode(file.encode_to_vec().as_slice())
                .map_err(|error| Error::schema(format!("{}: {error}", file.name())).with_source(error))?;
            Ok((Module::from_protobuf_package_name(file.package()), file))
        })
        .collect()
}

fn formatted(text: &str) -> Result<String, Error> {
    let parsed = syn2::parse_file(text).map_err(|error| {
        Error::config(format!("the generated messages are not Rust: {error}; is an attribute wrong?"))
    })?;
    adapt_messages(&prettyplease::unparse(&parsed), &[])
}

/// Rust paths by package and full proto name, in the words of prost, relative to the package's module.
type Paths = BTreeMap<(String, String), String>;

/// Learns from prost how it names the types of methods.
struct PathRecorder {
    paths: Rc<RefCell<Paths>>,
}

impl ServiceGenerator for PathRecorder {
    fn generate(&mut self, service: Service, _text: &mut String) {
        let mut paths = self.paths.borrow_mut();
        for method in service.methods {
            let package = || service.package.clone();
            paths.insert((package(), method.input_proto_type), method.input_type);
            paths.insert((package(), method.output_proto_type), method.output_type);
        }
    }
}

/// `path` one level further down: the modules of a service stand inside the package's.
fn from_below(path: &str) -> String {
    // To prost, wrappers are primitives and Empty is the unit.
    const PRIMITIVES: &[&str] = &["()", "bool", "f32", "f64", "i32", "i64", "u32", "u64"];
    let is_absolute = path.starts_with("::") || path.starts_with("crate::") || PRIMITIVES.contains(&path);
    if is_absolute { path.to_owned() } else { format!("super::{path}") }
}
