//! Flags as the official interop programs take them: `--name=value`, `--name value`,
//! and `--name` alone for yes; one dash or two.

use std::str::FromStr;

/// The flags of one run.
#[derive(Debug, Default)]
pub struct Flags {
    values: Vec<(String, String)>,
}

impl Flags {
    /// The flags of this process.
    ///
    /// # Errors
    /// An argument is no flag.
    pub fn of_process() -> Result<Flags, String> {
        Flags::parse(std::env::args().skip(1))
    }

    /// Reads arguments.
    ///
    /// # Errors
    /// An argument is no flag.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let Some(name) = argument.strip_prefix('-') else {
                return Err(format!("`{argument}` is no flag"));
            };
            let name = name.strip_prefix('-').unwrap_or(name);
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (name, arguments.next_if(|next| !next.starts_with('-')).unwrap_or_else(|| "true".to_owned())),
            };
            flags.values.push((name.to_owned(), value));
        }
        Ok(flags)
    }

    /// The last value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag says yes. Not given, it says no.
    #[must_use]
    pub fn is_yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "true" || value == "1")
    }

    /// A value of another type, or `default` where the flag is not given.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.parse().map_err(|_| format!("--{name}={value} cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(arguments: &[&str]) -> Flags {
        Flags::parse(arguments.iter().map(|argument| (*argument).to_owned())).unwrap()
    }

    #[test]
    fn all_spellings_of_the_official_programs_are_read() {
        let flags = flags(&["--port", "8080", "--use_tls", "-test_case=empty_unary"]);
        assert_eq!(flags.number("port", 0), Ok(8080));
        assert!(flags.is_yes("use_tls"));
        assert_eq!(flags.get("test_case"), Some("empty_unary"));
    }

    #[test]
    fn yes_and_no_can_be_said_aloud() {
        assert!(flags(&["--use_tls=true"]).is_yes("use_tls"));
        assert!(!flags(&["--use_tls=false"]).is_yes("use_tls"));
        assert!(!flags(&[]).is_yes("use_tls"));
    }

    #[test]
    fn what_is_no_flag_or_no_number_is_refused() {
        assert!(Flags::parse(["port".to_owned()]).is_err());
        assert!(flags(&["--port=x"]).number("port", 0).is_err());
    }
}
