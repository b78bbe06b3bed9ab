//! The help, written from the definitions.

use std::fmt::Write as _;

use super::{Command, Flag, all};

/// Columns of a terminal that nobody has made wider.
const LINE_LEN_MAX: usize = 80;

/// Columns of the flags in the short help.
const SYNOPSIS_LEN: usize = 28;

/// `tram --help`.
pub(crate) fn overview() -> String {
    let mut text = String::from(
        "tram: one command-line tool for everything people do with gRPC by hand\n\nUsage: tram COMMAND …\n\n",
    );
    for command in Command::ALL {
        let _ = writeln!(text, "  {:10} {}", command.name(), command.summary());
    }
    text.push_str("  help       say more: tram help COMMAND\n\n");
    text.push_str(
        "Start with `tram demo`, and in another terminal:\n  tram call localhost:50051 SayHello \"name: 'Alice'\"\n",
    );
    text
}

/// `tram COMMAND -h`: the usage and one line for each flag.
pub(crate) fn short_help(command: Command) -> String {
    let mut text = head(command);
    for flag in flags(command) {
        let _ = writeln!(text, "  {:SYNOPSIS_LEN$}  {}", synopsis(flag), wrapped(flag.summary, SYNOPSIS_LEN + 4));
    }
    let _ = writeln!(text, "\n`tram help {}` says more.", command.name());
    text
}

/// `tram help COMMAND`: everything.
pub(crate) fn long_help(command: Command) -> String {
    let mut text = head(command);
    let _ = writeln!(text, "{}\n\nFlags:", command.description());
    for flag in flags(command) {
        let _ = writeln!(text, "  {}\n      {}", synopsis(flag), wrapped(flag.summary, 6));
        if !flag.details.is_empty() {
            let _ = writeln!(text, "      {}", wrapped(flag.details, 6));
        }
    }
    text
}

fn head(command: Command) -> String {
    format!("tram {}: {}\n\nUsage: {}\n\n", command.name(), command.summary(), command.usage())
}

fn flags(command: Command) -> impl Iterator<Item = &'static Flag> {
    all().filter(move |flag| flag.commands.contains(&command))
}

/// The text broken between words, each further line indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > indent && column + 1 + len > LINE_LEN_MAX {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += len;
    }
    out
}

/// `-H, --header 'NAME: VALUE'`
fn synopsis(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let value = flag.value.map_or_else(String::new, |value| format!(" {value}"));
    format!("{short}--{}{value}", flag.long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_in_the_help_of_its_commands() {
        for flag in all() {
            for command in flag.commands {
                let name = format!("--{}", flag.long);
                assert!(short_help(*command).contains(&name), "{name}");
                assert!(long_help(*command).contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn every_command_is_shown_at_work() {
        for command in Command::ALL {
            let help = long_help(command);
            let example = format!("Examples:\n  tram {}", command.name());
            assert!(help.contains(&example), "{help}");
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        let texts = Command::ALL.iter().flat_map(|command| [long_help(*command), short_help(*command)]);
        for line in texts.chain([overview()]).flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()) {
            assert!(line.chars().count() <= LINE_LEN_MAX + 8, "{line}");
        }
    }
}
