//! A descriptor set, and which of its files Rust code is written for.

use std::collections::{BTreeMap, BTreeSet};

use buffa::Message as _;
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, SourceCodeInfo,
};

use crate::{comments, compiler::is_well_known, config::Config, error::Error};

/// A compiled schema.
pub(crate) struct Schema {
    /// All files, each after those that it imports, with comments made fit for rustdoc.
    pub(crate) files: Vec<FileDescriptorProto>,
    /// The names of the files that code is written for.
    pub(crate) generated: Vec<String>,
    /// The comments of those as they were written, by file.
    comments: BTreeMap<String, SourceCodeInfo>,
}

impl Schema {
    /// Reads a serialized `FileDescriptorSet`; `requested` are names of its files, or nothing for all of them.
    pub(crate) fn decode(descriptor_set: &[u8], requested: &[String], config: &Config) -> Result<Self, Error> {
        let set = decode_options()
            .decode_from_slice::<FileDescriptorSet>(descriptor_set)
            .map_err(|error| Error::schema(format!("the descriptor set cannot be read: {error}")).with_source(error))?;
        let all: Vec<String> = set.file.iter().map(|file| file.name.clone().unwrap_or_default()).collect();
        let requested = if requested.is_empty() { &all } else { requested };
        Self::new(set.file, requested, config)
    }

    /// The schema of `files`, of which code for `requested` and for what they need is written.
    pub(crate) fn new(
        mut files: Vec<FileDescriptorProto>,
        requested: &[String],
        config: &Config,
    ) -> Result<Self, Error> {
        if let Some(missing) = requested.iter().find(|name| !files.iter().any(|file| file.name() == **name)) {
            return Err(Error::schema(format!("the descriptor set has no file `{missing}`")));
        }
        check_links(&files)?;
        let generated = needed_files(&files, requested, config);
        let described = files.iter().filter(|file| generated.iter().any(|name| name == file.name()));
        let comments =
            described.map(|file| (file.name().to_owned(), comments::alone(&file.source_code_info))).collect();
        files.iter_mut().for_each(comments::sanitize);
        Ok(Self { files, generated, comments })
    }

    /// The files that code is written for, by package.
    pub(crate) fn packages(&self) -> BTreeMap<&str, Vec<&FileDescriptorProto>> {
        let mut packages: BTreeMap<&str, Vec<&FileDescriptorProto>> = BTreeMap::new();
        for file in &self.files {
            if self.is_generated(file.name()) {
                packages.entry(file.package()).or_default().push(file);
            }
        }
        packages
    }

    /// File and full name (with its leading dot) of each message and enum that code is written for.
    pub(crate) fn generated_types(&self) -> Vec<(&str, String)> {
        let files = self.files.iter().filter(|file| self.is_generated(file.name()));
        files.flat_map(|file| type_names(file).into_iter().map(|name| (file.name(), name))).collect()
    }

    pub(crate) fn is_generated(&self, name: &str) -> bool {
        self.generated.iter().any(|generated| generated == name)
    }

    /// The serialized set of `files` and all that they import. Files that code is written for have their comments,
    /// which reflection shows; of the rest of the source information there is nothing.
    pub(crate) fn descriptor_set_of(&self, files: &[&FileDescriptorProto]) -> Vec<u8> {
        let by_name: BTreeMap<&str, &FileDescriptorProto> = self.files.iter().map(|file| (file.name(), file)).collect();
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = files.iter().map(|file| file.name()).collect();
        while let Some(name) = open.pop() {
            if wanted.insert(name) {
                let imports = by_name.get(name).map(|file| file.dependency.as_slice()).unwrap_or_default();
                open.extend(imports.iter().map(String::as_str));
            }
        }
        let files = self.files.iter().filter(|file| wanted.contains(file.name()));
        FileDescriptorSet { file: files.map(|file| self.described(file)).collect(), ..Default::default() }
            .encode_to_vec()
    }

    fn described(&self, file: &FileDescriptorProto) -> FileDescriptorProto {
        let comments = self.comments.get(file.name()).filter(|info| !info.location.is_empty());
        let source_code_info = comments.cloned().map_or_else(Default::default, Into::into);
        FileDescriptorProto { source_code_info, ..file.clone() }
    }

    /// The whole serialized set.
    pub(crate) fn descriptor_set(&self) -> Vec<u8> {
        self.descriptor_set_of(&self.files.iter().collect::<Vec<_>>())
    }
}

