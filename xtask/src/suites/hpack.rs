//! HPACK stories by Python's hpack and by nghttp2, read by our decoder, and ours read by
//! theirs.

use std::fs;
use std::time::Duration;

use crate::process::Command;
use crate::report::Counts;
use crate::workspace::Workspace;

const TIMEOUT: Duration = Duration::from_secs(600);
/// Where our test looks for stories.
const VARIABLE: &str = "TRAMLINE_HPACK_STORIES";

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let stories = workspace.suites().join("hpack-stories");
    fs::create_dir_all(&stories).map_err(|error| format!("{}: {error}", stories.display()))?;
    let python = |script: &str| {
        let program = Command::new(workspace.suites().join("python/bin/python"));
        let program = program.argument(workspace.interop("hpack").join(script)).argument(&stories);
        program.variable("PYTHONDONTWRITEBYTECODE", "1").timeout(TIMEOUT)
    };
    let mut counts = Counts::default();
    python("generate.py").succeed(&workspace.log("hpack-generate"))?;
    let test = workspace.cargo(&["test", "-p", "tramline-h2", "--test", "it", "hpack_stories", "--", "--nocapture"]);
    let test = test.variable(VARIABLE, &stories).timeout(TIMEOUT).succeed(&workspace.log("hpack-test"));
    counts.add("their stories by our decoder", test.map(drop));
    let verified = python("verify.py").succeed(&workspace.log("hpack-verify"));
    counts.add("our stories by their decoders", verified.map(drop));
    for encoder in ["hpack", "nghttp2"] {
        counts.add(&format!("stories by {encoder}"), has_stories(&stories, encoder));
    }
    Ok(counts)
}

/// An encoder that is not there would write nothing, and nothing cannot fail.
fn has_stories(folder: &std::path::Path, encoder: &str) -> Result<(), String> {
    let names = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_there = names.any(|name| name.contains(encoder) && name.ends_with(".story"));
    if is_there { Ok(()) } else { Err("no such stories were written".to_owned()) }
}
