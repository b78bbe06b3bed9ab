//! The thread that finds runners whose thread is blocked.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::shard::{Look, Shard};

/// How often the monitor looks. A runner that has not moved between two looks is stuck.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// It rests after so many looks that found nobody active. Who becomes active then must wake it, which
/// costs a call two switches of threads: less often than at each pause in the traffic.
const IDLE_LOOK_COUNT_MAX: u32 = 20;

/// Starts a thread that watches `shards` until they have ended.
pub(super) fn start(shards: Vec<Arc<Shard>>) -> io::Result<()> {
    let thread = thread::Builder::new().name("tramline-monitor".to_owned());
    thread.spawn(move || watch(shards)).map(drop)
}

fn watch(mut shards: Vec<Arc<Shard>>) {
    let mut idle_look_count = 0;
    loop {
        let may_rest = idle_look_count >= IDLE_LOOK_COUNT_MAX;
        let mut has_active = false;
        shards.retain(|shard| {
            let look = shard.look(may_rest);
            has_active |= matches!(look, Look::Active);
            !matches!(look, Look::Ended)
        });
        idle_look_count = if has_active { 0 } else { idle_look_count + 1 };
        match shards.is_empty() {
            true => return,
            false if may_rest && !has_active => thread::park(),
            false => thread::sleep(LOOK_INTERVAL),
        }
    }
}
