//! `tram`: one command-line tool for everything people do with gRPC by hand.

mod address;
mod command;
mod connect;
mod demo;
mod diagnosis;
mod dynamic;
mod failure;
mod flags;
mod input_error;
mod insecure;
mod output;
mod proto_text;
mod source;
mod suggest;
mod text_format;

use std::process::ExitCode;

use failure::Failure;
use flags::{Invocation, UsageError};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What a call failed with has been shown with its details.
            if !matches!(failure, Failure::Call(_) | Failure::Interrupted) {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run() -> Result<(), Failure> {
    match flags::parse(arguments()?)? {
        Invocation::Help { command: None, .. } => output::print(&flags::overview()),
        Invocation::Help { command: Some(command), is_long: true } => output::print(&flags::long_help(command)),
        Invocation::Help { command: Some(command), is_long: false } => output::print(&flags::short_help(command)),
        Invocation::Version => output::print(concat!("tram ", env!("CARGO_PKG_VERSION"), "\n")),
        Invocation::Run { command, options, operands } => {
            let runtime = tokio::runtime::Runtime::new()
                .map_err(|error| Failure::new(format!("the runtime cannot be started: {error}")))?;
            let result = runtime.block_on(command::run(command, *options, operands));
            // A thread may still wait for standard input.
            runtime.shutdown_background();
            result
        }
    }
}

fn arguments() -> Result<Vec<String>, UsageError> {
    std::env::args_os()
        .skip(1)
        .map(|argument| {
            argument
                .into_string()
                .map_err(|argument| UsageError::new(format!("{} is not UTF-8", argument.to_string_lossy())))
        })
        .collect()
}
