//! Excerpts of schema sources for error messages, in the form that rustc made familiar.

use std::fmt::Write as _;

/// One finding in a source file.
pub(crate) struct Finding<'a> {
    pub(crate) message: String,
    /// The path as the user knows it.
    pub(crate) path: String,
    pub(crate) source: Option<&'a str>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) help: Option<String>,
}

/// A marked range of octets in the source.
pub(crate) struct Mark {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) label: String,
}

/// A place in a text: line and column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

impl Finding<'_> {
    /// The finding as text of several lines, without a trailing line break.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        let Some(source) = self.source.filter(|_| !self.marks.is_empty()) else {
            let _ = write!(text, " --> {}", self.path);
            self.render_help(&mut text, 0);
            return text;
        };
        let places: Vec<Place> = self.marks.iter().map(|mark| place_of(source, mark.offset)).collect();
        let gutter = places.iter().map(|place| place.line.to_string().len()).max().unwrap_or(1);
        let _ = writeln!(text, "{:gutter$}--> {}:{}:{}", "", self.path, places[0].line, places[0].column);
        let _ = write!(text, "{:gutter$} |", "");
        for (mark, place) in self.marks.iter().zip(&places) {
            render_mark(&mut text, source, mark, *place, gutter);
        }
        self.render_help(&mut text, gutter);
        text
    }

    fn render_help(&self, text: &mut String, gutter: usize) {
        if let Some(help) = &self.help {
            let _ = write!(text, "\n{:gutter$} = help: {help}", "");
        }
    }
}

fn render_mark(text: &mut String, source: &str, mark: &Mark, place: Place, gutter: usize) {
    let line = source.lines().nth(place.line - 1).unwrap_or("");
    let rest = line.chars().count().saturating_sub(place.column - 1).max(1);
    let marked = source.get(mark.offset..mark.offset + mark.len).map_or(1, |text| text.chars().count());
    // Tabs are kept in the padding, so that the carets stand under the text at any tab width.
    let padding: String = line.chars().take(place.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let carets = "^".repeat(marked.clamp(1, rest));
    let _ = write!(text, "\n{:>gutter$} | {line}\n{:gutter$} | {padding}{carets} {}", place.line, "", mark.label);
}

fn place_of(source: &str, offset: usize) -> Place {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

/// The offset of a place that a compiler named by line and column (both from 1), if the source has it.
pub(crate) fn offset_of(source: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let text = source.get(start..)?.lines().next()?;
    let offset = text.char_indices().map(|(at, _)| at).nth(column.checked_sub(1)?).unwrap_or(text.len());
    Some(start + offset)
}

/// The length of the word that starts at `offset`, at least one octet.
pub(crate) fn word_len(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or("");
    let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
    len.max(rest.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_place_line_and_carets() {
        let source = "syntax = \"proto3\";\n\tmessage Ä Foo;\n";
        let finding = Finding {
            message: "unexpected".into(),
            path: "proto/a.proto".into(),
            source: Some(source),
            marks: vec![Mark { offset: source.find("Foo").unwrap(), len: 3, label: "found here".into() }],
            help: Some("remove it".into()),
        };
        let expected = "error: unexpected\n --> proto/a.proto:2:12\n  |\n2 | \tmessage Ä Foo;\n  | \t          ^^^ found here\n  = help: remove it";
        assert_eq!(finding.render(), expected);
    }

    #[test]
    fn places_and_offsets_agree() {
        let source = "a\nbä c\n\nd";
        for (offset, c) in source.char_indices().filter(|(_, c)| *c != '\n') {
            let place = place_of(source, offset);
            assert_eq!(offset_of(source, place.line, place.column), Some(offset), "{c}");
        }
        assert_eq!(offset_of(source, 9, 1), None);
    }

    #[test]
    fn a_mark_never_runs_past_its_line() {
        let source = "ab\ncd";
        let finding = Finding {
            message: "m".into(),
            path: "p".into(),
            source: Some(source),
            marks: vec![Mark { offset: 1, len: 4, label: "l".into() }],
            help: None,
        };
        assert!(finding.render().ends_with("1 | ab\n  |  ^ l"), "{}", finding.render());
    }
}
