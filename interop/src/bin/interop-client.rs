//! The official interop client: `interop-client --server_port N --test_case CASE`, with
//! status 0 for a pass.

use std::process::ExitCode;

use interop::cases::{self, Session};
use interop::flags::Flags;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let flags = Flags::of_process()?;
    let case = flags.get("test_case").unwrap_or("large_unary").to_owned();
    let session = Session::new(flags)?;
    cases::run(&case, &session).await.map_err(|failure| failure.to_string())
}
