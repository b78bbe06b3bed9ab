//! Where things are.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::process::Command;

/// Ports that servers under test listen on: below the range that systems hand out
/// for outgoing connections, so that none is taken between the look and the use.
const PORTS: std::ops::Range<u16> = 21500..22000;

/// The repository and the folders that runs leave behind.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Whether programs of ours are built for development: sooner there, slower.
    pub(crate) is_dev: bool,
    next_port: AtomicU16,
}

impl Workspace {
    /// The repository that this program was built from.
    pub(crate) fn here() -> Workspace {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = folder.parent().unwrap_or(folder).to_owned();
        // Two runs at once start at different places.
        let spread = (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
        Workspace { root, is_dev: false, next_port: AtomicU16::new(PORTS.start + spread) }
    }

    /// What other people wrote, as installed here.
    pub(crate) fn suites(&self) -> PathBuf {
        self.target().join("suites")
    }

    /// A program of other people's.
    pub(crate) fn foreign(&self, name: &str) -> PathBuf {
        self.suites().join("bin").join(name)
    }

    /// A program of ours.
    pub(crate) fn ours(&self, name: &str) -> PathBuf {
        self.target().join(if self.is_dev { "debug" } else { "release" }).join(name)
    }

    /// The test certificates that all official interop programs share.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.suites().join("certificates")
    }

    /// Where the output of one program goes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.suites().join("logs").join(format!("{name}.log"))
    }

    /// A folder of the repository's foreign halves.
    pub(crate) fn interop(&self, name: &str) -> PathBuf {
        self.root.join("interop").join(name)
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        Command::cargo(arguments).in_folder(&self.root)
    }

    fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// A port on which nobody listens.
    pub(crate) fn free_port(&self) -> Result<u16, String> {
        for _ in PORTS {
            let port = self.next_port.fetch_add(1, Ordering::Relaxed);
            let port = PORTS.start + (port - PORTS.start) % (PORTS.end - PORTS.start);
            if is_free(port) {
                return Ok(port);
            }
        }
        Err(format!("no free port in {}..{}", PORTS.start, PORTS.end))
    }
}

/// Whether a server could listen on all of this machine's addresses.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_stay_in_range() {
        let workspace = Workspace::here();
        let ports: Vec<u16> = (0..3).filter_map(|_| workspace.free_port().ok()).collect();
        assert!(ports.iter().all(|port| PORTS.contains(port)));
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
