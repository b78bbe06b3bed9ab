//! The compiler in process: protox, for proto2 and proto3.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
};

use miette::{Diagnostic, LabeledSpan};
use protox::file::{File, FileResolver, GoogleFileResolver};

use super::{Compiled, Compiler, Failure, Sources, builtin};
use crate::{
    diagnostic::{Finding, Mark},
    error::Error,
};

pub(super) fn compile(sources: &Sources) -> Result<Compiled, Failure> {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let resolver =
        Resolver { includes: sources.includes.clone(), well_known: GoogleFileResolver::new(), seen: Rc::clone(&seen) };
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    if let Err(error) = compiler.open_files(sources.files.iter().map(|file| &file.name)) {
        return Err(failure(&error, sources, &seen.borrow()));
    }
    let inputs = std::mem::take(&mut seen.borrow_mut().inputs);
    Ok(Compiled {
        descriptor_set: compiler.encode_file_descriptor_set(),
        requested: sources.names(),
        inputs,
        compiler: Compiler::Protox,
    })
}

/// The descriptor set of a file that is built in, and of what it imports.
pub(super) fn builtin(name: &str) -> Option<Vec<u8>> {
    let resolver = Resolver { includes: Vec::new(), well_known: GoogleFileResolver::new(), seen: Rc::default() };
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file(name).ok()?;
    Some(compiler.encode_file_descriptor_set())
}

/// What the resolver came across.
#[derive(Default)]
struct Seen {
    inputs: Vec<PathBuf>,
    edition: Option<PathBuf>,
}

struct Resolver {
    includes: Vec<PathBuf>,
    well_known: GoogleFileResolver,
    seen: Rc<RefCell<Seen>>,
}

impl FileResolver for Resolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        // Before the include directories: protox cannot parse the newest descriptor.proto, and a directory of
        // protobuf's own files is a usual thing to include.
        if let Ok(file) = self.well_known.open_file(name) {
            return Ok(file);
        }
        for path in self.includes.iter().map(|include| include.join(name)) {
            match File::open(name, &path) {
                Err(error) if error.is_file_not_found() => {}
                opened => return self.note(path, opened),
            }
        }
        match builtin::text(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

impl Resolver {
    fn note(&self, path: PathBuf, opened: Result<File, protox::Error>) -> Result<File, protox::Error> {
        let mut seen = self.seen.borrow_mut();
        if opened.as_ref().is_err_and(stops_at_edition) {
            seen.edition = Some(path.clone());
        }
        seen.inputs.push(path);
        opened
    }
}

/// Whether a parse error points at the keyword `edition`, where protox expects `syntax`.
fn stops_at_edition(error: &protox::Error) -> bool {
    let Some(label) = first_label(error) else { return false };
    let found = error.source_code().and_then(|source| source.read_span(label.inner(), 0, 0).ok());
    found.is_some_and(|contents| contents.data() == b"edition")
}

fn first_label(error: &dyn Diagnostic) -> Option<LabeledSpan> {
    error.labels()?.next()
}

fn failure(error: &protox::Error, sources: &Sources, seen: &Seen) -> Failure {
    if let Some(file) = &seen.edition {
        return Failure::Edition(file.clone());
    }
    let path = error.file().map_or_else(PathBuf::new, |name| sources.find(name).unwrap_or_else(|| name.into()));
    let text = std::fs::read_to_string(&path).ok();
    let mut findings = vec![finding(error, &path, text.as_deref(), sources)];
    let related = error.related().into_iter().flatten();
    findings.extend(related.map(|related| finding(related, &path, text.as_deref(), sources)));
    let rendered: Vec<String> = findings.iter().map(Finding::render).collect();
    Failure::Other(Error::schema(rendered.join("\n\n")))
}

fn finding<'a>(error: &dyn Diagnostic, path: &Path, source: Option<&'a str>, sources: &Sources) -> Finding<'a> {
    let labels = error.labels().into_iter().flatten();
    let marks = labels
        .map(|label| Mark {
            offset: label.offset(),
            len: label.len(),
            label: label.label().unwrap_or_default().to_owned(),
        })
        .collect();
    let message = error.to_string();
    let help = error.help().map(|help| help.to_string()).or_else(|| help_for(&message, sources));
    Finding { message, path: path.display().to_string(), source, marks, help }
}

/// Where imports were looked for, for an import that was not found.
fn help_for(message: &str, sources: &Sources) -> Option<String> {
    if !(message.starts_with("import ") && message.ends_with("not found")) {
        return None;
    }
    let includes: Vec<String> = sources.includes.iter().map(|include| include.display().to_string()).collect();
    Some(format!("looked in {}; name further directories with `.includes([..])`", includes.join(", ")))
}
