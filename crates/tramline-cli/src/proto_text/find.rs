//! Where in its file a symbol is.

use buffa_descriptor::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    ServiceDescriptorProto,
};

/// The field numbers of descriptor.proto that paths into a file are made of
/// (`google.protobuf.SourceCodeInfo.Location.path`).
pub(super) mod path {
    pub(in super::super) const FILE_MESSAGE: i32 = 4;
    pub(in super::super) const FILE_ENUM: i32 = 5;
    pub(in super::super) const FILE_SERVICE: i32 = 6;
    pub(in super::super) const FILE_EXTENSION: i32 = 7;
    pub(in super::super) const MESSAGE_FIELD: i32 = 2;
    pub(in super::super) const MESSAGE_NESTED: i32 = 3;
    pub(in super::super) const MESSAGE_ENUM: i32 = 4;
    pub(in super::super) const MESSAGE_EXTENSION: i32 = 6;
    pub(in super::super) const MESSAGE_ONEOF: i32 = 8;
    pub(in super::super) const ENUM_VALUE: i32 = 2;
    pub(in super::super) const SERVICE_METHOD: i32 = 2;
}

/// What a full name can be the name of.
#[derive(Clone, Copy)]
pub(super) enum Symbol<'f> {
    Message(&'f DescriptorProto),
    /// A field, and the message that it is in.
    Field(&'f FieldDescriptorProto, &'f DescriptorProto),
    Extension(&'f FieldDescriptorProto),
    Enum(&'f EnumDescriptorProto),
    Service(&'f ServiceDescriptorProto),
    Method(&'f MethodDescriptorProto),
}

/// The symbol of this full name in the file, and the path to it.
pub(super) fn find<'f>(file: &'f FileDescriptorProto, full_name: &str) -> Option<(Symbol<'f>, Vec<i32>)> {
    let name = below(full_name, file.package.as_deref().unwrap_or_default())?;
    message_scope(&file.message_type, path::FILE_MESSAGE, name)
        .or_else(|| enumeration(&file.enum_type, path::FILE_ENUM, name))
        .or_else(|| extension(&file.extension, path::FILE_EXTENSION, name))
        .or_else(|| service(file, name))
}

/// The name without the scope that it is in.
fn below<'n>(name: &'n str, scope: &str) -> Option<&'n str> {
    if scope.is_empty() { Some(name) } else { name.strip_prefix(scope)?.strip_prefix('.') }
}

/// One of these messages, or something inside one.
fn message_scope<'f>(messages: &'f [DescriptorProto], number: i32, name: &str) -> Option<(Symbol<'f>, Vec<i32>)> {
    messages.iter().zip(0..).find_map(|(message, index)| {
        let own_name = message.name.as_deref()?;
        let (symbol, rest) = match name == own_name {
            true => (Symbol::Message(message), Vec::new()),
            false => inside(message, below(name, own_name)?)?,
        };
        Some((symbol, [vec![number, index], rest].concat()))
    })
}

fn inside<'f>(message: &'f DescriptorProto, name: &str) -> Option<(Symbol<'f>, Vec<i32>)> {
    let field = message.field.iter().zip(0..).find(|(field, _)| field.name.as_deref() == Some(name));
    field
        .map(|(field, index)| (Symbol::Field(field, message), vec![path::MESSAGE_FIELD, index]))
        .or_else(|| message_scope(&message.nested_type, path::MESSAGE_NESTED, name))
        .or_else(|| enumeration(&message.enum_type, path::MESSAGE_ENUM, name))
        .or_else(|| extension(&message.extension, path::MESSAGE_EXTENSION, name))
}

fn enumeration<'f>(enums: &'f [EnumDescriptorProto], number: i32, name: &str) -> Option<(Symbol<'f>, Vec<i32>)> {
    let (found, index) = enums.iter().zip(0..).find(|(one, _)| one.name.as_deref() == Some(name))?;
    Some((Symbol::Enum(found), vec![number, index]))
}

fn extension<'f>(extensions: &'f [FieldDescriptorProto], number: i32, name: &str) -> Option<(Symbol<'f>, Vec<i32>)> {
    let (found, index) = extensions.iter().zip(0..).find(|(one, _)| one.name.as_deref() == Some(name))?;
    Some((Symbol::Extension(found), vec![number, index]))
}

fn service<'f>(file: &'f FileDescriptorProto, name: &str) -> Option<(Symbol<'f>, Vec<i32>)> {
    file.service.iter().zip(0..).find_map(|(service, index)| {
        let own_name = service.name.as_deref()?;
        let path = vec![path::FILE_SERVICE, index];
        if name == own_name {
            return Some((Symbol::Service(service), path));
        }
        let method_name = below(name, own_name)?;
        let (method, index) =
            service.method.iter().zip(0..).find(|(method, _)| method.name.as_deref() == Some(method_name))?;
        Some((Symbol::Method(method), [path, vec![path::SERVICE_METHOD, index]].concat()))
    })
}
