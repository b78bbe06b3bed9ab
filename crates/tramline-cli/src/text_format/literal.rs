//! What the literals of text format stand for.

use crate::input_error::InputError;

/// The value of an integer literal (decimal, octal, hexadecimal), if it has at most 64 bits.
pub(super) fn integer(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(text.get(2..)?, 16).ok(),
        [b'0', _, ..] => u64::from_str_radix(text, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// The octets of a quoted literal that stands at `at`.
pub(super) fn octets(literal: &str, at: usize) -> Result<Vec<u8>, InputError> {
    let body = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let mut unescaper = Unescaper { rest: body, at: at + 1, out: Vec::with_capacity(body.len()) };
    while let Some(c) = unescaper.take() {
        if c == '\\' {
            unescaper.escape()?;
        } else {
            unescaper.push(c);
        }
    }
    Ok(unescaper.out)
}

struct Unescaper<'s> {
    rest: &'s str,
    at: usize,
    out: Vec<u8>,
}

impl Unescaper<'_> {
    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        self.at += c.len_utf8();
        Some(c)
    }

    fn push(&mut self, c: char) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// <https://protobuf.dev/reference/protobuf/textformat-spec/#string>
    fn escape(&mut self) -> Result<(), InputError> {
        let start = self.at.saturating_sub(1);
        let Some(c) = self.take() else { return Err(InputError::new(start..self.at, "a lone backslash")) };
        match c {
            'a' => self.out.push(0x07),
            'b' => self.out.push(0x08),
            'f' => self.out.push(0x0c),
            'n' => self.out.push(b'\n'),
            'r' => self.out.push(b'\r'),
            't' => self.out.push(b'\t'),
            'v' => self.out.push(0x0b),
            '?' | '\\' | '\'' | '"' => self.push(c),
            '0'..='7' => return self.octal(start, c),
            'x' => return self.hex_octet(start),
            'u' => return self.unicode(start, 4),
            'U' => return self.unicode(start, 8),
            _ => {
                return Err(InputError::new(start..self.at, format!("unknown escape `\\{c}`"))
                    .with_hint("a backslash itself is written \\\\"));
            }
        }
        Ok(())
    }

    fn octal(&mut self, start: usize, first: char) -> Result<(), InputError> {
        let digits = format!("{first}{}", self.digits(8, 2));
        match u8::from_str_radix(&digits, 8) {
            Ok(octet) => self.out.push(octet),
            Err(_) => return Err(InputError::new(start..self.at, "an octal escape goes up to \\377")),
        }
        Ok(())
    }

    fn hex_octet(&mut self, start: usize) -> Result<(), InputError> {
        let digits = self.digits(16, 2);
        match u8::from_str_radix(&digits, 16) {
            Ok(octet) => self.out.push(octet),
            Err(_) => return Err(InputError::new(start..self.at, "`\\x` needs one or two hexadecimal digits")),
        }
        Ok(())
    }

    /// `\uXXXX` or `\UXXXXXXXX`; a UTF-16 surrogate pair of `\u` is one character.
    fn unicode(&mut self, start: usize, digit_count: usize) -> Result<(), InputError> {
        let mut code = self.code(start, digit_count)?;
        if digit_count == 4 && (0xd800..0xdc00).contains(&code) && self.rest.starts_with("\\u") {
            self.take();
            self.take();
            let low = self.code(start, 4)?;
            code = match low {
                0xdc00..0xe000 => 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00),
                _ => code,
            };
        }
        let Some(c) = char::from_u32(code) else {
            return Err(InputError::new(start..self.at, format!("U+{code:04X} is not a character")));
        };
        self.push(c);
        Ok(())
    }

    fn code(&mut self, start: usize, digit_count: usize) -> Result<u32, InputError> {
        let digits = self.digits(16, digit_count);
        if digits.len() < digit_count {
            return Err(InputError::new(start..self.at, format!("this escape needs {digit_count} hexadecimal digits")));
        }
        u32::from_str_radix(&digits, 16).map_err(|_| InputError::new(start..self.at, "this is not a character"))
    }

    fn digits(&mut self, radix: u32, count_max: usize) -> String {
        let digits: String = self.rest.chars().take(count_max).take_while(|c| c.is_digit(radix)).collect();
        digits.chars().for_each(|_| {
            self.take();
        });
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let octets = |literal: &str| octets(literal, 0).map_err(|error| error.message);
        assert_eq!(octets(r#"'a\n\t\\\'\"\?'"#), Ok(b"a\n\t\\'\"?".to_vec()));
        assert_eq!(octets(r"'\0\12\377\1234'"), Ok(vec![0, 10, 255, 0o123, b'4']));
        assert_eq!(octets(r"'\x1\xfFf'"), Ok(vec![1, 255, b'f']));
        assert_eq!(octets(r"'\u263a\U0001F608\ud83d\ude08'"), Ok("☺😈😈".as_bytes().to_vec()));
        for bad in [r"'\400'", r"'\xg'", r"'\u12'", r"'\ud83d'", r"'\U00110000'", r"'\q'"] {
            assert!(octets(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers() {
        assert_eq!(integer("18446744073709551615"), Some(u64::MAX));
        assert_eq!(integer("18446744073709551616"), None);
        assert_eq!(integer("0xff"), Some(255));
        assert_eq!(integer("017"), Some(15));
        assert_eq!(integer("0"), Some(0));
    }
}
