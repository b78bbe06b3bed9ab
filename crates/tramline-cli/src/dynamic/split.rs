//! Messages cut out of a stream of characters as soon as they are whole.

use super::Format;

/// What ends a message in a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framing {
    /// The bracket that closes the first one, or a line's end outside of brackets.
    Brackets { has_comments: bool },
    /// A line `---`, or the octet 0x1E.
    Separator,
}

/// Takes characters as they arrive and gives whole messages out.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    buffer: String,
    framing: Option<Framing>,
    scanned_len: usize,
    depth: usize,
    quote: Option<char>,
    is_escaped: bool,
    is_comment: bool,
}

impl Splitter {
    /// More characters.
    pub(crate) fn push(&mut self, text: &str) {
        self.buffer.push_str(text);
    }

    /// The next whole message.
    pub(crate) fn next_message(&mut self) -> Option<String> {
        loop {
            let framing = self.framing()?;
            let (len, separator_len) = match framing {
                Framing::Brackets { has_comments } => (self.closed_len(has_comments)?, 0),
                Framing::Separator => self.separated_len()?,
            };
            let rest = self.buffer.split_off((len + separator_len).min(self.buffer.len()));
            let mut message = std::mem::replace(&mut self.buffer, rest);
            message.truncate(len);
            *self = Splitter { buffer: std::mem::take(&mut self.buffer), ..Splitter::default() };
            if framing == Framing::Separator || !message.trim().is_empty() {
                return Some(message);
            }
        }
    }

    /// What is left when no more characters come.
    pub(crate) fn finish(self) -> Option<String> {
        (!self.buffer.trim().is_empty()).then_some(self.buffer)
    }

    /// Decided when the first characters that tell are there.
    fn framing(&mut self) -> Option<Framing> {
        if self.framing.is_none() {
            let start = self.buffer.trim_start_matches([' ', '\t', '\r', '\n', ',', ';']);
            let mut visible = start.chars().filter(|c| !c.is_whitespace());
            let first = visible.next()?;
            if first == '{' || first == '[' {
                visible.next()?;
            }
            let skipped = self.buffer.len() - start.len();
            self.buffer.drain(..skipped);
            self.framing = Some(match (Format::of(&self.buffer), first) {
                (Format::Json, _) => Framing::Brackets { has_comments: false },
                (Format::Text, '{') => Framing::Brackets { has_comments: true },
                (Format::Text, _) => Framing::Separator,
            });
        }
        self.framing
    }

    /// The octets up to where all brackets are closed.
    fn closed_len(&mut self, has_comments: bool) -> Option<usize> {
        let unscanned = self.buffer.get(self.scanned_len..).unwrap_or_default().to_owned();
        for c in unscanned.chars() {
            self.scanned_len += c.len_utf8();
            if self.is_closed_by(c, has_comments) {
                return Some(self.scanned_len);
            }
        }
        None
    }

    fn is_closed_by(&mut self, c: char, has_comments: bool) -> bool {
        if self.is_comment {
            self.is_comment = c != '\n';
        } else if let Some(quote) = self.quote {
            self.is_in_string(c, quote);
        } else {
            match c {
                '"' => self.quote = Some(c),
                '\'' if has_comments => self.quote = Some(c),
                '#' if has_comments => self.is_comment = true,
                '{' | '[' => self.depth += 1,
                '}' | ']' => {
                    self.depth = self.depth.saturating_sub(1);
                    return self.depth == 0;
                }
                '\n' => return self.depth == 0,
                _ => {}
            }
        }
        false
    }

    fn is_in_string(&mut self, c: char, quote: char) {
        if self.is_escaped {
            self.is_escaped = false;
        } else if c == '\\' {
            self.is_escaped = true;
        } else if c == quote {
            self.quote = None;
        }
    }

    /// The octets before a separator, and those of the separator itself.
    fn separated_len(&mut self) -> Option<(usize, usize)> {
        let mut start = self.scanned_len;
        while let Some(line) = self.buffer.get(start..).and_then(|rest| rest.split_inclusive('\n').next()) {
            if let Some(at) = line.find('\u{1e}') {
                return Some((start + at, 1));
            }
            if !line.ends_with('\n') {
                return None;
            }
            if line.trim() == "---" {
                return Some((start, line.len()));
            }
            start += line.len();
            self.scanned_len = start;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same messages come out, however the characters come in.
    fn check(source: &str, expected: &[&str]) {
        for chunk_len in [1, 2, 7, source.len().max(1)] {
            let mut splitter = Splitter::default();
            let mut messages = Vec::new();
            let chars: Vec<char> = source.chars().collect();
            for chunk in chars.chunks(chunk_len) {
                splitter.push(&chunk.iter().collect::<String>());
                while let Some(message) = splitter.next_message() {
                    messages.push(message.trim().to_owned());
                }
            }
            messages.extend(splitter.finish().map(|rest| rest.trim().to_owned()));
            assert_eq!(messages, expected, "{source} by {chunk_len}");
        }
    }

    #[test]
    fn json_messages_end_with_their_bracket() {
        check(r#"{"a": "}\"{"} {"b": [1, {}]}"#, &[r#"{"a": "}\"{"}"#, r#"{"b": [1, {}]}"#]);
        check("{}\n{}\n\n", &["{}", "{}"]);
        check("\"1s\"\n\"2s\"", &["\"1s\"", "\"2s\""]);
        check("", &[]);
        check("{\"cut", &["{\"cut"]);
    }

    #[test]
    fn text_messages_end_with_their_bracket_or_a_separator() {
        check("{a: '}' # }\n} {b: 1}", &["{a: '}' # }\n}", "{b: 1}"]);
        check("a: 1\nb: 2\n---\nc: 3\n", &["a: 1\nb: 2", "c: 3"]);
        check("a: 1\u{1e}b: 2", &["a: 1", "b: 2"]);
    }
}
