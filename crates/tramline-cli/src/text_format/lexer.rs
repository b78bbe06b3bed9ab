//! The words of protobuf text format.

use std::ops::Range;

use crate::input_error::InputError;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenKind {
    Identifier,
    /// Decimal, octal or hexadecimal, without a sign.
    Integer,
    /// With a point, an exponent or an `f`, without a sign.
    Float,
    /// A quoted string, quotes and escapes included.
    Text,
    Symbol(char),
    End,
}

/// The symbol that stands between two messages: the octet 0x1E (as grpcurl has it), or a
/// line `---`.
pub(super) const SEPARATOR: char = '\u{1e}';

/// What may stand in brackets.
const IN_BRACKETS: &str =
    "a name in brackets is an extension, [pkg.name], or the type of an Any, [type.googleapis.com/pkg.Type]";

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    pub(super) text: &'s str,
    at: usize,
}

impl Token<'_> {
    /// Where it stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    pub(super) fn is(&self, symbol: char) -> bool {
        self.kind == TokenKind::Symbol(symbol)
    }

    /// The token as an error names it.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            TokenKind::End => "the end".to_owned(),
            TokenKind::Symbol(SEPARATOR) => "the end of the message".to_owned(),
            _ => format!("`{}`", self.text),
        }
    }
}

/// Cuts a text into tokens.
#[derive(Debug)]
pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Lexer { source, at: 0 }
    }

    /// The next token, whitespace and comments skipped.
    pub(super) fn token(&mut self) -> Result<Token<'s>, InputError> {
        self.skip_blank();
        let rest = self.rest();
        match rest.chars().next() {
            None => Ok(self.take(TokenKind::End, 0)),
            Some('a'..='z' | 'A'..='Z' | '_') => Ok(self.take(TokenKind::Identifier, run_len(rest, is_word))),
            Some('0'..='9') => self.number(),
            Some('.') if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some(SEPARATOR) => Ok(self.take(TokenKind::Symbol(SEPARATOR), 1)),
            Some('-') if self.at_dashes() => Ok(self.take(TokenKind::Symbol(SEPARATOR), 3)),
            Some(symbol @ (':' | ';' | ',' | '{' | '}' | '<' | '>' | '[' | ']' | '-')) => {
                Ok(self.take(TokenKind::Symbol(symbol), 1))
            }
            Some(other) => Err(self.stray(other)),
        }
    }

    /// What stands between `[` (just taken) and `]`, without blanks and comments, and
    /// where it stands. The `]` is taken too.
    pub(super) fn bracketed(&mut self) -> Result<(String, Range<usize>), InputError> {
        let start = self.at;
        let Some(len) = closing_bracket(self.rest()) else {
            return Err(InputError::new(start.saturating_sub(1)..start, "`[` is never closed").with_hint(IN_BRACKETS));
        };
        let raw = self.source.get(start..start + len).unwrap_or_default();
        self.at = start + len + 1;
        match bracketed_name(raw) {
            Some(name) => Ok((name, start..start + len)),
            None => Err(InputError::new(start..start + len, "this is no name").with_hint(IN_BRACKETS)),
        }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, kind: TokenKind, len: usize) -> Token<'s> {
        let text = self.source.get(self.at..self.at + len).unwrap_or_default();
        let token = Token { kind, text, at: self.at };
        self.at += len;
        token
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = run_len(rest, char::is_whitespace);
            let is_comment = rest[blank..].starts_with('#');
            let comment = if is_comment { run_len(&rest[blank..], |c| c != '\n') } else { 0 };
            self.at += blank + comment;
            if !is_comment {
                return;
            }
        }
    }

    /// A line that is `---` and nothing else.
    fn at_dashes(&self) -> bool {
        let before = self.source.get(..self.at).unwrap_or_default();
        let line_before = before.rsplit('\n').next().unwrap_or_default();
        let line_after = self.rest().lines().next().unwrap_or_default();
        line_before.trim().is_empty() && line_after.trim_end() == "---"
    }

    /// Numbers: <https://protobuf.dev/reference/protobuf/textformat-spec/#numeric>.
    fn number(&mut self) -> Result<Token<'s>, InputError> {
        let rest = self.rest();
        let len = number_len(rest);
        let text = &rest[..len];
        let kind = if is_integer(text) {
            TokenKind::Integer
        } else if is_float(text) {
            TokenKind::Float
        } else {
            let span = self.at..self.at + len;
            return Err(InputError::new(span, format!("`{text}` is not a number"))
                .with_hint_if(text.starts_with('0').then(|| "a leading 0 means octal".to_owned())));
        };
        Ok(self.take(kind, len))
    }

    fn quoted(&mut self, quote: char) -> Result<Token<'s>, InputError> {
        let rest = self.rest();
        let mut is_escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                c if c == quote => return Ok(self.take(TokenKind::Text, at + 1)),
                _ => {}
            }
        }
        let line_len = rest.lines().next().map_or(1, str::len);
        Err(InputError::new(self.at..self.at + line_len, format!("the string is never closed by {quote}")).with_hint(
            "a string ends on its own line; write \\n for a line break, and strings side by side are joined",
        ))
    }

    fn stray(&self, c: char) -> InputError {
        let error = InputError::new(self.at..self.at + c.len_utf8(), format!("unexpected character `{c}`"));
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => {
                error.with_hint("strings are quoted by plain ' or \", not by typographic quotes")
            }
            '=' => error.with_hint("a field's name and value are separated by a colon: name: 'value'"),
            '/' => error.with_hint("a comment starts with #"),
            _ => error,
        }
    }
}

