//! The client under test of connectrpc's conformance suite: it makes the calls that come
//! on standard input and tells how they went on standard output.

use std::process::ExitCode;
use std::sync::Arc;

use interop::conformance::{client, wire};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

/// Calls that are made at once.
const CALLS_MAX: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let mut input = tokio::io::stdin();
    let output = Arc::new(Mutex::new(tokio::io::stdout()));
    let permits = Arc::new(Semaphore::new(CALLS_MAX));
    let mut calls = JoinSet::new();
    while let Some(request) = wire::read(&mut input).await? {
        let permit = permits.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        let output = output.clone();
        calls.spawn(async move {
            let response = client::answer(request).await;
            drop(permit);
            wire::write(&mut *output.lock().await, &response).await
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok(())
}
