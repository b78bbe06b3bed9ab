//! The benchmark's services on Tramline, with default settings.
//!
//! `--mode frozen` lets time stand still: under valgrind everything is slow, and Tramline
//! would take every handler for a slow one.

mod guard;
mod proto;
mod service;

use std::time::Duration;

use rig::{ServerOptions, identity};
use tramline::server::Runtime;
use tramline::{Clock, ServerTls, Sleep, TimeSource, TlsIdentity};

struct Frozen;

impl TimeSource for Frozen {
    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn sleep_until(&self, _at: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::from_args()?;
    let mut builder = service::builder();
    if options.mode == "frozen" {
        builder = builder.clock(Clock::custom(Frozen));
    }
    if options.has_interceptor {
        builder = builder.interceptor(guard::Guard);
    }
    if options.is_per_core {
        builder = builder.runtime(Runtime::PerCore { threads: options.threads });
    }
    if options.is_tls {
        let (cert, key) = identity::self_signed()?;
        builder = builder.tls(ServerTls::new(TlsIdentity::from_pem(cert, key)?)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
    runtime.block_on(builder.serve(&options.addr.to_string()))?;
    Ok(())
}
