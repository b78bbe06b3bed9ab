//! Which files to compile, and under which names.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::builtin;
use crate::error::{Error, ErrorKind};

/// What to compile and where its imports are looked for.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) includes: Vec<PathBuf>,
    /// A `protoc` that the user insists on.
    pub(crate) protoc: Option<PathBuf>,
}

/// A file and its name in imports and descriptors: its path below an include directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

impl Sources {
    /// Resolves `paths` against `includes`; without includes, against the directory that all files have in common.
    ///
    /// A path is a file, a whole directory, a file's name below an include directory, or that of a built-in file.
    pub(crate) fn new(paths: &[PathBuf], includes: &[PathBuf], protoc: Option<PathBuf>) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in paths {
            collect(&existing(path, includes), &mut files)?;
        }
        if files.is_empty() {
            return Err(Error::config("no .proto file was given"));
        }
        let includes = match includes {
            [] => vec![default_include(paths, &files)],
            given => given.to_vec(),
        };
        let files = files.into_iter().map(|path| SourceFile::locate(path, &includes)).collect::<Result<_, _>>()?;
        Ok(Self { files, includes, protoc })
    }

    /// The path on disk of an imported `name`.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        self.includes.iter().map(|include| include.join(name)).find(|path| path.is_file())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }
}

impl SourceFile {
    fn locate(path: PathBuf, includes: &[PathBuf]) -> Result<Self, Error> {
        if let Some(name) = builtin_name(&path) {
            return Ok(Self { name: name.to_owned(), path });
        }
        let (include, name) = includes
            .iter()
            .find_map(|include| name_below(&path, include).map(|name| (include, name)))
            .ok_or_else(|| outside(&path, includes))?;
        // An earlier include directory would answer an import of the same name with another file.
        let shadow = includes.iter().take_while(|other| *other != include).map(|other| other.join(&name));
        match shadow.into_iter().find(|other| other.is_file()) {
            Some(other) => Err(Error::config(format!(
                "{} is hidden behind {}: both are `{name}`, and the include directory of the latter comes first",
                path.display(),
                other.display()
            ))),
            None => Ok(Self { path, name }),
        }
    }
}

/// `path`, or what it names below an include directory, as `protoc` takes its arguments, too.
fn existing(path: &Path, includes: &[PathBuf]) -> PathBuf {
    let below = || includes.iter().map(|include| include.join(path)).find(|path| path.exists());
    if path.exists() { path.to_owned() } else { below().unwrap_or_else(|| path.to_owned()) }
}

/// The name of a built-in file, if `path` is one, and nothing on disk.
fn builtin_name(path: &Path) -> Option<&str> {
    path.to_str().filter(|name| builtin::text(name).is_some() && !path.exists())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    if builtin_name(path).is_some() {
        files.push(path.to_owned());
        return Ok(());
    }
    let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if !metadata.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut below: Vec<PathBuf> =
        entries.map_err(|error| Error::io("list", path, error))?.into_iter().map(|entry| entry.path()).collect();
    below.sort();
    for path in below {
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "proto") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// The directory that a sole directory names, or the one that all files have in common.
fn default_include(paths: &[PathBuf], files: &[PathBuf]) -> PathBuf {
    if let [only] = paths
        && only.is_dir()
    {
        return only.clone();
    }
    let mut shared: Option<PathBuf> = None;
    let on_disk = files.iter().filter(|file| builtin_name(file).is_none());
    for parent in on_disk.map(|file| file.parent().unwrap_or(Path::new(""))) {
        shared = Some(shared.map_or_else(|| parent.to_owned(), |shared| shared_start(&shared, parent)));
    }
    shared.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from("."))
}

fn shared_start(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

fn name_below(path: &Path, include: &Path) -> Option<String> {
    let plain = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    let (plain_path, plain_include) = (plain(path), plain(include));
    match plain_path.strip_prefix(&plain_include) {
        Ok(below) => proto_name(below),
        // The same file by other words: `../x/proto/a.proto` below `proto`.
        Err(_) => {
            let (path, include) = (path.canonicalize().ok()?, include.canonicalize().ok()?);
            proto_name(path.strip_prefix(include).ok()?)
        }
    }
}

/// A path as descriptors spell it: forward slashes on every platform.
fn proto_name(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("/"))
}

fn outside(path: &Path, includes: &[PathBuf]) -> Error {
    let includes: Vec<String> = includes.iter().map(|include| include.display().to_string()).collect();
    Error::new(
        ErrorKind::Config,
        format!(
            "{} is in none of the include directories ({}); add the directory that its imports are relative to with \
             `.includes([..])`",
            path.display(),
            includes.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_below_the_include_directory() {
        assert_eq!(name_below(Path::new("./proto/a/b.proto"), Path::new("proto")), Some("a/b.proto".into()));
        assert_eq!(name_below(Path::new("proto/a.proto"), Path::new(".")), Some("proto/a.proto".into()));
        assert_eq!(name_below(Path::new("other/a.proto"), Path::new("proto")), None);
    }

    #[test]
    fn without_includes_the_directory_of_all_files_counts() {
        let include = |files: &[&str]| {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            default_include(&files, &files)
        };
        assert_eq!(include(&["proto/greeter.proto"]), Path::new("proto"));
        assert_eq!(include(&["proto/a/x.proto", "proto/b/y.proto"]), Path::new("proto"));
        assert_eq!(include(&["a.proto"]), Path::new("."));
    }
}
