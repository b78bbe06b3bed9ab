//! Proto text, line by line.

use std::collections::HashMap;
use std::fmt::Write as _;

use buffa_descriptor::generated::descriptor::field_descriptor_proto::{Label, Type};
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    ServiceDescriptorProto,
};

use super::find::{Symbol, path};

/// The largest field number; a range up to it is written `to max`.
const FIELD_NUMBER_MAX: i32 = (1 << 29) - 1;

pub(super) struct Printer<'f> {
    package: &'f str,
    /// In proto3 and editions no label is the rule; in proto2 there is always one.
    has_labels: bool,
    comments: HashMap<&'f [i32], &'f str>,
    out: String,
    depth: usize,
}

impl<'f> Printer<'f> {
    pub(super) fn new(file: &'f FileDescriptorProto) -> Self {
        let locations = file.source_code_info.as_option().map_or(&[][..], |info| &info.location);
        let comments = locations
            .iter()
            .filter_map(|location| {
                let comment = location.leading_comments.as_deref().or(location.trailing_comments.as_deref())?;
                Some((location.path.as_slice(), comment))
            })
            .collect();
        Printer {
            package: file.package.as_deref().unwrap_or_default(),
            has_labels: matches!(file.syntax.as_deref(), None | Some("" | "proto2")) && file.edition.is_none(),
            comments,
            out: String::new(),
            depth: 0,
        }
    }

    pub(super) fn print(mut self, symbol: &Symbol<'_>, path: Vec<i32>) -> String {
        match symbol {
            Symbol::Message(message) => self.message(message, &path),
            Symbol::Field(field, message) => self.field(field, message, &path),
            Symbol::Extension(field) => self.extension(field, &path),
            Symbol::Enum(enumeration) => self.enumeration(enumeration, &path),
            Symbol::Service(service) => self.service(service, &path),
            Symbol::Method(method) => self.method(method, &path),
        }
        self.out
    }

    fn line(&mut self, text: &str) {
        let indent = 2 * self.depth;
        let _ = writeln!(self.out, "{:indent$}{text}", "");
    }

