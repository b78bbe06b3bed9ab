//! Flags about messages and how they are shown.

use super::{Command, Flag};
use crate::dynamic::Format;

pub(super) const FLAGS: &[Flag] = &[DATA, JSON, TEXT, COMPACT, VERBOSE, LONG, MESSAGE_LEN_MAX];

const DATA: Flag = Flag {
    long: "data",
    short: Some('d'),
    value: Some("DATA"),
    commands: &[Command::Call],
    summary: "the same as an operand DATA (repeatable)",
    details: "",
    apply: |options, value| {
        options.data.push(value.to_owned());
        Ok(())
    },
};

const JSON: Flag = Flag {
    long: "json",
    short: None,
    value: None,
    commands: &[Command::Call],
    summary: "print replies as JSON; this is the default",
    details: "",
    apply: |options, _| {
        options.output = Some(Format::Json);
        Ok(())
    },
};

const TEXT: Flag = Flag {
    long: "text",
    short: None,
    value: None,
    commands: &[Command::Call],
    summary: "print replies in protobuf text format, with a line --- between them",
    details: "",
    apply: |options, _| {
        options.output = Some(Format::Text);
        Ok(())
    },
};

const COMPACT: Flag = Flag {
    long: "compact",
    short: Some('c'),
    value: None,
    commands: &[Command::Call],
    summary: "print each JSON reply on one line",
    details: "",
    apply: |options, _| {
        options.is_compact = true;
        Ok(())
    },
};

const VERBOSE: Flag = Flag {
    long: "verbose",
    short: Some('v'),
    value: None,
    commands: &[Command::Call],
    summary: "print the method, the metadata both ways and the trailers too",
    details: "They go to standard error; only messages go to standard output.",
    apply: |options, _| {
        options.is_verbose = true;
        Ok(())
    },
};

const LONG: Flag = Flag {
    long: "long",
    short: Some('l'),
    value: None,
    commands: &[Command::Ls],
    summary: "show methods with their kinds and messages",
    details: "",
    apply: |options, _| {
        options.is_long = true;
        Ok(())
    },
};

const MESSAGE_LEN_MAX: Flag = Flag {
    long: "max-message-size",
    short: None,
    value: Some("BYTES"),
    commands: Command::CLIENTS,
    summary: "the longest reply to accept (default 64 MiB)",
    details: "",
    apply: |options, value| {
        let len = value.parse().map_err(|_| "it needs a number of bytes".to_owned())?;
        options.message_len_max = Some(len);
        Ok(())
    },
};

#[cfg(test)]
mod tests {
    use super::super::options;
    use super::*;

    #[test]
    fn data() {
        assert_eq!(options("call", &["-d", "a: 1", "--data", "-"]).map(|options| options.data.len()), Ok(2));
    }

    #[test]
    fn output() {
        assert_eq!(options("call", &["--text"]).map(|options| options.output), Ok(Some(Format::Text)));
        assert_eq!(options("call", &["--text", "--json"]).map(|options| options.output), Ok(Some(Format::Json)));
        assert!(options("call", &["-cv"]).is_ok_and(|options| options.is_compact && options.is_verbose));
        assert!(options("ls", &["-l"]).is_ok_and(|options| options.is_long));
        assert!(options("call", &["-l"]).is_err_and(|error| error.contains("tram ls")));
    }

    #[test]
    fn max_message_size() {
        let options = |value| options("call", &["--max-message-size", value]).map(|options| options.message_len_max);
        assert_eq!(options("1024"), Ok(Some(1024)));
        assert!(options("lots").is_err());
    }
}
