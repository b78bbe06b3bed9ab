//! Programs and servers that tests talk to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long any one command may take.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Outcome {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }
}

impl Outcome {
    /// What a command that succeeded printed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.stdout
    }

    /// What a command that failed so said.
    #[track_caller]
    pub(crate) fn failure(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.stderr
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tram"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `tram` with these arguments, running.
pub(crate) fn start(arguments: &[&str]) -> Child {
    program().args(arguments).spawn().expect("starts")
}

/// Runs `tram` with these arguments.
pub(crate) fn tram(arguments: &[&str]) -> Outcome {
    wait(start(arguments))
}

/// Runs `tram` with something on its standard input.
pub(crate) fn tram_with_input(arguments: &[&str], input: &str) -> Outcome {
    let mut child = program().args(arguments).stdin(Stdio::piped()).spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("is piped");
    stdin.write_all(input.as_bytes()).expect("is read");
    drop(stdin);
    wait(child)
}

fn wait(mut child: Child) -> Outcome {
    let until = Instant::now() + TIME_MAX;
    while child.try_wait().expect("is ours").is_none() {
        if Instant::now() > until {
            child.kill().expect("is ours");
            let outcome = Outcome::from(child.wait_with_output().expect("is ours"));
            panic!("it did not end: {outcome:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("is ours").into()
}

/// A demo server in a process of its own, for as long as this value lives.
pub(crate) struct Demo {
    child: Child,
    pub(crate) address: String,
    pub(crate) stdout: BufReader<std::process::ChildStdout>,
}

impl Demo {
    /// Ready when the server has greeted itself.
    pub(crate) fn start() -> Demo {
        let mut child = program().args(["demo", "--addr", "127.0.0.1:0"]).spawn().expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
        let mut serving = String::new();
        stdout.read_line(&mut serving).expect("prints");
        let address = serving.trim_end().rsplit(' ').next().unwrap_or_default().to_owned();
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).expect("prints");
        assert_eq!(greeting, "Greeter client received: Hello, Alice!\n", "after {serving}");
        Demo { child, address, stdout }
    }

    /// The process, to be sent signals.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + TIME_MAX;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// `tram call` to this server.
    pub(crate) fn call(&self, arguments: &[&str]) -> Outcome {
        tram(&[&["call", &self.address], arguments].concat())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
