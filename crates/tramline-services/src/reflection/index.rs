//! Which file holds which symbol.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use buffa::Message as _;
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};
use bytes::Bytes;

use super::ReflectionError;

/// The files of some descriptor sets, by everything that can be asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: Vec<File>,
    by_name: HashMap<String, usize>,
    by_symbol: HashMap<String, usize>,
    /// By the full name of the extended type and the number.
    by_extension: BTreeMap<(String, i32), usize>,
    services: BTreeSet<String>,
}

#[derive(Debug)]
struct File {
    encoded: Bytes,
    imports: Vec<String>,
}

impl Index {
    /// Adds the files of an encoded `FileDescriptorSet`; one that is there already is
    /// left out if it is the same.
    pub(super) fn add(&mut self, descriptor_set: &[u8]) -> Result<(), ReflectionError> {
        let set = FileDescriptorSet::decode_from_slice(descriptor_set)
            .map_err(|error| ReflectionError::new(format!("this is no FileDescriptorSet: {error}")))?;
        set.file.into_iter().try_for_each(|file| self.add_file(file))
    }

    fn add_file(&mut self, file: FileDescriptorProto) -> Result<(), ReflectionError> {
        let name = file.name.clone().unwrap_or_default();
        let encoded = Bytes::from(file.encode_to_vec());
        if let Some(known) = self.by_name.get(&name).and_then(|&at| self.files.get_mut(at)) {
            if known.encoded != encoded && !is_same_schema(&known.encoded, &file) {
                return Err(ReflectionError::new(format!("there are two different files {name}")));
            }
            // The same file may come with its comments and without: the package that wrote it
            // has them, those that import it have not.
            if encoded.len() > known.encoded.len() {
                known.encoded = encoded;
            }
            return Ok(());
        }
        let at = self.files.len();
        self.files.push(File { encoded, imports: file.dependency.clone() });
        self.by_name.insert(name, at);
        let scope = file.package.as_deref().unwrap_or_default();
        file.message_type.iter().for_each(|message| self.add_message(scope, message, at));
        file.enum_type.iter().for_each(|enumeration| self.add_enum(scope, enumeration, at));
        file.extension.iter().for_each(|extension| self.add_extension(scope, extension, at));
        file.service.iter().for_each(|service| self.add_service(scope, service, at));
        Ok(())
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto, at: usize) {
        let name = self.add_symbol(scope, message.name.as_deref(), at);
        for field in &message.field {
            self.add_symbol(&name, field.name.as_deref(), at);
        }
        for oneof in &message.oneof_decl {
            self.add_symbol(&name, oneof.name.as_deref(), at);
        }
        message.nested_type.iter().for_each(|nested| self.add_message(&name, nested, at));
        message.enum_type.iter().for_each(|enumeration| self.add_enum(&name, enumeration, at));
        message.extension.iter().for_each(|extension| self.add_extension(&name, extension, at));
    }

    /// Values are siblings of their enum, as in C++; they are found inside it too.
    fn add_enum(&mut self, scope: &str, enumeration: &EnumDescriptorProto, at: usize) {
        let name = self.add_symbol(scope, enumeration.name.as_deref(), at);
        for value in &enumeration.value {
            self.add_symbol(scope, value.name.as_deref(), at);
            self.add_symbol(&name, value.name.as_deref(), at);
        }
    }

    fn add_extension(&mut self, scope: &str, extension: &FieldDescriptorProto, at: usize) {
        self.add_symbol(scope, extension.name.as_deref(), at);
        let extendee = extension.extendee.as_deref().unwrap_or_default();
        let extendee = extendee.strip_prefix('.').unwrap_or(extendee).to_owned();
        self.by_extension.insert((extendee, extension.number.unwrap_or_default()), at);
    }

    fn add_service(&mut self, scope: &str, service: &ServiceDescriptorProto, at: usize) {
        let name = self.add_symbol(scope, service.name.as_deref(), at);
        for method in &service.method {
            self.add_symbol(&name, method.name.as_deref(), at);
        }
        self.services.insert(name);
    }

    fn add_symbol(&mut self, scope: &str, name: Option<&str>, at: usize) -> String {
        let name = name.unwrap_or_default();
        let full_name = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.by_symbol.entry(full_name.clone()).or_insert(at);
        full_name
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    pub(super) fn file_by_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn file_by_symbol(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol.strip_prefix('.').unwrap_or(symbol)).copied()
    }

    pub(super) fn file_by_extension(&self, extendee: &str, number: i32) -> Option<usize> {
        let extendee = extendee.strip_prefix('.').unwrap_or(extendee);
        self.by_extension.get(&(extendee.to_owned(), number)).copied()
    }

    /// The numbers of all extensions of a message; none if there is no such message.
    pub(super) fn extension_numbers(&self, extendee: &str) -> Option<Vec<i32>> {
        let extendee = extendee.strip_prefix('.').unwrap_or(extendee);
        let range = (extendee.to_owned(), i32::MIN)..=(extendee.to_owned(), i32::MAX);
        let numbers: Vec<i32> = self.by_extension.range(range).map(|((_, number), _)| *number).collect();
        (!numbers.is_empty() || self.by_symbol.contains_key(extendee)).then_some(numbers)
    }

    /// The file and all that it imports, but of those imports only what this stream has
    /// not been sent yet.
    pub(super) fn closure(&self, file: usize, sent: &mut HashSet<usize>) -> Vec<Bytes> {
        let mut encoded = Vec::new();
        let mut visited = HashSet::from([file]);
        let mut waiting = vec![file];
        while let Some(at) = waiting.pop() {
            let Some(current) = self.files.get(at) else { continue };
            if sent.insert(at) || at == file {
                encoded.push(current.encoded.clone());
            }
            let imports = current.imports.iter().filter_map(|name| self.file_by_name(name));
            waiting.extend(imports.filter(|import| visited.insert(*import)));
        }
        encoded
    }
}

/// Whether two files differ in their comments alone.
fn is_same_schema(encoded: &[u8], file: &FileDescriptorProto) -> bool {
    let Ok(mut known) = FileDescriptorProto::decode_from_slice(encoded) else { return false };
    let mut file = file.clone();
    known.source_code_info.take();
    file.source_code_info.take();
    known == file
}
