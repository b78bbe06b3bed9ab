//! What can go wrong outside a call: settings, addresses, sockets, TLS.

use std::error::Error as StdError;
use std::fmt;

/// What an [`Error`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting that cannot be used; the message says which, and what would do.
    Config,
    /// A target or an address that cannot be read.
    Target,
    /// A socket cannot be bound.
    Bind,
    /// A connection cannot be made.
    Connect,
    /// The TLS handshake failed.
    Handshake,
    /// Input or output failed later on.
    Io,
}

/// Who caused an [`Error`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorSide {
    /// This process, or its machine.
    Local,
    /// The peer, or the network in between.
    Remote,
}

#[derive(Debug)]
struct Fields {
    kind: ErrorKind,
    side: ErrorSide,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// An error of a server or a channel as a whole; calls fail with a
/// [`Status`](tramline_call::Status).
#[derive(Debug)]
pub struct Error {
    fields: Box<Fields>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let side = match kind {
            ErrorKind::Config | ErrorKind::Target | ErrorKind::Bind => ErrorSide::Local,
            ErrorKind::Connect | ErrorKind::Handshake | ErrorKind::Io => ErrorSide::Remote,
        };
        Error { fields: Box::new(Fields { kind, side, message: message.into(), source: None }) }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Config, message)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.fields.source = Some(source.into());
        self
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.fields.kind
    }

    /// Who caused it.
    #[must_use]
    pub fn side(&self) -> ErrorSide {
        self.fields.side
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fields.message)?;
        match &self.fields.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.fields.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
