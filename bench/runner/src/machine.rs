//! The machine that figures hold for.

use std::fs;
use std::process::Command;

/// Date, processor, kernel and compiler, one line each.
pub(crate) fn describe() -> Vec<String> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = info.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("unknown processor", |line| line.trim_start_matches([' ', '\t', ':']));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let guest = if info.contains(" hypervisor") { ", virtual machine" } else { "" };
    vec![
        printed("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        format!("{} × {model}{guest}, {} GiB", models.len(), memory_kib / (1024 * 1024)),
        format!("Linux {}", kernel.trim()),
        printed("rustc", &["--version"]),
    ]
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| format!("{program}: not there"), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}