/// The name without blanks and comments, which may stand beside its dots and slashes.
fn bracketed_name(raw: &str) -> Option<String> {
    let lines = raw.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut name = String::new();
    for part in lines.flat_map(str::split_whitespace) {
        if !(name.is_empty() || name.ends_with(['.', '/']) || part.starts_with(['.', '/'])) {
            return None;
        }
        name.push_str(part);
    }
    let may_be_in_url = |c: char| c.is_ascii_alphanumeric() || "-._~!$&()*+,;=%/".contains(c);
    (!name.is_empty() && name.chars().all(may_be_in_url)).then_some(name)
}

/// Where the `]` is that no comment has.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut in_comment = false;
    text.char_indices().find_map(|(at, c)| {
        in_comment = (in_comment || c == '#') && c != '\n';
        (c == ']' && !in_comment).then_some(at)
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn run_len(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

/// The run of characters that were meant as one number.
fn number_len(text: &str) -> usize {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_exponent_sign = !is_hex && matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        if !(is_word(c) || c == '.' || is_exponent_sign) {
            return at;
        }
        before = c;
    }
    text.len()
}

fn is_integer(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', b'x' | b'X', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit),
        [b'0', digits @ ..] => digits.iter().all(|digit| matches!(digit, b'0'..=b'7')),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// Digits with a point, an exponent or an `f`; no leading zeros before the point.
fn is_float(text: &str) -> bool {
    let text = text.strip_suffix(['f', 'F']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let has_digits = !(whole.is_empty() && fraction.is_empty());
    let is_plain = whole.len() < 2 || !whole.starts_with('0');
    has_digits && is_plain && is_digits(whole) && is_digits(fraction) && !exponent.is_empty() && is_digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Result<Vec<String>, String> {
        let mut lexer = Lexer::new(source);
        let mut words = Vec::new();
        loop {
            let token = lexer.token().map_err(|error| error.message)?;
            if token.kind == TokenKind::End {
                return Ok(words);
            }
            words.push(format!("{:?} {}", token.kind, token.text));
        }
    }

    #[test]
    fn numbers_are_told_apart() {
        for integer in ["0", "7", "42", "0x1F", "0XfF", "017", "00"] {
            assert_eq!(words(integer), Ok(vec![format!("Integer {integer}")]));
        }
        for float in ["1.5", ".5", "1.", "1e5", "1E+5", "1.5e-3", "1f", "1.5F", "0.5", "0f"] {
            assert_eq!(words(float), Ok(vec![format!("Float {float}")]));
        }
        for bad in ["08", "0x", "1abc", "1e", "1.2.3", "09.5", "0xfg", "1e+"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn comments_and_separators() {
        assert_eq!(words("# all\n#of it"), Ok(vec![]));
        let separated = words("a\n---\nb \u{1e} c").expect("reads");
        assert_eq!(separated.iter().filter(|word| word.starts_with("Symbol('\\u{1e}')")).count(), 2);
        assert_eq!(words("a: ---1").map(|words| words.len()), Ok(6));
    }

    #[test]
    fn strings_end_on_their_line() {
        assert_eq!(words(r#"'a\'b' "c\\""#).map(|words| words.len()), Ok(2));
        assert!(words("'ab\nc'").is_err());
        assert!(words("'abc\\'").is_err());
    }
}
