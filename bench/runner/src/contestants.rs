//! Who takes part, and how each is started.

use std::path::PathBuf;

use crate::options::workspace_dir;

/// How a contestant's binary is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Build {
    /// A package of this workspace.
    Cargo(&'static str),
    Go,
    Maven,
}

/// What of the schema a contestant can serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    All,
    /// No streaming, and request messages within one DATA frame.
    SmallUnary,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// Its settings, in words, for the report.
    pub(crate) settings: &'static str,
    pub(crate) build: Build,
    /// The server, under the folder of built binaries.
    binary: &'static str,
    arguments: &'static [&'static str],
    pub(crate) scope: Scope,
    pub(crate) has_tls: bool,
    pub(crate) is_quick: bool,
    /// Whether it has an interceptor, and each call metadata and a deadline, while others have none.
    pub(crate) is_laden: bool,
    /// Whether `--mode` must tell it what to answer.
    pub(crate) needs_mode: bool,
}

/// Ours, and ours with an interceptor, metadata and a deadline on each call.
pub(crate) const OURS: &str = "tramline";
pub(crate) const LADEN: &str = "tramline-laden";
/// The contestant that others are compared with.
pub(crate) const REFERENCE: &str = "tonic";
/// The contestant below which no server can be.
pub(crate) const FLOOR: &str = "null";

const fn rust(
    name: &'static str,
    settings: &'static str,
    package: &'static str,
    binary: &'static str,
    arguments: &'static [&'static str],
) -> Contestant {
    Contestant {
        name,
        settings,
        build: Build::Cargo(package),
        binary,
        arguments,
        scope: Scope::All,
        has_tls: false,
        is_quick: false,
        is_laden: false,
        needs_mode: false,
    }
}

pub(crate) fn all() -> Vec<Contestant> {
    let shared: &[&str] = &["--runtime", "shared"];
    let per_core: &[&str] = &["--runtime", "percore"];
    let laden: &[&str] = &["--runtime", "shared", "--interceptor"];
    let tuned: &[&str] = &["--tuned"];
    let quick = |contestant: Contestant| Contestant { is_quick: true, ..contestant };
    let tls = |contestant: Contestant| Contestant { has_tls: true, ..contestant };
    vec![
        quick(tls(rust(OURS, "default, shared runtime", "server", "tramline-server", shared))),
        tls(rust("tramline-percore", "default, a runtime per core", "server", "tramline-server", per_core)),
        Contestant {
            is_laden: true,
            ..rust(
                LADEN,
                "with an interceptor; three metadata entries and a deadline on each call",
                "server",
                "tramline-server",
                laden,
            )
        },
        quick(tls(rust("tonic", "default, multi-threaded runtime", "rival-tonic", "tonic-server", &[]))),
        tls(rust("tonic-tuned", "current-thread runtimes, 4 MiB windows", "rival-tonic", "tonic-server", tuned)),
        rust("connectrpc", "default, multi-threaded runtime", "rival-connectrpc", "connectrpc-server", &[]),
        rust(
            "connectrpc-tuned",
            "current-thread runtimes, fixed windows, no compression",
            "rival-connectrpc",
            "connectrpc-server",
            tuned,
        ),
        rust("volo", "default, multi-threaded runtime", "rival-volo", "volo-server", &[]),
        rust("volo-tuned", "current-thread runtimes, 4 MiB windows", "rival-volo", "volo-server", tuned),
        Contestant {
            scope: Scope::SmallUnary,
            ..rust("pajamax", "a thread per connection", "rival-pajamax", "pajamax-server", &[])
        },
        grpc_go("grpc-go", "default", &[]),
        grpc_go("grpc-go-tuned", "stream workers, larger buffers and windows, GC at 400 %", tuned),
        grpc_java("grpc-java", "default, handlers on a pool", &[]),
        grpc_java("grpc-java-tuned", "handlers on the event loop, 4 MiB windows", tuned),
        Contestant {
            needs_mode: true,
            ..quick(rust("null", "canned octets: the floor", "rival-null", "null-server", &[]))
        },
    ]
}

const fn grpc_go(name: &'static str, settings: &'static str, arguments: &'static [&'static str]) -> Contestant {
    Contestant { build: Build::Go, ..rust(name, settings, "", "bench-go-server", arguments) }
}

const fn grpc_java(name: &'static str, settings: &'static str, arguments: &'static [&'static str]) -> Contestant {
    Contestant { build: Build::Maven, ..rust(name, settings, "", "bench-server.jar", arguments) }
}

impl Build {
    /// Where a program that is made so is, or will be.
    pub(crate) fn path(self, program: &str) -> PathBuf {
        match self {
            Build::Cargo(_) => binary_dir().join(program),
            Build::Go => workspace_dir().join("target").join(program),
            Build::Maven => workspace_dir().join("java/target").join(program),
        }
    }
}

impl Contestant {
    /// Where its binary is, or will be.
    pub(crate) fn path(&self) -> PathBuf {
        self.build.path(self.binary)
    }

    pub(crate) fn is_built(&self) -> bool {
        self.path().exists()
    }

    /// The command that starts it, without address and threads.
    pub(crate) fn command(&self) -> Vec<String> {
        let path = self.path().display().to_string();
        let mut command = match self.build {
            Build::Maven => {
                let heap = ["java", "-Xms512m", "-Xmx2g", "-jar"];
                heap.iter().map(ToString::to_string).chain([path]).collect()
            }
            _ => vec![path],
        };
        command.extend(self.arguments.iter().map(ToString::to_string));
        command
    }
}

/// The folder in which this program was built, and the other Rust programs beside it.
pub(crate) fn binary_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().map(PathBuf::from).unwrap_or_default()
}
