//! The settings of a compilation, and the compilation.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    compiler::{self, Compiled, Compiler, IMPORTABLE, Sources},
    config::{Attribute, Config, Messages, ServicePart, rooted},
    error::Error,
    generate, output,
    schema::{FileNames as _, Schema},
};

/// Compiles schemas, with settings.
///
/// ```no_run
/// # fn main() -> Result<(), tramline_build::Error> {
/// tramline_build::Builder::new()
///     .includes(["proto", "third_party"])
///     .messages(tramline_build::Prost)
///     .server(false)
///     .type_attribute(".shop.Item", "#[derive(serde::Serialize)]")
///     .compile(&["proto/shop.proto"])
/// # }
/// ```
///
/// Paths of types and fields are full proto names (`.shop.Item`, `.shop.Item.price`), the leading dot optional. A
/// path covers what is below it, and `.` covers everything.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `compile` is called"]
pub struct Builder {
    config: Config,
    includes: Vec<PathBuf>,
    out_dir: Option<PathBuf>,
    file_descriptor_set_path: Option<PathBuf>,
    protoc: Option<PathBuf>,
    is_check: bool,
}

impl Builder {
    /// The default settings: messages by buffa, clients and servers, into `OUT_DIR`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Directories that imports are relative to. The default is the directory that the compiled files have in common.
    pub fn includes(mut self, directories: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.includes.extend(directories.into_iter().map(|directory| directory.as_ref().to_owned()));
        self
    }

