//! The project's automation: `cargo xtask`.

mod process;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  tidy              the house rules that no compiler checks
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["tidy"] => run_tidy(&root()),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_tidy(root: &Path) -> Result<ExitCode, String> {
    let outcome = tidy::run(root)?;
    println!("tidy: {} files, {} findings", outcome.file_count, outcome.finding_count);
    Ok(if outcome.finding_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The repository's root: the folder above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
