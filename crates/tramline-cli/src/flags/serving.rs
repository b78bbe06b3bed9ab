//! Flags of the demo server.

use super::{Command, Flag};

const DEMO: &[Command] = &[Command::Demo];

pub(super) const FLAGS: &[Flag] = &[ADDR, ONCE];

const ADDR: Flag = Flag {
    long: "addr",
    short: None,
    value: Some("HOST:PORT"),
    commands: DEMO,
    summary: "where to listen (default 127.0.0.1:50051)",
    details: "Port 0 takes any free port; the line that follows says which.",
    apply: |options, value| {
        options.listen_address = Some(value.to_owned());
        Ok(())
    },
};

const ONCE: Flag = Flag {
    long: "once",
    short: None,
    value: None,
    commands: DEMO,
    summary: "end after the one call",
    details: "",
    apply: |options, _| {
        options.is_once = true;
        Ok(())
    },
};

#[cfg(test)]
mod tests {
    use super::super::options;

    #[test]
    fn demo() {
        let options = options("demo", &["--addr", "[::1]:0", "--once"]).expect("parses");
        assert_eq!(options.listen_address.as_deref(), Some("[::1]:0"));
        assert!(options.is_once);
    }
}
