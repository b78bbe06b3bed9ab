//! Types that a message names, and its schema does not have.

use buffa_descriptor::{AnyError, DynamicMessage, ReflectMessage, Value};

/// The full names of the types of all Anys in the message that cannot be unpacked.
pub(crate) fn unresolved_types(message: &DynamicMessage) -> Vec<String> {
    let mut types = Vec::new();
    collect(message, &mut types);
    types.sort();
    types.dedup();
    types
}

fn collect(message: &DynamicMessage, types: &mut Vec<String>) {
    match message.unpack_any() {
        Ok(packed) => return collect(&packed, types),
        Err(AnyError::UnknownType { type_url }) => {
            types.push(type_url.rsplit('/').next().unwrap_or_default().to_owned());
        }
        Err(_) => {}
    }
    let pool = message.pool();
    let extensions = pool.extensions_of(message.message_index()).map(|extension| extension.field());
    for field in message.message_descriptor().fields().iter().chain(extensions) {
        if let Some(value) = message.field_by_number(field.number()) {
            collect_value(value, types);
        }
    }
}

fn collect_value(value: &Value, types: &mut Vec<String>) {
    match value {
        Value::Message(message) => collect(message, types),
        Value::List(values) => values.iter().for_each(|value| collect_value(value, types)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| collect_value(value, types)),
        _ => {}
    }
}

/// The full names behind `/` in data that is not read yet: types of Anys among them.
pub(crate) fn named_types(data: &str) -> Vec<String> {
    let is_name = |name: &&str| name.contains('.') && name.split('.').all(|part| !part.is_empty());
    let names = data.split('/').skip(1).map(|rest| {
        let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c))).unwrap_or(rest.len());
        &rest[..len]
    });
    names.filter(is_name).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use buffa_descriptor::DescriptorPool;

    use super::*;
    use crate::text_format;

    #[test]
    fn names_in_data_are_found() {
        let data = r#"{"@type": "a.b/pkg.Type", "u": "https://example.com/x"} [c/pkg.Other] { n: 1/2 }"#;
        assert_eq!(super::named_types(data), ["pkg.Type", "example.com", "pkg.Other"]);
    }

    #[test]
    fn any_of_an_unknown_type_is_found_wherever_it_is() {
        let mut compiler =
            protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto")]).expect("is there");
        compiler.include_imports(true).open_file("shapes.proto").expect("compiles");
        let pool = Arc::new(DescriptorPool::decode(&compiler.encode_file_descriptor_set()).expect("links"));
        let index = pool.message_index("shapes.All").expect("is there");
        let types = |text: &str| {
            let messages = text_format::read(&pool, index, text).expect("reads");
            unresolved_types(&messages[0])
        };
        assert_eq!(types("any { type_url: 'x/pkg.Gone' }"), ["pkg.Gone"]);
        assert_eq!(types("any { [x/shapes.All] { any { type_url: 'x/pkg.Gone' } } }"), ["pkg.Gone"]);
        assert!(types("any { [x/shapes.Inner] { size: 1 } } a_string: 'x'").is_empty());
    }
}