    /// Where the files go. The default is cargo's `OUT_DIR`; a directory of the sources is for code that is checked
    /// in, see [`check`](Self::check).
    pub fn out_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.out_dir = Some(directory.as_ref().to_owned());
        self
    }

    /// The library of messages: [`Buffa`](crate::Buffa), the default, or [`Prost`](crate::Prost).
    pub fn messages(mut self, messages: Messages) -> Self {
        self.config.messages = messages;
        self
    }

    /// Whether to generate clients; the default is yes.
    pub fn client(mut self, wanted: bool) -> Self {
        self.config.client = wanted;
        self
    }

    /// Whether to generate servers; the default is yes.
    pub fn server(mut self, wanted: bool) -> Self {
        self.config.server = wanted;
        self
    }

    /// Puts an attribute, such as `#[derive(Hash)]`, on the messages and enums that `path` covers.
    pub fn type_attribute(mut self, path: impl AsRef<str>, attribute: impl Into<String>) -> Self {
        self.config.type_attributes.push(Attribute::new((), path.as_ref(), attribute.into()));
        self
    }

    /// Puts an attribute on the fields that `path` covers.
    pub fn field_attribute(mut self, path: impl AsRef<str>, attribute: impl Into<String>) -> Self {
        self.config.field_attributes.push(Attribute::new((), path.as_ref(), attribute.into()));
        self
    }

    /// Puts an attribute on one part of the services that `path` covers.
    pub fn service_attribute(mut self, part: ServicePart, path: impl AsRef<str>, attribute: impl Into<String>) -> Self {
        self.config.service_attributes.push(Attribute::new(part, path.as_ref(), attribute.into()));
        self
    }

    /// Uses the Rust path for the package or type `proto`, and generates nothing for it.
    pub fn extern_path(mut self, proto: impl AsRef<str>, rust: impl Into<String>) -> Self {
        self.config.extern_paths.push((rooted(proto.as_ref()), rust.into()));
        self
    }

    /// Makes fields of type `bytes` vectors. The default is `bytes::Bytes`, which is shared where a vector is copied.
    pub fn bytes_as_vec(mut self) -> Self {
        self.config.bytes_as_vec = true;
        self
    }

    /// Makes map fields `BTreeMap`s, which keep an order. The default is `HashMap`.
    pub fn btree_map(mut self) -> Self {
        self.config.btree_map = true;
        self
    }

    /// Whether each package has its descriptors in the constant `FILE_DESCRIPTOR_SET`, as reflection needs them; the
    /// default is yes.
    pub fn embed_descriptor_set(mut self, wanted: bool) -> Self {
        self.config.embed_descriptor_set = wanted;
        self
    }

    /// Writes the serialized `FileDescriptorSet` of the whole run to `path`.
    pub fn file_descriptor_set_path(mut self, path: impl AsRef<Path>) -> Self {
        self.file_descriptor_set_path = Some(path.as_ref().to_owned());
        self
    }

    /// The path of the crate `tramline` in generated code, for a crate that re-exports it. The default is
    /// `::tramline`.
    pub fn runtime_path(mut self, path: impl Into<String>) -> Self {
        self.config.runtime = path.into();
        self
    }

    /// The codec of the generated methods, as a Rust path. The default is the message library's own; this is for
    /// services over types of another library, with [`Messages::None`].
    pub fn codec(mut self, path: impl Into<String>) -> Self {
        self.config.codec = Some(path.into());
        self
    }

    /// Compiles by this `protoc`, whatever the schema needs.
    pub fn protoc(mut self, path: impl AsRef<Path>) -> Self {
        self.protoc = Some(path.as_ref().to_owned());
        self
    }

    /// Writes nothing, and fails if [`out_dir`](Self::out_dir) does not hold exactly what would be written.
    ///
    /// This is for generated code that is checked in: the same program generates it, and verifies it in a test.
    ///
    /// ```no_run
    /// let check = std::env::args().any(|argument| argument == "--check");
    /// tramline_build::Builder::new().out_dir("src/proto").check(check).compile(&["proto/shop.proto"])?;
    /// # Ok::<(), tramline_build::Error>(())
    /// ```
    pub fn check(mut self, wanted: bool) -> Self {
        self.is_check = wanted;
        self
    }

    /// Compiles `protos`: files, directories with all their `.proto` files, or built-in files such as
    /// `google/rpc/error_details.proto`. A relative path is looked for in the current directory (that of the crate, in
    /// a build script), then in the include directories.
    ///
    /// # Errors
    ///
    /// The schema is wrong, a setting is, a file cannot be read or written, an edition finds no `protoc`, or checked-in
    /// code is stale.
    pub fn compile(&self, protos: &[impl AsRef<Path>]) -> Result<(), Error> {
        let paths: Vec<PathBuf> = protos.iter().map(|path| path.as_ref().to_owned()).collect();
        let sources = Sources::new(&paths, &self.includes, self.protoc.clone())?;
        // Before the schema is looked at: a build that failed must run again when the schema is mended.
        announce_inputs(sources.files.iter().map(|file| file.path.as_path()));
        announce_includes(&sources.includes);
        self.finish(&compiler::compile(&sources)?)
    }

    /// Compiles `protos` as [`compile`](Self::compile) does, and generates nothing: a serialized
    /// `FileDescriptorSet` with all imports and all comments, for tools.
    ///
    /// # Errors
    ///
    /// The schema is wrong, a file cannot be read, or an edition finds no `protoc`.
    pub fn descriptor_set(&self, protos: &[impl AsRef<Path>]) -> Result<Vec<u8>, Error> {
        let paths: Vec<PathBuf> = protos.iter().map(|path| path.as_ref().to_owned()).collect();
        let sources = Sources::new(&paths, &self.includes, self.protoc.clone())?;
        compiler::compile(&sources).map(|compiled| compiled.descriptor_set)
    }

    /// Generates code for the files of a serialized `FileDescriptorSet`, which some other compiler wrote with all
    /// imports (`protoc --include_imports --include_source_info -o FILE`, `buf build -o FILE`).
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile), and the set is damaged or lacks an import.
    pub fn compile_descriptor_set(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        announce_inputs([path]);
        let descriptor_set = fs::read(path).map_err(|error| Error::io("read", path, error))?;
        self.finish(&Compiled {
            descriptor_set,
            requested: Vec::new(),
            inputs: Vec::new(),
            compiler: Compiler::Given(path.to_owned()),
        })
    }

    fn finish(&self, compiled: &Compiled) -> Result<(), Error> {
        announce_inputs(compiled.inputs.iter().map(PathBuf::as_path));
        println!("tramline-build: schema compiled by {}", compiled.compiler);
        let schema = self.schema(compiled)?;
        let generated = generate::generate(&schema, &self.config)?;
        for warning in &generated.warnings {
            println!("cargo:warning={}", warning.replace('\n', " "));
        }
        let mut files = generated.files;
        files.push(generated.include_file);
        let directory = self.directory()?;
        if self.is_check {
            return output::check(&directory, &files);
        }
        output::write(&directory, &files)?;
        self.file_descriptor_set_path
            .as_ref()
            .map_or(Ok(()), |path| output::write_if_changed(path, &schema.descriptor_set()))
    }

    fn schema(&self, compiled: &Compiled) -> Result<Schema, Error> {
        if compiled.requested.is_empty() {
            let all = Schema::decode(&compiled.descriptor_set, &[], &self.config)?;
            let is_own = |name: &&str| !IMPORTABLE.iter().any(|(builtin, _)| builtin == name);
            let own: Vec<String> = all.files.iter().map(|file| file.name()).filter(is_own).map(str::to_owned).collect();
            // A set of nothing but built-in files is asked for what it has.
            return if own.is_empty() { Ok(all) } else { Schema::new(all.files, &own, &self.config) };
        }
        Schema::decode(&compiled.descriptor_set, &compiled.requested, &self.config)
    }

    fn directory(&self) -> Result<PathBuf, Error> {
        let given = self.out_dir.clone().or_else(|| env::var_os("OUT_DIR").map(PathBuf::from));
        given.ok_or_else(|| Error::config("OUT_DIR is not set: outside of a build script, `.out_dir(..)` is needed"))
    }
}

fn announce_inputs<'a>(paths: impl IntoIterator<Item = &'a Path>) {
    // Built-in files are on no disk, and cargo takes a path that is missing for one that has changed.
    for path in paths.into_iter().filter(|path| path.exists()) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

/// A new file in an include directory may be found in place of another. Directories that hold the crate itself are
/// left out: they hold cargo's own output, and the build would never be up to date.
fn announce_includes(includes: &[PathBuf]) {
    for variable in ["PROTOC", "PROTOC_INCLUDE"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let Some(root) = env::var_os("CARGO_MANIFEST_DIR").and_then(|root| PathBuf::from(root).canonicalize().ok()) else {
        return;
    };
    let is_inside =
        |include: &&PathBuf| include.canonicalize().is_ok_and(|path| path != root && path.starts_with(&root));
    announce_inputs(includes.iter().filter(is_inside).map(PathBuf::as_path));
}
