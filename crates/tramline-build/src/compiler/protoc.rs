//! `protoc` as a second compiler: for editions, and for whoever insists on it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Compiled, Compiler, Sources, builtin};
use crate::{
    diagnostic::{Finding, Mark, offset_of, word_len},
    error::{Error, ErrorKind},
};

/// `$PROTOC`, then the search path, then the one that the feature `vendored-protoc` carries.
pub(super) fn find() -> Option<PathBuf> {
    let named = env::var_os("PROTOC").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(on_search_path).or_else(vendored)
}

fn on_search_path() -> Option<PathBuf> {
    let program = format!("protoc{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(&program)).find(|path| path.is_file())
}

#[cfg(feature = "vendored-protoc")]
fn vendored() -> Option<PathBuf> {
    protoc_bin_vendored::protoc_bin_path().ok()
}

#[cfg(not(feature = "vendored-protoc"))]
fn vendored() -> Option<PathBuf> {
    None
}

/// The directory with protobuf's own schemas, where the compiler does not know it by itself.
fn include_of(protoc: &Path) -> Option<PathBuf> {
    let named = env::var_os("PROTOC_INCLUDE").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| vendored_include(protoc))
}

#[cfg(feature = "vendored-protoc")]
fn vendored_include(protoc: &Path) -> Option<PathBuf> {
    let is_vendored = vendored().is_some_and(|vendored| vendored == protoc);
    is_vendored.then(|| protoc_bin_vendored::include_path().ok()).flatten()
}

#[cfg(not(feature = "vendored-protoc"))]
fn vendored_include(_protoc: &Path) -> Option<PathBuf> {
    None
}

/// The error for a schema with editions where no `protoc` is to be had.
pub(super) fn missing(file: &Path) -> Error {
    let text = format!(
        "error: {} uses an edition, which only protoc compiles, and there is no protoc\n \
         = help: set $PROTOC, install protoc 27 or newer on the PATH, or enable the feature `vendored-protoc` of \
         tramline-build",
        file.display()
    );
    Error::new(ErrorKind::NoCompiler, text)
}

pub(super) fn compile(sources: &Sources, protoc: &Path) -> Result<Compiled, Error> {
    let scratch = tempfile::tempdir().map_err(|error| Error::io("create", &env::temp_dir(), error))?;
    let output = scratch.path().join("descriptor-set.binpb");
    let builtins = scratch.path().join("include");
    write_builtins(&builtins)?;
    let mut command = Command::new(protoc);
    command.arg("--include_imports").arg("--include_source_info").arg("-o").arg(&output);
    let includes = sources.includes.iter().cloned().chain(include_of(protoc)).chain([builtins]);
    for include in includes {
        command.arg("-I").arg(include);
    }
    command.args(sources.files.iter().map(|file| &file.name));
    run(command, sources, protoc)?;
    let descriptor_set = fs::read(&output).map_err(|error| Error::io("read", &output, error))?;
    Ok(Compiled {
        inputs: inputs(sources, &descriptor_set),
        descriptor_set,
        requested: sources.names(),
        compiler: Compiler::Protoc(protoc.to_owned()),
    })
}

fn write_builtins(directory: &Path) -> Result<(), Error> {
    for (name, text) in builtin::IMPORTABLE {
        let path = directory.join(name);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
        fs::write(&path, text).map_err(|error| Error::io("write", &path, error))?;
    }
    Ok(())
}

fn run(mut command: Command, sources: &Sources, protoc: &Path) -> Result<(), Error> {
    let output = command.output().map_err(|error| Error::io("run", protoc, error))?;
    if output.status.success() {
        return Ok(());
    }
    let complaints = String::from_utf8_lossy(&output.stderr);
    let findings: Vec<String> = complaints.lines().map(|line| explain(line, sources)).collect();
    let by = format!("compiled by protoc at {}", protoc.display());
    let text =
        if findings.is_empty() { format!("error: protoc ended with {}", output.status) } else { findings.join("\n\n") };
    Err(Error::schema(format!("{text}\n = note: {by}")))
}

/// A line of protoc's complaints (`file:line:column: message`) with its excerpt, or as it is.
fn explain(line: &str, sources: &Sources) -> String {
    let Some(complaint) = Complaint::parse(line) else { return line.to_owned() };
    let path = sources.find(complaint.file).unwrap_or_else(|| complaint.file.into());
    let source = fs::read_to_string(&path).ok();
    let mark = source.as_deref().and_then(|source| {
        let offset = offset_of(source, complaint.line, complaint.column)?;
        Some(Mark { offset, len: word_len(source, offset), label: String::new() })
    });
    let finding = Finding {
        message: complaint.message.trim_end_matches('.').to_owned(),
        path: path.display().to_string(),
        source: source.as_deref(),
        marks: mark.into_iter().collect(),
        help: None,
    };
    finding.render()
}

struct Complaint<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
}

impl<'a> Complaint<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (place, message) = text.split_once(": ")?;
        let (place, column) = place.rsplit_once(':')?;
        let (file, line) = place.rsplit_once(':')?;
        Some(Self { file, line: line.parse().ok()?, column: column.parse().ok()?, message })
    }
}

/// The files on disk that the set came from.
fn inputs(sources: &Sources, descriptor_set: &[u8]) -> Vec<PathBuf> {
    use buffa::Message as _;
    let set = buffa_descriptor::generated::descriptor::FileDescriptorSet::decode_from_slice(descriptor_set);
    let files = set.map(|set| set.file).unwrap_or_default();
    files.iter().filter_map(|file| sources.find(file.name.as_deref()?)).collect()
}
