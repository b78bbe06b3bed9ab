//! Why `tram` ends with another status than 0.

use std::fmt;

use tramline::{Code, Status};

use crate::dynamic::LookupError;
use crate::flags::UsageError;
use crate::output::visible;

/// The exit status of a command line that makes no sense.
const EXIT_USAGE: u8 = 2;

/// The exit status of everything else that goes wrong outside a call.
const EXIT_OTHER: u8 = 1;

/// What a call's code is added to, as grpcurl does.
const EXIT_STATUS_BASE: u8 = 64;

/// What a shell says of a program that Ctrl-C ended: 128, and SIGINT's number.
const EXIT_INTERRUPTED: u8 = 130;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(UsageError),
    /// Something outside the call.
    Other { message: String, hint: Option<String> },
    /// The call ended with this code; its status has been printed already.
    Call(Code),
    /// The user pressed Ctrl-C, and needs no telling.
    Interrupted,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure::Other { message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Other { message: message.into(), hint: Some(hint.into()) }
    }

    /// A failure with advice, where there is some.
    pub(crate) fn hinted(message: impl Into<String>, hint: Option<String>) -> Self {
        Failure::Other { message: message.into(), hint }
    }

    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Failure::Usage(_) => EXIT_USAGE,
            Failure::Other { .. } => EXIT_OTHER,
            Failure::Call(code) => EXIT_STATUS_BASE + *code as u8,
            Failure::Interrupted => EXIT_INTERRUPTED,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(error) => write!(f, "{error}"),
            Failure::Other { message, hint: None } => f.write_str(message),
            Failure::Other { message, hint: Some(hint) } => write!(f, "{message}\n  = {hint}"),
            Failure::Call(code) => write!(f, "the call ended with {code}"),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Failure::Usage(error)
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Failure::Other { message: error.message, hint: error.hint }
    }
}

/// A status as one line: the code's name and the message.
pub(crate) fn one_line(status: &Status) -> String {
    match status.message() {
        "" => status.code().name().to_owned(),
        message => format!("{}: {}", status.code().name(), visible(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_are_grpcurls() {
        assert_eq!(Failure::Call(Code::NotFound).exit_status(), 69);
        assert_eq!(Failure::Call(Code::Unavailable).exit_status(), 78);
        assert_eq!(Failure::Interrupted.exit_status(), 130);
        assert_eq!(Failure::new("x").exit_status(), 1);
        assert_eq!(Failure::from(UsageError::new("x")).exit_status(), 2);
    }
}
