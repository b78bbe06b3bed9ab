//! Messages as text.

use std::fmt::Write as _;

use buffa::unknown_fields::{UnknownFieldData, UnknownFields};
use buffa_descriptor::{
    DescriptorPool, DynamicMessage, EnumIndex, FieldDescriptor, FieldKind, MapKey, ReflectMessage, SingularKind, Value,
};

use super::parser::group_name;

pub(super) fn print(message: &DynamicMessage) -> String {
    let mut printer = Printer { out: String::new(), depth: 0 };
    printer.message(message);
    printer.out
}

struct Printer {
    out: String,
    depth: usize,
}

impl Printer {
    /// The fields in the order of their numbers, extensions among them, unknown ones last.
    fn message(&mut self, message: &DynamicMessage) {
        if self.any(message) {
            return;
        }
        let pool = message.pool();
        let extensions = pool.extensions_of(message.message_index()).map(|extension| extension.field());
        let mut fields: Vec<&FieldDescriptor> =
            message.message_descriptor().fields().iter().chain(extensions).collect();
        fields.sort_by_key(|field| field.number());
        for field in fields.into_iter().filter(|field| message.has(field)) {
            if let Some(value) = message.field_by_number(field.number()) {
                self.field(pool, &self.name(message, field), field.kind(), value);
            }
        }
        self.unknown(message.unknown_fields());
    }

    fn name(&self, message: &DynamicMessage, field: &FieldDescriptor) -> String {
        let pool = message.pool();
        if message.message_descriptor().field(field.number()).is_none() {
            let extension = pool.extension_for(message.message_index(), field.number());
            return extension
                .map_or_else(|| field.number().to_string(), |extension| format!("[{}]", extension.full_name()));
        }
        group_name(pool, field).unwrap_or(field.name()).to_owned()
    }

    /// An Any whose type is known is shown as what it holds.
    fn any(&mut self, message: &DynamicMessage) -> bool {
        let Ok(packed) = message.unpack_any() else { return false };
        let Some(Value::String(url)) = message.field_by_number(1) else { return false };
        self.nested(&format!("[{url}]"), |printer| printer.message(&packed));
        true
    }

    fn field(&mut self, pool: &DescriptorPool, name: &str, kind: FieldKind, value: &Value) {
        match (kind, value) {
            (FieldKind::List(kind), Value::List(values)) => {
                values.iter().for_each(|value| self.singular(pool, name, kind, value));
            }
            (FieldKind::Map { value: kind, .. }, Value::Map(entries)) => {
                for (key, value) in entries {
                    self.nested(name, |printer| {
                        let key = map_key(key);
                        printer.line(&format!("key: {key}"));
                        printer.singular(pool, "value", kind, value);
                    });
                }
            }
            (FieldKind::Singular(kind), value) => self.singular(pool, name, kind, value),
            _ => {}
        }
    }

    fn singular(&mut self, pool: &DescriptorPool, name: &str, kind: SingularKind, value: &Value) {
        match (kind, value) {
            (_, Value::Message(message)) => self.nested(name, |printer| printer.message(message)),
            (SingularKind::Enum(index), Value::EnumNumber(number)) => {
                self.line(&format!("{name}: {}", enum_value(pool, index, *number)));
            }
            (_, value) => self.line(&format!("{name}: {}", scalar(value))),
        }
    }

    /// Fields that the schema does not know, by their numbers, as `protoc --decode` does.
    fn unknown(&mut self, fields: &UnknownFields) {
        for field in fields.iter() {
            let number = field.number;
            match &field.data {
                UnknownFieldData::Varint(value) => self.line(&format!("{number}: {value}")),
                UnknownFieldData::Fixed64(value) => self.line(&format!("{number}: 0x{value:016x}")),
                UnknownFieldData::Fixed32(value) => self.line(&format!("{number}: 0x{value:08x}")),
                UnknownFieldData::LengthDelimited(octets) => self.line(&format!("{number}: {}", quoted(octets))),
                UnknownFieldData::Group(fields) => self.nested(&number.to_string(), |printer| printer.unknown(fields)),
            }
        }
    }

    fn nested(&mut self, name: &str, print_fields: impl FnOnce(&mut Self)) {
        self.line(&format!("{name} {{"));
        self.depth += 1;
        print_fields(self);
        self.depth -= 1;
        self.line("}");
    }

    fn line(&mut self, text: &str) {
        let indent = 2 * self.depth;
        let _ = writeln!(self.out, "{:indent$}{text}", "");
    }
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => quoted(key.as_bytes()),
    }
}

fn enum_value(pool: &DescriptorPool, index: EnumIndex, number: i32) -> String {
    pool.enumeration(index).value(number).map_or_else(|| number.to_string(), |value| value.name().to_owned())
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) if value.is_nan() => "nan".to_owned(),
        Value::F64(value) if value.is_nan() => "nan".to_owned(),
        Value::F32(value) => format!("{value:?}"),
        Value::F64(value) => format!("{value:?}"),
        Value::String(value) => quoted(value.as_bytes()),
        Value::Bytes(value) => quoted(value),
        Value::Message(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// Characters as they are, controls and octets that are no UTF-8 escaped. Octal, because
/// three octal digits never run into what follows.
fn quoted(octets: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in octets.utf8_chunks() {
        chunk.valid().chars().for_each(|c| escaped(&mut out, c));
        for octet in chunk.invalid() {
            let _ = write!(out, "\\{octet:03o}");
        }
    }
    out.push('"');
    out
}

fn escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => {
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "\\{octet:03o}");
            }
        }
        c => out.push(c),
    }
}
