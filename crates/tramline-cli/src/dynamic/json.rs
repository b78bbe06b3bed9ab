//! Canonical protobuf JSON.

use std::ops::Range;
use std::sync::Arc;

use buffa_descriptor::{DescriptorPool, DynamicMessage, MessageIndex};
use serde::de::IgnoredAny;

use super::json_misfit;
use crate::input_error::InputError;
use crate::suggest;

/// The messages that `source` holds, one after another.
pub(super) fn read(
    pool: &Arc<DescriptorPool>,
    index: MessageIndex,
    source: &str,
) -> Result<Vec<DynamicMessage>, InputError> {
    let mut documents = serde_json::Deserializer::from_str(source).into_iter::<IgnoredAny>();
    let mut messages = Vec::new();
    let mut start = 0;
    while let Some(document) = documents.next() {
        document.map_err(|error| syntax_error(source, &error))?;
        let end = documents.byte_offset();
        let document = source.get(start..end).unwrap_or_default();
        let message = DynamicMessage::from_json(Arc::clone(pool), index, document)
            .map_err(|error| misfit(pool, index, document, &error).moved(start))?;
        messages.push(message);
        start = end;
    }
    Ok(messages)
}

pub(super) fn write(message: &DynamicMessage, is_compact: bool) -> Result<String, String> {
    let json = if is_compact { serde_json::to_string(message) } else { serde_json::to_string_pretty(message) };
    json.map(|json| escaped(json) + "\n").map_err(|error| error.to_string())
}

/// DEL and the C1 controls may stand in JSON as they are, but they are commands to a
/// terminal.
fn escaped(json: String) -> String {
    let is_command = |c: char| c.is_control() && c >= '\u{7f}';
    if !json.contains(is_command) {
        return json;
    }
    let escape = |c: char| if is_command(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

fn syntax_error(source: &str, error: &serde_json::Error) -> InputError {
    let at = offset(source, error);
    let hint = match error.classify() {
        serde_json::error::Category::Eof => "the data ends too early: a quote or bracket is not closed",
        _ => "in JSON, names and strings stand in double quotes, and there is no comma after the last",
    };
    InputError::new(at..at + 1, format!("this is not JSON: {}", plain(error))).with_hint(hint)
}

/// JSON that is no message of the type.
fn misfit(pool: &Arc<DescriptorPool>, index: MessageIndex, document: &str, error: &serde_json::Error) -> InputError {
    let at = offset(document, error);
    let message = plain(error);
    let place = |key: &str| key_span(document, key, at).unwrap_or(at..at + 1);
    if let Some((key, type_name)) = unknown_field(&message) {
        return InputError::new(place(key), format!("{type_name} has no field `{key}`"))
            .with_hint_if(field_hint(pool, type_name, key));
    }
    let value = serde_json::from_str(document).ok();
    match value.and_then(|value| json_misfit::find(pool, index, &value)) {
        Some(misfit) => InputError::new(place(&misfit.key), misfit.message),
        None => InputError::new(at..at + 1, message),
    }
}

fn field_hint(pool: &DescriptorPool, type_name: &str, key: &str) -> Option<String> {
    let fields = pool.message_by_name(type_name)?.fields();
    match suggest::nearest(key, fields.iter().map(|field| field.json_name())) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => suggest::choices(fields.iter().map(|field| field.json_name())).map(|names| format!("it has {names}")),
    }
}

/// `unknown field "key" on message pkg.Type`
fn unknown_field(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix("unknown field \"")?.split_once("\" on message ")
}

/// The key that stands last before `at`.
fn key_span(document: &str, key: &str, at: usize) -> Option<Range<usize>> {
    let quoted = format!("\"{key}\"");
    let before = document.get(..at)?;
    let start = before.rfind(&quoted).or_else(|| document.rfind(&quoted))?;
    Some(start..start + quoted.len())
}

/// The message without serde_json's own ` at line 1 column 2`.
fn plain(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

/// serde_json counts columns in octets, from 1, and has read the one it names.
fn offset(source: &str, error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let line_start: usize = source.split_inclusive('\n').take(lines_before).map(str::len).sum();
    (line_start + error.column().saturating_sub(1)).min(source.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_timestamps(source: &str) -> Result<Vec<DynamicMessage>, String> {
        let mut compiler =
            protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto")]).expect("is there");
        compiler.include_imports(true).open_file("shapes.proto").expect("compiles");
        let pool = Arc::new(DescriptorPool::decode(&compiler.encode_file_descriptor_set()).expect("links"));
        let index = pool.message_index("shapes.Inner").expect("is there");
        read(&pool, index, source).map_err(|error| error.report("data", source))
    }

    #[test]
    fn documents_follow_each_other() {
        assert_eq!(read_timestamps("{\"name\":\"a\"}{\"size\":1}\n\n{}").map(|all| all.len()), Ok(3));
    }

    #[test]
    fn no_command_reaches_a_terminal() {
        assert_eq!(escaped("\"a\u{9b}2J\u{7f}é\"".to_owned()), r#""a\u009b2J\u007fé""#);
        assert_eq!(escaped("{\n}".to_owned()), "{\n}");
    }

    #[test]
    fn errors_name_the_place_and_the_fix() {
        let report = read_timestamps("{}\n{\"nmae\": 1}").expect_err("no such field");
        assert!(report.starts_with("shapes.Inner has no field `nmae`\n --> data:2:2\n"), "{report}");
        assert!(report.ends_with("= did you mean `name`?"), "{report}");
        let report = read_timestamps("{}\n{\"size\": \"big\"}").expect_err("no number");
        let expected =
            "`size` takes an int32, a whole number from -2147483648 to 2147483647, not \"big\"\n --> data:2:2\n";
        assert!(report.starts_with(expected), "{report}");
        let report = read_timestamps("{\"inner\": {\"name\": 5}}").expect_err("no string");
        assert!(report.starts_with("`name` takes a string in double quotes, not 5\n --> data:1:12\n"), "{report}");
        let report = read_timestamps("{\"inner\": [7]}").expect_err("no message");
        assert!(report.starts_with("`inner` takes a shapes.Inner in { }, not [7]\n"), "{report}");
        let report = read_timestamps("{\"size\": 1,}").expect_err("a comma too many");
        assert!(report.starts_with("this is not JSON"), "{report}");
        assert!(read_timestamps("{\"name\": \"a").expect_err("open").contains("ends too early"));
    }
}
