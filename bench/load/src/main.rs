//! A load client for gRPC servers, on one thread.
//!
//! Closed loop: `--connections C --streams S` keeps C × S calls in flight. Open loop:
//! `--rate R` starts R calls a second, and a call's latency counts from the moment at which
//! it was due, so a server that stalls cannot hide the calls that had to wait.
//!
//! Every octet of every reply is compared with what it must be, and every grpc-status with 0:
//! a wrong reply ends the run with an error. Figures go to standard output as one line of JSON.

mod classify;
mod connection;
mod generator;
mod idle;
mod options;
mod script;
mod tally;

use options::{Idle, Options};

fn main() -> anyhow::Result<()> {
    let options = Options::from_args()?;
    raise_file_limit();
    let figures = match options.idle {
        Some(Idle::Connections(count)) => idle::connections(&options, count)?,
        Some(Idle::Streams(count)) => idle::streams(&options, count)?,
        None => generator::run(&options)?,
    };
    println!("{figures}");
    Ok(())
}

/// Thousands of idle connections want as many files.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it, a run with few connections still works.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
