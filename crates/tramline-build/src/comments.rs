//! Comments of a schema as Rust documentation.

use buffa_descriptor::generated::descriptor::{FileDescriptorProto, SourceCodeInfo};

/// Rewrites the comments of `file` so that rustdoc reads them as prose.
///
/// Markdown takes an indented block for code, and rustdoc takes code for a test to run: such blocks, and fences that
/// name no language, become fences of plain text.
pub(crate) fn sanitize(file: &mut FileDescriptorProto) {
    for location in &mut file.source_code_info.get_or_insert_default().location {
        for comment in [&mut location.leading_comments, &mut location.trailing_comments].into_iter().flatten() {
            *comment = prose(comment);
        }
        // Comments that stand apart describe nothing.
        location.leading_detached_comments.clear();
    }
}

/// The places that have comments of their own, as they were written. Each keeps its span, without which readers take
/// it for damaged; comments that stand apart (licences, mostly) describe nothing.
pub(crate) fn alone(info: &SourceCodeInfo) -> SourceCodeInfo {
    let mut info = info.clone();
    info.location.retain(|location| location.leading_comments.is_some() || location.trailing_comments.is_some());
    info.location.iter_mut().for_each(|location| location.leading_detached_comments.clear());
    info
}

/// The lines that document the element at `path` of the descriptor tree.
pub(crate) fn lines(info: &SourceCodeInfo, path: &[i32]) -> Vec<String> {
    let Some(location) = info.location.iter().find(|location| location.path == path) else { return Vec::new() };
    let comments = [&location.leading_comments, &location.trailing_comments];
    let mut lines: Vec<String> = Vec::new();
    for comment in comments.into_iter().flatten() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(comment.lines().map(escape));
    }
    lines
}

fn prose(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    let mut block = Block::Prose { after_blank: true };
    for line in unindented(comment).skip_while(String::is_empty) {
        block = block.next(&line, &mut text);
    }
    block.close(&mut text);
    text
}

/// The lines without the decoration of `///` and `/** … */`, and without the space that follows the marker.
fn unindented(comment: &str) -> impl Iterator<Item = String> {
    comment.trim_end().lines().map(|line| {
        let line = line.strip_prefix('/').or_else(|| line.strip_prefix('*')).unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
    })
}

/// The block of Markdown that a line stands in.
enum Block {
    Prose {
        after_blank: bool,
    },
    Indented {
        /// Blank lines whose side is not known yet.
        blank: usize,
    },
    Fenced,
}

impl Block {
    fn next(self, line: &str, text: &mut String) -> Self {
        let fence = line.trim_start().strip_prefix("```");
        match (self, fence) {
            (Self::Fenced, Some(_)) => Self::push(text, line, Self::Prose { after_blank: false }),
            (Self::Fenced, None) => Self::push(text, line, Self::Fenced),
            (Self::Prose { after_blank: true }, None) if line.starts_with("    ") => {
                Self::push(text, "```text", Self::Fenced);
                Self::push(text, &line[4..], Self::Indented { blank: 0 })
            }
            (Self::Indented { blank }, None) if line.is_empty() => Self::Indented { blank: blank + 1 },
            (Self::Indented { blank }, None) if line.starts_with("    ") => {
                text.extend(std::iter::repeat_n(" \n", blank));
                Self::push(text, &line[4..], Self::Indented { blank: 0 })
            }
            (block, fence) => {
                block.close(text);
                match fence {
                    Some("") => Self::push(text, "```text", Self::Fenced),
                    Some(_) => Self::push(text, line, Self::Fenced),
                    None => Self::push(text, line, Self::Prose { after_blank: line.is_empty() }),
                }
            }
        }
    }

    fn push(text: &mut String, line: &str, next: Self) -> Self {
        text.push(' ');
        text.push_str(line);
        text.push('\n');
        next
    }

    fn close(self, text: &mut String) {
        match self {
            Self::Indented { blank } => {
                text.push_str(" ```\n");
                text.extend(std::iter::repeat_n(" \n", blank));
            }
            Self::Fenced => text.push_str(" ```\n"),
            Self::Prose { .. } => {}
        }
    }
}

/// A line of prose whose brackets are not taken for links to Rust items.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('[') {
        let (before, bracket) = rest.split_at(at);
        escaped.push_str(before);
        let is_link = bracket.find(']').is_some_and(|end| bracket[end + 1..].starts_with(['(', '[']));
        escaped.push_str(if is_link || before.ends_with('\\') { "[" } else { "\\[" });
        rest = &bracket[1..];
    }
    escaped.push_str(rest);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_blocks_become_text() {
        let comment = " Say:\n\n     let x;\n\n     let y;\n\n Done.\n";
        assert_eq!(prose(comment), " Say:\n \n ```text\n let x;\n \n let y;\n ```\n \n Done.\n");
    }

    #[test]
    fn fences_without_a_language_become_text_and_end() {
        assert_eq!(prose(" ```\n x\n"), " ```text\n x\n ```\n");
        assert_eq!(prose(" ```json\n {}\n ```\n after\n"), " ```json\n {}\n ```\n after\n");
    }

    #[test]
    fn slashes_and_stars_are_decoration() {
        assert_eq!(prose("/ A thing.\n"), " A thing.\n");
        assert_eq!(prose("*\n A thing.\n"), " A thing.\n");
    }

    #[test]
    fn brackets_are_escaped_unless_they_link() {
        assert_eq!(escape("the [name] of [x](y)"), "the \\[name] of [x](y)");
    }
}
