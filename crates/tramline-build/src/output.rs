//! Writing generated files, or checking that what is there is what would be written.

use std::{fs, io, path::Path};

use crate::{
    error::{Error, ErrorKind},
    generate::GeneratedFile,
};

/// Writes `files` into `directory`; a file that is right already keeps its time of change, so that nothing that
/// depends on it is built again.
pub(crate) fn write(directory: &Path, files: &[GeneratedFile]) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, error))?;
    for file in files {
        write_if_changed(&directory.join(&file.name), file.text.as_bytes())?;
    }
    Ok(())
}

/// Writes one file, if it is not there with this content.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(|error| Error::io("write", path, error))
}

/// Compares `files` with what `directory` holds.
pub(crate) fn check(directory: &Path, files: &[GeneratedFile]) -> Result<(), Error> {
    let mut stale = Vec::new();
    for file in files {
        let path = directory.join(&file.name);
        match fs::read_to_string(&path) {
            // Git may have put the line ends of its platform there.
            Ok(present) => stale.extend(difference(&path, &present.replace("\r\n", "\n"), &file.text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                stale.push(format!("{} is missing", path.display()))
            }
            Err(error) => return Err(Error::io("read", &path, error)),
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Stale,
        format!(
            "error: checked-in code is not what the schema generates\n{}\n = help: generate it again, without the check",
            stale.join("\n")
        ),
    ))
}

/// The first line in which the two texts differ.
fn difference(path: &Path, present: &str, wanted: &str) -> Option<String> {
    if present == wanted {
        return None;
    }
    let same = present.lines().zip(wanted.lines()).take_while(|(present, wanted)| present == wanted).count();
    let line = |text: &str| text.lines().nth(same).map_or_else(|| "(the end)".to_owned(), shortened);
    Some(format!(" --> {}:{}\n  - {}\n  + {}", path.display(), same + 1, line(present), line(wanted)))
}

/// A line short enough for a message: a descriptor set is one line of many thousand characters.
fn shortened(line: &str) -> String {
    const LEN_MAX: usize = 120;
    match line.char_indices().nth(LEN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_line() {
        let path = Path::new("a.rs");
        assert_eq!(difference(path, "x\ny\n", "x\ny\n"), None);
        assert_eq!(difference(path, "x\ny\n", "x\nz\n").unwrap(), " --> a.rs:2\n  - y\n  + z");
        assert_eq!(difference(path, "x\n", "x\nz\n").unwrap(), " --> a.rs:2\n  - (the end)\n  + z");
    }
}
