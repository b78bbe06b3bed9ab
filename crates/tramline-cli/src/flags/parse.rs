//! Arguments into what was asked for.

use std::fmt;

use super::{Command, Flag, Options, all};
use crate::suggest;

/// What a command line asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Invocation {
    /// Help on everything, or on one command, short (`-h`) or long.
    Help {
        command: Option<Command>,
        is_long: bool,
    },
    Version,
    Run {
        command: Command,
        options: Box<Options>,
        operands: Vec<String>,
    },
}

/// A command line that makes no sense, and what would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        UsageError { message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  = {hint}"),
            None => Ok(()),
        }
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: Vec<String>) -> Result<Invocation, UsageError> {
    let mut arguments = arguments.into_iter();
    let Some(first) = arguments.next() else { return Ok(Invocation::Help { command: None, is_long: false }) };
    match first.as_str() {
        "-h" => Ok(Invocation::Help { command: None, is_long: false }),
        "--help" => Ok(Invocation::Help { command: None, is_long: true }),
        "help" => help(arguments.next().as_deref()),
        "-V" | "--version" | "version" => Ok(Invocation::Version),
        name => match Command::from_name(name) {
            Some(command) => run(command, arguments),
            None => Err(no_command(name)),
        },
    }
}

fn help(command: Option<&str>) -> Result<Invocation, UsageError> {
    match command {
        None => Ok(Invocation::Help { command: None, is_long: true }),
        Some(name) => match Command::from_name(name) {
            Some(command) => Ok(Invocation::Help { command: Some(command), is_long: true }),
            None => Err(no_command(name)),
        },
    }
}

fn no_command(name: &str) -> UsageError {
    if name.starts_with('-') {
        return UsageError::new(format!("`{name}` comes before any command"))
            .with_hint("the command comes first: tram call [FLAGS] ADDRESS METHOD [DATA…]");
    }
    let error = UsageError::new(format!("there is no command `{name}`"));
    match suggest::hint(name, Command::ALL.iter().map(|command| command.name())) {
        Some(hint) => error.with_hint(format!("{hint}; `tram help` says more")),
        None => error,
    }
}

fn run(command: Command, arguments: impl Iterator<Item = String>) -> Result<Invocation, UsageError> {
    let mut reading = Reading { command, options: Options::default(), arguments, help: None };
    let mut operands = Vec::new();
    let mut flags_are_over = false;
    while let Some(argument) = reading.arguments.next() {
        match argument.strip_prefix('-') {
            Some("-") if !flags_are_over => flags_are_over = true,
            Some(flag) if !flags_are_over && !flag.is_empty() => reading.flag(&argument)?,
            _ => operands.push(argument),
        }
    }
    match reading.help {
        Some(is_long) => Ok(Invocation::Help { command: Some(command), is_long }),
        None => Ok(Invocation::Run { command, options: Box::new(reading.options), operands }),
    }
}

struct Reading<A> {
    command: Command,
    options: Options,
    arguments: A,
    /// Help was asked for, long or not.
    help: Option<bool>,
}

impl<A: Iterator<Item = String>> Reading<A> {
    fn flag(&mut self, argument: &str) -> Result<(), UsageError> {
        match argument.strip_prefix("--") {
            Some("help") => self.help = Some(true),
            Some(long) => {
                let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let flag = self.long_flag(name)?;
                self.apply(flag, &format!("--{name}"), value)?;
            }
            None => self.short_flags(argument.strip_prefix('-').unwrap_or_default())?,
        }
        Ok(())
    }

