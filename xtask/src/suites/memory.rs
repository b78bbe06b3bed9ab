//! Ten thousand calls at once, and the server's heap afterwards.

use std::time::Duration;

use crate::process::Command;
use crate::report::Counts;
use crate::workspace::Workspace;

const TIMEOUT: Duration = Duration::from_secs(300);

pub(super) fn run(workspace: &Workspace) -> Result<Counts, String> {
    let output = Command::new(workspace.ours("memory")).timeout(TIMEOUT).succeed(&workspace.log("memory"))?;
    let rounds = output.lines().filter(|line| line.starts_with("round "));
    rounds.clone().for_each(|line| println!("   {line}"));
    Ok(Counts::passed(rounds.count()))
}
