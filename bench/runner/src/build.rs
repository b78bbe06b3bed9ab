//! Makes the binaries of the contestants that take part.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cells::Tool;
use crate::contestants::Build;
use crate::options::{Options, workspace_dir};

pub(crate) fn build(options: &Options) -> anyhow::Result<()> {
    let mut packages = Vec::new();
    if options.cells.iter().any(|cell| cell.tool == Tool::Load) || options.has_memory || options.has_latency {
        packages.push("load");
    }
    for contestant in &options.contestants {
        match contestant.build {
            Build::Cargo(package) if !packages.contains(&package) => packages.push(package),
            Build::Cargo(_) => {}
            Build::Go => go()?,
            Build::Maven => maven()?,
        }
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_dir()).args(["build", "--release"]);
    for package in packages {
        command.args(["-p", package]);
    }
    run(command)
}

fn go() -> anyhow::Result<()> {
    for (program, package) in [("bench-go-server", "."), ("bench-go-client", "./client")] {
        let mut command = Command::new("go");
        command.current_dir(workspace_dir().join("go")).args(["build", "-o", &format!("../target/{program}"), package]);
        run(command)?;
    }
    Ok(())
}

fn maven() -> anyhow::Result<()> {
    let java = workspace_dir().join("java");
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let code = java.join("src/main/java/bench");
    let sources = ["Arguments.java", "BenchServer.java", "BenchClient.java"].map(|name| code.join(name));
    let is_made = modified(&java.join("target/bench-server.jar")).is_ok_and(|made| {
        let is_older = |source: &Path| modified(source).is_ok_and(|changed| changed < made);
        is_older(&java.join("pom.xml")) && sources.iter().all(|source| is_older(source))
    });
    if is_made {
        return Ok(());
    }
    let mut command = Command::new("mvn");
    command.current_dir(java).args(["-q", "-B", "package"]);
    run(command)
}

fn run(mut command: Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
