//! From `.proto` files to one descriptor set: in process where possible, through `protoc` where editions need it.

mod builtin;
mod protoc;
mod protox;
mod sources;

pub(crate) use builtin::{IMPORTABLE, is_well_known};
pub(crate) use sources::Sources;

use std::{fmt, path::PathBuf};

use crate::error::Error;

/// A descriptor set and how it came about.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// A serialized `google.protobuf.FileDescriptorSet` with all imports and with source info.
    pub(crate) descriptor_set: Vec<u8>,
    /// The files that were asked for, by the names that the set gives them.
    pub(crate) requested: Vec<String>,
    /// The files on disk that were read.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) compiler: Compiler,
}

/// Who compiled a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compiler {
    Protox,
    Protoc(PathBuf),
    /// Nobody here: the descriptor set was given.
    Given(PathBuf),
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protox => f.write_str("protox, in process"),
            Self::Protoc(path) => write!(f, "protoc at {}", path.display()),
            Self::Given(path) => write!(f, "nobody: descriptor set given, {}", path.display()),
        }
    }
}

/// Why the compiler in process gave up.
enum Failure {
    /// A file is written for an edition, which protox does not read.
    Edition(PathBuf),
    Other(Error),
}

/// The descriptor set of a file that is built in, and of what it imports.
pub(crate) fn builtin_set(name: &str) -> Option<Vec<u8>> {
    protox::builtin(name)
}

/// Compiles `sources`.
///
/// A schema error of the compiler in process is the last word only if no `protoc` accepts the schema: protox refuses
/// a few valid files (options on a single extension number, for one).
pub(crate) fn compile(sources: &Sources) -> Result<Compiled, Error> {
    if let Some(protoc) = &sources.protoc {
        return protoc::compile(sources, protoc);
    }
    match protox::compile(sources) {
        Ok(compiled) => Ok(compiled),
        Err(Failure::Edition(file)) => {
            let protoc = protoc::find().ok_or_else(|| protoc::missing(&file))?;
            protoc::compile(sources, &protoc)
        }
        Err(Failure::Other(error)) => {
            protoc::find().and_then(|protoc| protoc::compile(sources, &protoc).ok()).ok_or(error)
        }
    }
}