    /// An empty line between two members of a block.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("{\n") && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn gap_if(&mut self, stand_apart: bool) {
        if stand_apart {
            self.gap();
        }
    }

    /// Whether one of these members has a comment: then they all stand apart.
    fn has_comments(&self, member_count: usize, path: &[i32], number: i32) -> bool {
        (0..).take(member_count).any(|index| self.comments.contains_key([path, &[number, index]].concat().as_slice()))
    }

    fn block(&mut self, head: &str, print_members: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        let start = self.out.len();
        self.depth += 1;
        print_members(self);
        self.depth -= 1;
        if self.out.len() == start {
            self.out.truncate(start - 1);
            self.out.push_str("}\n");
        } else {
            self.line("}");
        }
    }

    fn comment(&mut self, path: &[i32]) {
        let Some(comment) = self.comments.get(path).copied() else { return };
        for line in comment.trim_end().lines() {
            self.line(format!("//{line}").trim_end());
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto, path: &[i32]) {
        self.comment(path);
        self.block(&format!("service {}", service.name.as_deref().unwrap_or_default()), |printer| {
            let stand_apart = printer.has_comments(service.method.len(), path, path::SERVICE_METHOD);
            for (method, index) in service.method.iter().zip(0..) {
                printer.gap_if(stand_apart);
                printer.method(method, &[path, &[path::SERVICE_METHOD, index]].concat());
            }
        });
    }

    fn method(&mut self, method: &MethodDescriptorProto, path: &[i32]) {
        self.comment(path);
        let head = format!(
            "rpc {}({}) returns ({})",
            method.name.as_deref().unwrap_or_default(),
            self.streamed(method.input_type.as_deref(), method.client_streaming),
            self.streamed(method.output_type.as_deref(), method.server_streaming),
        );
        if method.options.deprecated == Some(true) {
            self.block(&head, |printer| printer.line("option deprecated = true;"));
        } else {
            self.line(&format!("{head};"));
        }
    }

    fn streamed(&self, type_name: Option<&str>, is_streaming: Option<bool>) -> String {
        let stream = if is_streaming == Some(true) { "stream " } else { "" };
        format!("{stream}{}", self.relative(type_name.unwrap_or_default()))
    }

    fn message(&mut self, message: &DescriptorProto, path: &[i32]) {
        self.comment(path);
        let head = format!("message {}", message.name.as_deref().unwrap_or_default());
        self.block(&head, |printer| printer.members(message, path));
    }

    fn members(&mut self, message: &DescriptorProto, path: &[i32]) {
        let stand_apart = self.has_comments(message.field.len(), path, path::MESSAGE_FIELD);
        let mut printed_oneofs = Vec::new();
        for (field, index) in message.field.iter().zip(0..) {
            let field_path = [path, &[path::MESSAGE_FIELD, index]].concat();
            match real_oneof(field) {
                Some(oneof) if printed_oneofs.contains(&oneof) => {}
                Some(oneof) => {
                    printed_oneofs.push(oneof);
                    self.gap_if(stand_apart);
                    self.oneof(message, oneof, path);
                }
                None => {
                    self.gap_if(stand_apart);
                    self.field(field, message, &field_path);
                }
            }
        }
        self.reserved(message);
        self.nested(message, path);
    }

    fn oneof(&mut self, message: &DescriptorProto, oneof: i32, path: &[i32]) {
        self.comment(&[path, &[path::MESSAGE_ONEOF, oneof]].concat());
        let declared = usize::try_from(oneof).ok().and_then(|index| message.oneof_decl.get(index));
        let name = declared.and_then(|declared| declared.name.as_deref()).unwrap_or_default();
        self.block(&format!("oneof {name}"), |printer| {
            for (field, index) in message.field.iter().zip(0..) {
                if real_oneof(field) == Some(oneof) {
                    printer.field(field, message, &[path, &[path::MESSAGE_FIELD, index]].concat());
                }
            }
        });
    }

    fn field(&mut self, field: &FieldDescriptorProto, message: &DescriptorProto, path: &[i32]) {
        self.comment(path);
        let name = field.name.as_deref().unwrap_or_default();
        let number = field.number.unwrap_or_default();
        let options = field_options(field);
        let nested = nested_type(message, field);
        if let Some(entry) = nested.filter(|nested| nested.options.map_entry == Some(true)) {
            let types: Vec<String> = entry.field.iter().map(|field| self.type_name(field)).collect();
            return self.line(&format!("map<{}> {name} = {number}{options};", types.join(", ")));
        }
        let label = self.label(field);
        match nested.filter(|_| field.r#type == Some(Type::TYPE_GROUP)) {
            Some(group) => {
                let head = format!("{label}group {} = {number}{options}", group.name.as_deref().unwrap_or_default());
                self.block(&head, |printer| printer.members(group, &[]));
            }
            None => self.line(&format!("{label}{} {name} = {number}{options};", self.type_name(field))),
        }
    }

    fn label(&self, field: &FieldDescriptorProto) -> &'static str {
        match field.label {
            Some(Label::LABEL_REPEATED) => "repeated ",
            Some(Label::LABEL_REQUIRED) => "required ",
            _ if real_oneof(field).is_some() => "",
            _ if self.has_labels || field.proto3_optional == Some(true) => "optional ",
            _ => "",
        }
    }

    fn extension(&mut self, field: &FieldDescriptorProto, path: &[i32]) {
        let extendee = self.relative(field.extendee.as_deref().unwrap_or_default()).to_owned();
        self.block(&format!("extend {extendee}"), |printer| printer.field(field, &DescriptorProto::default(), path));
    }

    /// Ranges and names that are taken.
    fn reserved(&mut self, message: &DescriptorProto) {
        let ranges = message.extension_range.iter().map(|range| (range.start, range.end));
        self.ranges("extensions", ranges);
        let ranges = message.reserved_range.iter().map(|range| (range.start, range.end));
        self.ranges("reserved", ranges);
        if !message.reserved_name.is_empty() {
            if message.reserved_range.is_empty() {
                self.gap();
            }
            let names: Vec<String> = message.reserved_name.iter().map(|name| format!("\"{name}\"")).collect();
            self.line(&format!("reserved {};", names.join(", ")));
        }
    }

    fn ranges(&mut self, keyword: &str, ranges: impl Iterator<Item = (Option<i32>, Option<i32>)>) {
        let ranges: Vec<String> = ranges
            .map(|(start, end)| (start.unwrap_or_default(), end.unwrap_or_default().saturating_sub(1)))
            .map(|(first, last)| match last {
                last if last == first => first.to_string(),
                FIELD_NUMBER_MAX => format!("{first} to max"),
                last => format!("{first} to {last}"),
            })
            .collect();
        if !ranges.is_empty() {
            self.gap();
            self.line(&format!("{keyword} {};", ranges.join(", ")));
        }
    }

    /// Messages and enums inside, but not those that are written as maps and groups.
    fn nested(&mut self, message: &DescriptorProto, path: &[i32]) {
        for (nested, index) in message.nested_type.iter().zip(0..) {
            let is_group = message.field.iter().any(|field| {
                field.r#type == Some(Type::TYPE_GROUP)
                    && nested_type(message, field).is_some_and(|it| std::ptr::eq(it, nested))
            });
            if nested.options.map_entry != Some(true) && !is_group {
                self.gap();
                self.message(nested, &[path, &[path::MESSAGE_NESTED, index]].concat());
            }
        }
        for (enumeration, index) in message.enum_type.iter().zip(0..) {
            self.gap();
            self.enumeration(enumeration, &[path, &[path::MESSAGE_ENUM, index]].concat());
        }
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptorProto, path: &[i32]) {
        self.comment(path);
        self.block(&format!("enum {}", enumeration.name.as_deref().unwrap_or_default()), |printer| {
            if enumeration.options.allow_alias == Some(true) {
                printer.line("option allow_alias = true;");
            }
            for (value, index) in enumeration.value.iter().zip(0..) {
                printer.comment(&[path, &[path::ENUM_VALUE, index]].concat());
                let name = value.name.as_deref().unwrap_or_default();
                let deprecated = if value.options.deprecated == Some(true) { " [deprecated = true]" } else { "" };
                printer.line(&format!("{name} = {}{deprecated};", value.number.unwrap_or_default()));
            }
        });
    }

    fn type_name(&self, field: &FieldDescriptorProto) -> String {
        match field.r#type.and_then(scalar_name) {
            Some(name) => name.to_owned(),
            None => self.relative(field.type_name.as_deref().unwrap_or_default()).to_owned(),
        }
    }

    /// A type of the same package by its name alone, any other by its full name.
    fn relative<'n>(&self, type_name: &'n str) -> &'n str {
        let full_name = type_name.strip_prefix('.').unwrap_or(type_name);
        let below = full_name.strip_prefix(self.package).and_then(|rest| rest.strip_prefix('.'));
        below.filter(|_| !self.package.is_empty()).map_or(full_name, |below| below.rsplit('.').next().unwrap_or(below))
    }
}

