//! The command line: each flag is defined once, with its parsing, its help and its test
//! in one place (`connection`, `messages`, `schema`, `serving`).

mod command;
mod connection;
mod help;
mod messages;
mod parse;
mod schema;
mod serving;

pub(crate) use command::Command;
pub(crate) use help::{long_help, overview, short_help};
pub(crate) use parse::{Invocation, UsageError, parse};

use std::path::PathBuf;
use std::time::Duration;

use crate::dynamic::Format;

/// One flag: everything about it.
#[derive(Clone, Copy)]
pub(crate) struct Flag {
    /// The name after two dashes.
    pub(crate) long: &'static str,
    /// The letter after one dash.
    pub(crate) short: Option<char>,
    /// What its value is called in the help; a switch has none.
    pub(crate) value: Option<&'static str>,
    /// The commands that know it.
    pub(crate) commands: &'static [Command],
    /// One line.
    pub(crate) summary: &'static str,
    /// What the long help says beyond the summary.
    pub(crate) details: &'static str,
    /// Notes the flag; what is wrong with its value otherwise.
    pub(crate) apply: fn(&mut Options, &str) -> Result<(), String>,
}

/// What the flags said, as they said it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) is_plaintext: bool,
    pub(crate) is_tls: bool,
    pub(crate) is_insecure: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) authority: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) data: Vec<String>,
    pub(crate) output: Option<Format>,
    pub(crate) is_compact: bool,
    pub(crate) is_verbose: bool,
    pub(crate) message_len_max: Option<usize>,
    pub(crate) import_paths: Vec<PathBuf>,
    pub(crate) proto_files: Vec<PathBuf>,
    pub(crate) protoset_files: Vec<PathBuf>,
    pub(crate) is_long: bool,
    pub(crate) listen_address: Option<String>,
    pub(crate) is_once: bool,
}

/// All flags, in the order of the help.
pub(crate) fn all() -> impl Iterator<Item = &'static Flag> {
    [serving::FLAGS, messages::FLAGS, schema::FLAGS, connection::FLAGS].into_iter().flatten()
}

/// A length of time: seconds, or with a unit, as `1.5s`, `200ms`, `2m`, `1h`.
fn duration(value: &str) -> Result<Duration, String> {
    let digits_len = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(digits_len);
    let unit_secs = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time; there is ms, s, m and h")),
    };
    let number: f64 = number.parse().map_err(|_| "it needs a number of seconds, as 5, 1.5s or 200ms".to_owned())?;
    Duration::try_from_secs_f64(number * unit_secs).map_err(|_| "that is too long".to_owned())
}

/// What a command line of the tests says, or why it is refused.
#[cfg(test)]
fn options(command: &str, flags: &[&str]) -> Result<Options, String> {
    let arguments = std::iter::once(command).chain(flags.iter().copied()).map(str::to_owned);
    match parse(arguments.collect()) {
        Ok(Invocation::Run { options, .. }) => Ok(*options),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "-1", "1d", "1..2", "1e3"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_flags_are_taken_once() {
        for command in Command::ALL {
            let flags: Vec<&Flag> = all().filter(|flag| flag.commands.contains(&command)).collect();
            let mut longs: Vec<&str> = flags.iter().map(|flag| flag.long).collect();
            let mut shorts: Vec<char> = flags.iter().filter_map(|flag| flag.short).collect();
            longs.sort_unstable();
            shorts.sort_unstable();
            assert!(longs.windows(2).all(|pair| pair[0] != pair[1]), "{longs:?}");
            assert!(shorts.windows(2).all(|pair| pair[0] != pair[1]), "{shorts:?}");
        }
    }
}