/// A build's own descriptors are trusted: the bounds are there against a damaged file only.
fn decode_options() -> buffa::DecodeOptions {
    buffa::DecodeOptions::new().with_element_memory_limit(buffa_codegen::TOOLING_ELEMENT_MEMORY_LIMIT)
}

/// Short names for descriptor fields that the format declares optional.
pub(crate) trait FileNames {
    fn name(&self) -> &str;
    fn package(&self) -> &str;
}

impl FileNames for FileDescriptorProto {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn package(&self) -> &str {
        self.package.as_deref().unwrap_or_default()
    }
}

/// Checks that a set which some other compiler wrote is whole: the message libraries take it for granted.
fn check_links(files: &[FileDescriptorProto]) -> Result<(), Error> {
    let declared_in = declarations(files);
    for file in files {
        let has_file = |name: &&String| files.iter().any(|other| other.name() == name.as_str());
        if let Some(import) = file.dependency.iter().find(|name| !has_file(name)) {
            let text = format!(
                "{} imports `{import}`, which the descriptor set lacks: write it with all imports",
                file.name()
            );
            return Err(Error::schema(text));
        }
        if let Some(missing) = references(file).into_iter().find(|name| !declared_in.contains_key(*name)) {
            return Err(Error::schema(format!("{} uses `{missing}`, which the descriptor set lacks", file.name())));
        }
    }
    Ok(())
}

/// The requested files and, of what they import, the files that declare a type in use.
///
/// A file that is imported for its options alone (google/api/annotations.proto is the usual one) needs no Rust code;
/// neither do the well-known types, which the message libraries bring, nor what an extern path covers.
fn needed_files(files: &[FileDescriptorProto], requested: &[String], config: &Config) -> Vec<String> {
    let declared_in = declarations(files);
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = requested.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if is_well_known(name) || !needed.insert(name) {
            continue;
        }
        let Some(file) = files.iter().find(|file| file.name() == name) else { continue };
        let foreign = references(file).into_iter().filter(|type_name| config.extern_type(type_name).is_none());
        open.extend(foreign.filter_map(|type_name| declared_in.get(type_name).copied()));
    }
    files.iter().map(FileNames::name).filter(|name| needed.contains(name)).map(str::to_owned).collect()
}

/// Each type's full name (with its leading dot) and the file that declares it.
fn declarations(files: &[FileDescriptorProto]) -> BTreeMap<String, &str> {
    files.iter().flat_map(|file| type_names(file).into_iter().map(|name| (name, file.name()))).collect()
}

/// The full names (with their leading dots) of a file's messages and enums.
fn type_names(file: &FileDescriptorProto) -> Vec<String> {
    let scope = if file.package().is_empty() { String::new() } else { format!(".{}", file.package()) };
    let mut names = Vec::new();
    file.message_type.iter().for_each(|message| declare(message, &scope, &mut names));
    names.extend(file.enum_type.iter().map(|kind| format!("{scope}.{}", kind.name.as_deref().unwrap_or_default())));
    names
}

fn declare(message: &DescriptorProto, scope: &str, names: &mut Vec<String>) {
    let name = format!("{scope}.{}", message.name.as_deref().unwrap_or_default());
    message.nested_type.iter().for_each(|nested| declare(nested, &name, names));
    names.extend(message.enum_type.iter().map(|kind| format!("{name}.{}", kind.name.as_deref().unwrap_or_default())));
    names.push(name);
}

/// The full names of all types that code for `file` mentions.
fn references(file: &FileDescriptorProto) -> Vec<&str> {
    let mut names = Vec::new();
    file.message_type.iter().for_each(|message| refer(message, &mut names));
    for method in file.service.iter().flat_map(|service| &service.method) {
        names.extend([&method.input_type, &method.output_type].into_iter().flatten().map(String::as_str));
    }
    names.extend(file.extension.iter().filter_map(field_type));
    names
}

fn refer<'a>(message: &'a DescriptorProto, names: &mut Vec<&'a str>) {
    names.extend(message.field.iter().chain(&message.extension).filter_map(field_type));
    message.nested_type.iter().for_each(|nested| refer(nested, names));
}

fn field_type(field: &FieldDescriptorProto) -> Option<&str> {
    field.type_name.as_deref()
}
