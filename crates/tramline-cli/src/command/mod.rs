//! What each command does.

mod call;
mod demo;
mod describe;
mod input;
mod ls;
mod report;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tramline::{Channel, Metadata};

use crate::address::Address;
use crate::connect::connect;
use crate::failure::Failure;
use crate::flags::{Command, Options, UsageError};
use crate::source::Source;

/// How long Ctrl-C takes at most.
const INTERRUPT_TIME_MAX: Duration = Duration::from_millis(500);

/// Runs a command to its end.
pub(crate) async fn run(command: Command, options: Options, operands: Vec<String>) -> Result<(), Failure> {
    match command {
        Command::Demo => demo::run(&options, &operands).await,
        Command::Call => until_interrupted(call::run(&options, &operands)).await,
        Command::Ls => until_interrupted(ls::run(&options, &operands)).await,
        Command::Describe => until_interrupted(describe::run(&options, &operands)).await,
    }
}

/// Ctrl-C cancels what the command has in flight, and waits until servers have been told.
async fn until_interrupted(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    {
        tokio::pin!(command);
        tokio::select! {
            outcome = &mut command => return outcome,
            interrupt = tokio::signal::ctrl_c() => interrupt
                .map_err(|error| Failure::new(format!("signals cannot be waited for: {error}")))?,
        }
    }
    // The connections end behind the calls that were dropped with the command.
    let tasks = tokio::runtime::Handle::current().metrics();
    let ended = async {
        while tasks.num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // A server that does not read is not waited for.
    let _ = tokio::time::timeout(INTERRUPT_TIME_MAX, ended).await;
    Err(Failure::Interrupted)
}

/// A server, and where to learn its schema.
struct Session {
    channel: Channel,
    metadata: Metadata,
    source: Source,
}

impl Session {
    async fn open(options: &Options, address: &Address) -> Result<Session, Failure> {
        let metadata = metadata(&options.headers)?;
        let channel = connect(options, address).await?;
        let source = Source::new(options, &channel, &metadata)?;
        Ok(Session { channel, metadata, source })
    }
}

/// The address that every client command begins with, and the operands behind it.
fn address(command: Command, operands: &[String]) -> Result<(Address, &[String]), Failure> {
    let Some((address, rest)) = operands.split_first() else {
        return Err(missing(command, "an address").into());
    };
    Ok((Address::parse(address)?, rest))
}

fn missing(command: Command, what: &str) -> UsageError {
    UsageError::new(format!("tram {} needs {what}", command.name())).with_hint(command.usage())
}

/// What `-H` said, as metadata.
fn metadata(headers: &[(String, String)]) -> Result<Metadata, Failure> {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let appended = if name.ends_with("-bin") {
            let decoded = STANDARD.decode(value).or_else(|_| STANDARD_NO_PAD.decode(value));
            let octets = decoded.map_err(|_| {
                UsageError::new(format!("-H '{name}: {value}': the value is no base64"))
                    .with_hint("the value of a name that ends in -bin is octets, in base64")
            })?;
            metadata.append_bin(name, &octets)
        } else {
            metadata.append(name, value)
        };
        appended.map_err(|error| UsageError::new(format!("-H '{name}: {value}': {error}")))?;
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_metadata() {
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert_eq!(metadata(&header("x-a", "b")).expect("valid").get("x-a"), Some("b"));
        let binary = metadata(&header("x-bin", "AAE=")).expect("valid");
        assert_eq!(binary.get_bin("x-bin").as_deref(), Some(&[0, 1][..]));
        assert!(metadata(&header("x-bin", "!")).is_err_and(|error| error.to_string().contains("base64")));
        assert!(metadata(&header("te", "x")).is_err());
    }
}
