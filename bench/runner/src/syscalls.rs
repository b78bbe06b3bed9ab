//! System calls of the server for each operation, by a short run of its own under strace.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cells::{Cell, Tool};
use crate::server::Server;
use crate::{h2load, load};

/// Calls of the run: strace slows the server down many times.
const COUNT: u64 = 10_000;
const DURATION: Duration = Duration::from_millis(700);
/// Time for strace to attach to every thread.
const ATTACH: Duration = Duration::from_millis(300);

/// `None` if strace is not there or may not attach.
pub(crate) fn count(server: &Server, cell: &Cell) -> Option<f64> {
    let file = std::env::temp_dir().join(format!("bench-strace-{}", server.pid()));
    let strace = Command::new("strace")
        .args(["-c", "-f", "-qq", "-U", "calls,name", "-o"])
        .arg(&file)
        .args(["-p", &server.pid().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    std::thread::sleep(ATTACH);
    let operations = operate(server, cell);
    let table = end(strace).and_then(|()| Ok(fs::read_to_string(&file)?));
    // The table was read; a file that stays behind harms nobody.
    let _ = fs::remove_file(&file);
    Some(total(&table.ok()?)? / operations.ok()?)
}

fn operate(server: &Server, cell: &Cell) -> anyhow::Result<f64> {
    match cell.tool {
        Tool::H2load => {
            h2load::run(server, cell, COUNT)?;
            Ok(COUNT as f64)
        }
        Tool::Load => {
            let figures = load::figures(server, &load::arguments(cell, Duration::ZERO, DURATION))?;
            figures["operations"].as_f64().context("load printed no operations")
        }
    }
}

fn end(mut strace: Child) -> anyhow::Result<()> {
    kill(Pid::from_raw(i32::try_from(strace.id())?), Signal::SIGINT)?;
    strace.wait()?;
    Ok(())
}

/// The calls of the line `total`.
fn total(table: &str) -> Option<f64> {
    let line = table.lines().find(|line| line.split_ascii_whitespace().any(|word| word == "total"))?;
    line.split_ascii_whitespace().find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn total_of_a_table() {
        let table = "    calls syscall\n--------- ----------------\n      120 read\n       80 write\n--------- ----------------\n      200 total\n";
        assert_eq!(super::total(table), Some(200.0));
    }
}
