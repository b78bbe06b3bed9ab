//! What is wrong with something that a person typed, where, and what to do about it.

use std::fmt::Write as _;
use std::ops::Range;

/// Columns of the offending line that an excerpt shows at most.
const EXCERPT_LEN_MAX: usize = 100;

/// An error at a place of some text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InputError {
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// The octets of the text that it is about.
    pub(crate) span: Range<usize>,
    /// What would be right.
    pub(crate) hint: Option<String>,
}

impl InputError {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        InputError { message: message.into(), span, hint: None }
    }

    /// The same error in a text that has `len` octets more in front.
    pub(crate) fn moved(mut self, len: usize) -> Self {
        self.span = self.span.start + len..self.span.end + len;
        self
    }

    /// The same error with advice.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with advice, if there is any.
    pub(crate) fn with_hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The error for a person: what, where (`origin:line:column`), the line with a caret
    /// under the place, and the advice.
    pub(crate) fn report(&self, origin: &str, source: &str) -> String {
        let place = Place::find(source, &self.span);
        let margin = " ".repeat(place.line.to_string().len());
        let mut report = format!("{}\n", self.message);
        let _ = writeln!(report, "{margin}--> {origin}:{}:{}", place.line, place.column);
        let _ = writeln!(report, "{margin} |");
        let _ = writeln!(report, "{} | {}", place.line, place.excerpt);
        let _ = write!(report, "{margin} | {}{}", place.indent, "^".repeat(place.caret_len));
        if let Some(hint) = &self.hint {
            let _ = write!(report, "\n{margin} = {hint}");
        }
        report
    }
}

/// A span as a person reads it.
struct Place {
    line: usize,
    column: usize,
    excerpt: String,
    indent: String,
    caret_len: usize,
}

impl Place {
    fn find(source: &str, span: &Range<usize>) -> Place {
        let start = floor_char(source, span.start);
        let (before, after) = source.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(source.len(), |at| start + at);
        let line = source.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let column = source.get(line_start..start).unwrap_or_default().chars().count();
        let spanned = source.get(start..floor_char(source, span.end).min(line_end)).unwrap_or_default();
        let skipped = column.saturating_sub(EXCERPT_LEN_MAX / 2);
        let excerpt: String = line.chars().skip(skipped).take(EXCERPT_LEN_MAX).map(visible).collect();
        let shown = column - skipped;
        let caret_len = spanned.chars().count().clamp(1, (EXCERPT_LEN_MAX - shown).max(1));
        Place {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            excerpt,
            indent: " ".repeat(shown),
            caret_len,
        }
    }
}

/// The start of the character that `at` falls into.
fn floor_char(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// One column for each character, and no control characters on a terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_points_at_the_place() {
        let source = "name: 'Alice'\nagge: 3\n";
        let error = InputError::new(14..18, "no field `agge`").with_hint("did you mean `age`?");
        let expected = "no field `agge`\n --> data:2:1\n  |\n2 | agge: 3\n  | ^^^^\n  = did you mean `age`?";
        assert_eq!(error.report("data", source), expected);
    }

    #[test]
    fn columns_count_characters_and_spans_may_lie_outside() {
        let error = InputError::new(3..4, "odd");
        assert!(error.report("d", "é☺x").contains("d:1:2"), "{}", error.report("d", "é☺x"));
        assert!(InputError::new(90..99, "odd").report("d", "ab").contains("d:1:3"));
        assert!(InputError::new(0..0, "odd").report("d", "").ends_with("^"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let source = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let report = InputError::new(5000..5001, "odd").report("d", &source);
        assert!(report.lines().all(|line| line.len() < 120), "{report}");
        assert!(report.contains("aXb"));
    }
}
