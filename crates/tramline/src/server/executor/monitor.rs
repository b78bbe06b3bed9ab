//! The thread that finds runners whose thread is blocked.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::shard::{Look, Shard};

/// How often the monitor looks. A runner that has not moved between two looks is stuck.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Starts a thread that watches `shards` until they have ended.
pub(super) fn start(shards: Vec<Arc<Shard>>) -> io::Result<()> {
    let thread = thread::Builder::new().name("tramline-monitor".to_owned());
    thread.spawn(move || watch(shards)).map(drop)
}

fn watch(mut shards: Vec<Arc<Shard>>) {
    loop {
        let mut has_active = false;
        shards.retain(|shard| {
            let look = shard.look();
            has_active |= matches!(look, Look::Active);
            !matches!(look, Look::Ended)
        });
        match has_active {
            true => thread::sleep(LOOK_INTERVAL),
            false if shards.is_empty() => return,
            false => thread::park(),
        }
    }
}
