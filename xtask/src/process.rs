//! Running other programs: to the end with their output kept, or beside us until
//! they are no longer needed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A program about to be run.
pub(crate) struct Command {
    command: process::Command,
    shown: String,
    timeout: Duration,
}

/// How a program ended, with all that it printed.
pub(crate) struct Ended {
    /// Status 0, in time.
    pub(crate) is_success: bool,
    /// Standard output and standard error, as they came.
    pub(crate) output: String,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Command {
        let mut command = process::Command::new(program.as_ref());
        command.stdin(Stdio::null());
        Command { command, shown: program.as_ref().to_string_lossy().into_owned(), timeout: Duration::from_secs(1800) }
    }

    /// The cargo that runs us.
    pub(crate) fn cargo(arguments: &[&str]) -> Command {
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))).arguments(arguments)
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Command {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    pub(crate) fn arguments<A: AsRef<OsStr>>(self, arguments: &[A]) -> Command {
        arguments.iter().fold(self, |command, argument| command.argument(argument))
    }

    pub(crate) fn in_folder(mut self, folder: &Path) -> Command {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Command {
        self.command.env(name, value);
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Command {
        self.timeout = timeout;
        self
    }

    /// Runs to the end and returns standard output; a failure is an error with what
    /// was printed.
    pub(crate) fn output(mut self) -> Result<String, String> {
        let output = self.command.output().map_err(|error| format!("{}: {error}", self.shown))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{}: {}\n{}", self.shown, output.status, String::from_utf8_lossy(&output.stderr)))
    }

    /// Runs to the end, or to the timeout, with everything that it prints in `log`.
    pub(crate) fn run(mut self, log: &Path) -> Result<Ended, String> {
        let timeout = self.timeout;
        let shown = self.shown.clone();
        let mut running = self.start(log)?;
        let begin = Instant::now();
        let status = loop {
            match running.child.try_wait().map_err(|error| format!("{shown}: {error}"))? {
                Some(status) => break Some(status),
                None if begin.elapsed() >= timeout => break None,
                None => thread::sleep(POLL_INTERVAL),
            }
        };
        drop(running);
        let mut output = read_lossy(log);
        if status.is_none() {
            output.push_str(&format!("\n(stopped: not done after {} s)\n", timeout.as_secs()));
        }
        Ok(Ended { is_success: status.is_some_and(|status| status.success()), output })
    }

    /// As [`Command::run`], where anything but success is an error.
    pub(crate) fn succeed(self, log: &Path) -> Result<String, String> {
        let shown = self.shown.clone();
        let ended = self.run(log)?;
        if ended.is_success {
            return Ok(ended.output);
        }
        Err(format!("{shown} failed:\n{}", tail(&ended.output, 40)))
    }

    /// Starts a program that goes on until the value is dropped.
    pub(crate) fn start(&mut self, log: &Path) -> Result<Running, String> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let copy = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let command = self.command.stdout(Stdio::from(file)).stderr(Stdio::from(copy));
        let child = command.spawn().map_err(|error| format!("{}: {error}", self.shown))?;
        Ok(Running { child, shown: self.shown.clone(), log: log.to_owned() })
    }
}

/// A program that runs beside us and ends with this value.
pub(crate) struct Running {
    child: Child,
    shown: String,
    log: PathBuf,
}

impl Running {
    /// Waits until the program accepts connections.
    pub(crate) fn wait_for_port(&mut self, port: u16, timeout: Duration) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            if is_open(port) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended ({status}):\n{}", self.shown, tail(&read_lossy(&self.log), 20)));
            }
            if begin.elapsed() > timeout {
                return Err(format!("{} does not listen on {port} after {} s", self.shown, timeout.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_open(port: u16) -> bool {
    let loopback: [SocketAddr; 2] = [([127, 0, 0, 1], port).into(), (std::net::Ipv6Addr::LOCALHOST, port).into()];
    loopback.iter().any(|address| TcpStream::connect_timeout(address, Duration::from_millis(200)).is_ok())
}

/// Whether a program can be found on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, line_count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(line_count)..].join("\n")
}

/// The lines of a failed program's output that say why, or else its last ones.
pub(crate) fn cause(output: &str) -> String {
    const WORDS: &[&str] = &["Error", "error:", "Exception", "FATAL", "panicked", "failed"];
    let says_why = |line: &&str| WORDS.iter().any(|word| line.contains(word));
    let lines: Vec<&str> = output.lines().filter(says_why).take(3).map(str::trim).collect();
    if lines.is_empty() { tail(output, 6) } else { lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_among_stack_traces() {
        assert_eq!(cause("start\nFooError: no gzip\n    at a\n    at b\n"), "FooError: no gzip");
        assert_eq!(cause("a\nb"), "a\nb");
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let log = std::env::temp_dir().join(format!("xtask-hang-{}", process::id()));
        let ended = Command::new("sleep").argument("30").timeout(Duration::from_millis(50)).run(&log).expect("starts");
        assert!(!ended.is_success);
        assert!(ended.output.contains("stopped"));
        let _ = fs::remove_file(log);
    }

    #[test]
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