    /// `-v`, `-cv`, `-H value`, `-Hvalue`.
    fn short_flags(&mut self, letters: &str) -> Result<(), UsageError> {
        for (at, letter) in letters.char_indices() {
            if letter == 'h' {
                self.help = Some(false);
                continue;
            }
            let flag = self.short_flag(letter, letters)?;
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = (flag.value.is_some() && !rest.is_empty()).then_some(rest);
            self.apply(flag, &format!("-{letter}"), value)?;
            if flag.value.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn apply(&mut self, flag: &Flag, written: &str, value: Option<&str>) -> Result<(), UsageError> {
        let value = match (flag.value, value) {
            (None, None) => String::new(),
            (None, Some(_)) => return Err(UsageError::new(format!("{written} takes no value"))),
            (Some(_), Some(value)) => value.to_owned(),
            (Some(name), None) => match self.arguments.next() {
                Some(value) => value,
                None => return Err(UsageError::new(format!("{written} needs a value: {written} {name}"))),
            },
        };
        (flag.apply)(&mut self.options, &value).map_err(|cause| UsageError::new(format!("{written} {value}: {cause}")))
    }

    fn long_flag(&self, name: &str) -> Result<&'static Flag, UsageError> {
        if let Some(flag) = self.flags().find(|flag| flag.long == name) {
            return Ok(flag);
        }
        let error = UsageError::new(format!("tram {} has no flag --{name}", self.command.name()));
        if let Some(other) = all().find(|flag| flag.long == name) {
            return Err(error.with_hint(belongs_to(other)));
        }
        match suggest::nearest(name, self.flags().map(|flag| flag.long)) {
            Some(near) => Err(error.with_hint(format!("did you mean --{near}?"))),
            None => Err(error.with_hint(self.where_to_look())),
        }
    }

    fn short_flag(&self, letter: char, letters: &str) -> Result<&'static Flag, UsageError> {
        if let Some(flag) = self.flags().find(|flag| flag.short == Some(letter)) {
            return Ok(flag);
        }
        let error = UsageError::new(format!("tram {} has no flag -{letter}", self.command.name()));
        let name = letters.split('=').next().unwrap_or_default();
        if self.flags().any(|flag| flag.long == name) {
            return Err(error.with_hint(format!("long flags have two dashes: --{letters}")));
        }
        match all().find(|flag| flag.short == Some(letter)) {
            Some(other) => Err(error.with_hint(belongs_to(other))),
            None => Err(error.with_hint(self.where_to_look())),
        }
    }

    fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        all().filter(|flag| flag.commands.contains(&self.command))
    }

    fn where_to_look(&self) -> String {
        format!("`tram help {}` lists them", self.command.name())
    }
}

fn belongs_to(flag: &Flag) -> String {
    let commands: Vec<String> = flag.commands.iter().map(|command| format!("tram {}", command.name())).collect();
    format!("it is a flag of {}", commands.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(line.split_whitespace().map(str::to_owned).collect()).map_err(|error| error.to_string())
    }

    fn operands(line: &str) -> Vec<String> {
        match parsed(line) {
            Ok(Invocation::Run { operands, .. }) => operands,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_and_operands_mix() {
        assert_eq!(operands("call a:1 -v M --timeout 1 x"), ["a:1", "M", "x"]);
        assert_eq!(operands("call a:1 M -"), ["a:1", "M", "-"]);
        assert_eq!(operands("call a:1 M -- -v --x"), ["a:1", "M", "-v", "--x"]);
    }

    #[test]
    fn help_and_version() {
        let help = |command, is_long| Ok(Invocation::Help { command, is_long });
        assert_eq!(parsed(""), help(None, false));
        assert_eq!(parsed("--help"), help(None, true));
        assert_eq!(parsed("help call"), help(Some(Command::Call), true));
        assert_eq!(parsed("call -h"), help(Some(Command::Call), false));
        assert_eq!(parsed("ls localhost:1 --help"), help(Some(Command::Ls), true));
        assert_eq!(parsed("--version"), Ok(Invocation::Version));
    }

    #[test]
    fn mistakes_are_explained() {
        let explained = |line: &str, part: &str| {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(part), "{error}");
        };
        explained("cal localhost:1", "did you mean `call`?");
        explained("--tls call", "the command comes first");
        explained("call --tiemout 1", "did you mean --timeout?");
        explained("call -plaintext localhost:1", "two dashes: --plaintext");
        explained("call --addr x", "it is a flag of tram demo");
        explained("call --timeout", "--timeout needs a value: --timeout TIME");
        explained("call --timeout soon", "--timeout soon: ");
        explained("call -z", "`tram help call` lists them");
    }
}
