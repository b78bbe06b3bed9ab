//! JSON and text told apart.

/// How a message is written for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// Canonical protobuf JSON.
    Json,
    /// Protobuf text format.
    Text,
}

impl Format {
    /// The format that `data` is in, by its first characters. No data is text: a message
    /// without fields.
    pub(crate) fn of(data: &str) -> Format {
        let data = data.trim_start_matches('\u{feff}').trim_start();
        let mut rest = data.chars();
        match rest.next() {
            Some('{') => of_braces(rest.as_str()),
            Some('[') => of_brackets(rest.as_str()),
            Some('"' | '0'..='9') => Format::Json,
            Some('-') if !data.starts_with("---") => Format::Json,
            _ => of_word(data),
        }
    }
}

/// `{"name": …` and `{}` are JSON; `{ name: …` is text in braces of its own.
fn of_braces(rest: &str) -> Format {
    match rest.trim_start().chars().next() {
        Some('"' | '}') => Format::Json,
        _ => Format::Text,
    }
}

/// `[pkg.extension]: …` is text; any other list is JSON.
fn of_brackets(rest: &str) -> Format {
    let lines = rest.lines().map(|line| line.split('#').next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ");
    let name = text.split(']').next().unwrap_or_default();
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "._-/".contains(c));
    let is_word = name.trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
    if is_name && is_word && name.contains(['.', '/']) { Format::Text } else { Format::Json }
}

fn of_word(data: &str) -> Format {
    match data.trim_end() {
        "true" | "false" | "null" => Format::Json,
        _ => Format::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_tells_its_format() {
        for json in [
            r#"{"name": "Alice"}"#,
            "{}",
            " {\n}",
            "[1]",
            "[]",
            "[\"a#\"]",
            "[true,\n1.5]",
            "\"1s\"",
            "-1.5",
            "null",
            "true",
        ] {
            assert_eq!(Format::of(json), Format::Json, "{json}");
        }
        for text in [
            "name: 'Alice'",
            "name:\"Alice\"",
            "",
            "# a comment",
            "{ name: 'Alice' }",
            "{name:'A'} {name:'B'}",
            "[pkg.ext]: 1",
            "[type.googleapis.com/pkg.Type] {}",
            "[pkg.ext # of [1]\n\t. more\n]: 1",
            "---\nname: 'x'",
            "true_or_not: 1",
        ] {
            assert_eq!(Format::of(text), Format::Text, "{text}");
        }
    }
}
