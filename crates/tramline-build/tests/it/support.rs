//! Schemas written to a scratch directory, and what was generated from them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tramline_build::{Builder, Error};

/// A directory with schemas below `proto` and generated code below `out`.
pub(crate) struct Scratch {
    root: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let scratch = Self { root: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            let path = scratch.proto(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        scratch
    }

    pub(crate) fn proto(&self, name: &str) -> PathBuf {
        self.root.path().join("proto").join(name)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    pub(crate) fn builder(&self) -> Builder {
        Builder::new().includes([self.root.path().join("proto")]).out_dir(self.out())
    }

    /// `error` with paths that begin at the scratch directory.
    pub(crate) fn without_root(&self, error: &Error) -> String {
        error.to_string().replace(&format!("{}/", self.root.path().display()), "")
    }

    /// Compiles `names` by `builder`, and reads back all that was written.
    pub(crate) fn compile(&self, builder: &Builder, names: &[&str]) -> Result<Output, Error> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.proto(name)).collect();
        builder.compile(&paths)?;
        Ok(Output::read(&self.out()))
    }
}

/// Generated files by name.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) files: BTreeMap<String, String>,
}

impl Output {
    pub(crate) fn read(directory: &Path) -> Self {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        });
        Self { files: files.collect() }
    }

    pub(crate) fn file(&self, name: &str) -> &str {
        self.files.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", self.files.keys()))
    }
}
