//! Which value of a JSON document does not fit its field, and what would.

use std::sync::Arc;

use buffa_descriptor::{
    DescriptorPool, DynamicMessage, EnumIndex, FieldDescriptor, FieldKind, MessageIndex, ScalarType, SingularKind,
};
use serde_json::{Value, json};

use crate::suggest;
use crate::text_format::{integer_range, type_name};

/// Of a value that is shown, at most this many characters.
const SHOWN_LEN_MAX: usize = 40;

/// A value that its field does not take.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The field, as the document names it.
    pub(super) key: String,
    pub(super) message: String,
}

/// The first value that does not fit. Each is read alone, so that the reader's own rules
/// decide.
pub(super) fn find(pool: &Arc<DescriptorPool>, index: MessageIndex, document: &Value) -> Option<Misfit> {
    let fields = pool.message(index).fields();
    document.as_object()?.iter().find_map(|(key, value)| {
        let field = fields.iter().find(|field| field.json_name() == key || field.name() == key)?;
        of_field(pool, index, field, key, value)
    })
}

fn of_field(
    pool: &Arc<DescriptorPool>,
    index: MessageIndex,
    field: &FieldDescriptor,
    key: &str,
    value: &Value,
) -> Option<Misfit> {
    let is_misfit =
        |value: &Value| DynamicMessage::from_json(Arc::clone(pool), index, &json!({ key: value }).to_string()).is_err();
    if !is_misfit(value) {
        return None;
    }
    let misfit = |wanted: &str, value: &Value| Misfit {
        key: key.to_owned(),
        message: format!("`{key}` takes {wanted}, not {}", shown(value)),
    };
    let (kind, culprit) = match (field.kind(), value) {
        (FieldKind::Singular(kind), value) => (kind, Some(value)),
        (FieldKind::List(kind), Value::Array(items)) => (kind, items.iter().find(|item| is_misfit(&json!([item])))),
        (FieldKind::Map { value: kind, .. }, Value::Object(entries)) => {
            let mut entries = entries.iter();
            (kind, entries.find(|(key, value)| is_misfit(&json!({ key.as_str(): value }))).map(|(_, value)| value))
        }
        (FieldKind::List(_), _) => return Some(misfit("a list in [ ]", value)),
        (FieldKind::Map { .. }, _) => return Some(misfit("a map in { }", value)),
    };
    let culprit = culprit?;
    if let SingularKind::Message(inside) = kind
        && let Some(found) = find(pool, inside, culprit)
    {
        return Some(found);
    }
    Some(misfit(&wanted(pool, kind), culprit))
}

/// What a value of this kind looks like.
fn wanted(pool: &DescriptorPool, kind: SingularKind) -> String {
    match kind {
        SingularKind::Scalar(scalar) => wanted_scalar(scalar),
        SingularKind::Enum(index) => wanted_enum(pool, index),
        SingularKind::Message(index) => wanted_message(pool.message(index).full_name()),
    }
}

fn wanted_scalar(scalar: ScalarType) -> String {
    let name = type_name(scalar);
    match scalar {
        ScalarType::String => format!("{name} in double quotes"),
        ScalarType::Bytes => format!("{name} as base64 in double quotes"),
        ScalarType::Bool => format!("{name}: true or false"),
        ScalarType::Double | ScalarType::Float => name.to_owned(),
        _ => {
            let (min, max) = integer_range(scalar);
            format!("{name}, a whole number from {min} to {max}")
        }
    }
}

fn wanted_enum(pool: &DescriptorPool, index: EnumIndex) -> String {
    let of_type = pool.enumeration(index);
    let names = suggest::choices(of_type.values().iter().map(|value| value.name()));
    format!("a value of {}: {}", of_type.full_name(), names.unwrap_or_default())
}

/// The types that JSON writes in a form of their own (protobuf's JSON mapping).
fn wanted_message(full_name: &str) -> String {
    let form = match full_name {
        "google.protobuf.Timestamp" => "\"2026-01-31T12:00:00Z\"",
        "google.protobuf.Duration" => "\"1.5s\"",
        "google.protobuf.FieldMask" => "\"name,address.street\"",
        _ => return format!("a {full_name} in {{ }}"),
    };
    format!("a {full_name} such as {form}")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_LEN_MAX {
        return text;
    }
    text.chars().take(SHOWN_LEN_MAX).collect::<String>() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(document: &Value) -> Option<String> {
        let mut compiler =
            protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto")]).expect("is there");
        compiler.include_imports(true).open_file("shapes.proto").expect("compiles");
        let pool = Arc::new(DescriptorPool::decode(&compiler.encode_file_descriptor_set()).expect("links"));
        let index = pool.message_index("shapes.All").expect("is there");
        find(&pool, index, document).map(|misfit| misfit.message)
    }

    #[test]
    fn each_form_says_what_it_takes() {
        let cases = [
            (json!({ "aString": 5 }), "`aString` takes a string in double quotes, not 5"),
            (json!({ "a_uint32": -1 }), "`a_uint32` takes a uint32, a whole number from 0 to 4294967295, not -1"),
            (json!({ "aBool": "yes" }), "`aBool` takes a bool: true or false, not \"yes\""),
            (json!({ "someBytes": "*" }), "`someBytes` takes bytes as base64 in double quotes, not \"*\""),
            (json!({ "aDouble": [] }), "`aDouble` takes a double, not []"),
            (json!({ "numbers": 1 }), "`numbers` takes a list in [ ], not 1"),
            (
                json!({ "numbers": [1, 2.5] }),
                "`numbers` takes an int32, a whole number from -2147483648 to 2147483647, not 2.5",
            ),
            (json!({ "byId": { "1": { "name": true } } }), "`name` takes a string in double quotes, not true"),
            (json!({ "counts": 1 }), "`counts` takes a map in { }, not 1"),
            (
                json!({ "color": "PINK" }),
                "`color` takes a value of shapes.Color: `RED`, `GREEN` and `BLUE`, not \"PINK\"",
            ),
            (
                json!({ "at": "garbage" }),
                "`at` takes a google.protobuf.Timestamp such as \"2026-01-31T12:00:00Z\", not \"garbage\"",
            ),
        ];
        for (document, expected) in cases {
            assert_eq!(message(&document).as_deref(), Some(expected));
        }
        assert_eq!(message(&json!({ "aString": "x", "numbers": [1] })), None);
    }
}
