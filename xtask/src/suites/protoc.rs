//! What `tramline-build` does with the official compiler, which Python's grpcio-tools
//! brings along: editions, the plugin, complaints.

use std::time::Duration;

use crate::process::Command;
use crate::report::Counts;
use crate::workspace::Workspace;

const TIMEOUT: Duration = Duration::from_secs(600);
/// What each test says that found no compiler.
const SKIPPED: &str = "skipped: no protoc";

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let protoc = workspace.foreign("protoc");
    let version = Command::new(&protoc).argument("--version").timeout(TIMEOUT).output()?;
    println!("   {}", version.trim());
    let arguments = ["test", "-p", "tramline-build", "--test", "it", "compilers", "--", "--nocapture"];
    let test = workspace.cargo(&arguments).variable("PROTOC", &protoc).timeout(TIMEOUT);
    counts(&test.succeed(&workspace.log("protoc"))?)
}

fn counts(output: &str) -> Result<Counts, String> {
    if output.contains(SKIPPED) {
        return Err("the tests did not take the compiler that they were given".to_owned());
    }
    let passed = output.lines().filter(|line| line.starts_with("test ") && line.ends_with("ok")).count();
    if passed == 0 { Err("no test was run".to_owned()) } else { Ok(Counts::passed(passed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_did_nothing_is_a_failure() {
        assert!(counts("test a ... ok\n").is_ok());
        assert!(counts("test a ... skipped: no protoc 27 or newer; set PROTOC\nok\n").is_err());
        assert!(counts("running 0 tests\n").is_err());
    }
}
