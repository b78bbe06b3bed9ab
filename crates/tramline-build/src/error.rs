//! The error of a compilation, printed the way a compiler prints: message, place, excerpt, help.

use std::{fmt, io, path::Path};

/// What went wrong, for a caller that wants to tell the cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The schema itself is wrong: a syntax error, an unknown name, an import that is not found.
    Schema,
    /// A file could not be read or written, or a compiler could not be started.
    Io,
    /// No compiler that understands the schema is at hand (editions need `protoc`).
    NoCompiler,
    /// The chosen message library cannot express the schema.
    Unsupported,
    /// A setting is wrong: an attribute or path that is not Rust, `OUT_DIR` missing, an unknown plugin parameter.
    Config,
    /// Checked-in code is not what the schema generates ([`Builder::check`](crate::Builder::check)).
    Stale,
}

/// An error of [`compile`](crate::compile) and [`Builder`](crate::Builder).
///
/// `Debug` prints the same text as `Display`, because a build script that returns the error from `main` shows its
/// `Debug` form to the user.
pub struct Error {
    details: Box<Details>,
}

struct Details {
    kind: ErrorKind,
    text: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { details: Box::new(Details { kind, text: text.into(), source: None }) }
    }

    pub(crate) fn schema(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Schema, text)
    }

    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, text)
    }

    pub(crate) fn io(action: &str, path: &Path, error: io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {action} {}: {error}", path.display())).with_source(error)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.details.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.details.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.details.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On a line of its own: cargo puts `Error: ` before it.
        write!(f, "\n{}", self.details.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.details.source.as_deref().map(|source| source as _)
    }
}