/// The oneof that a field is in, if it was written as one.
fn real_oneof(field: &FieldDescriptorProto) -> Option<i32> {
    field.oneof_index.filter(|_| field.proto3_optional != Some(true))
}

/// The type of a field, if it is declared inside the same message.
fn nested_type<'m>(message: &'m DescriptorProto, field: &FieldDescriptorProto) -> Option<&'m DescriptorProto> {
    let name = field.type_name.as_deref()?.rsplit('.').next()?;
    message.nested_type.iter().find(|nested| nested.name.as_deref() == Some(name))
}

fn field_options(field: &FieldDescriptorProto) -> String {
    let mut options = Vec::new();
    if let Some(default) = &field.default_value {
        let is_text = matches!(field.r#type, Some(Type::TYPE_STRING | Type::TYPE_BYTES));
        options.push(if is_text { format!("default = {default:?}") } else { format!("default = {default}") });
    }
    if field.options.deprecated == Some(true) {
        options.push("deprecated = true".to_owned());
    }
    if let Some(packed) = field.options.packed {
        options.push(format!("packed = {packed}"));
    }
    if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) }
}

fn scalar_name(kind: Type) -> Option<&'static str> {
    Some(match kind {
        Type::TYPE_DOUBLE => "double",
        Type::TYPE_FLOAT => "float",
        Type::TYPE_INT64 => "int64",
        Type::TYPE_UINT64 => "uint64",
        Type::TYPE_INT32 => "int32",
        Type::TYPE_FIXED64 => "fixed64",
        Type::TYPE_FIXED32 => "fixed32",
        Type::TYPE_BOOL => "bool",
        Type::TYPE_STRING => "string",
        Type::TYPE_BYTES => "bytes",
        Type::TYPE_UINT32 => "uint32",
        Type::TYPE_SFIXED32 => "sfixed32",
        Type::TYPE_SFIXED64 => "sfixed64",
        Type::TYPE_SINT32 => "sint32",
        Type::TYPE_SINT64 => "sint64",
        Type::TYPE_MESSAGE | Type::TYPE_GROUP | Type::TYPE_ENUM => return None,
    })
}
