//! Bringing other people's programs: each toolchain's own client, pinned by files of
//! the repository, kept under `target/suites` so that a second run has them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::process::{Command, is_installed};
use crate::workspace::Workspace;

/// Something that suites need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    /// grpc-go's interop client and server.
    GoInterop,
    /// The conformance runner.
    Conformance,
    /// h2spec, grpcurl, grpc-health-probe.
    GoTools,
    /// grpc-java's interop client and server.
    JavaInterop,
    /// grpcio and hpack in an environment of their own, and the protoc in grpcio-tools.
    Python,
    /// grpc-js.
    Node,
    /// The library whose HPACK encoder others use.
    Nghttp2,
    /// The official test certificates.
    Certificates,
    /// valgrind, and the runner of the instruction counts.
    Callgrind,
}

impl Tool {
    /// All of them; the longest first.
    pub(crate) const ALL: &[Tool] = &[
        Tool::GoInterop,
        Tool::JavaInterop,
        Tool::Certificates,
        Tool::Python,
        Tool::Callgrind,
        Tool::Nghttp2,
        Tool::Node,
        Tool::Conformance,
        Tool::GoTools,
    ];

    fn install(self, workspace: &Workspace) -> Result<(), String> {
        match self {
            Tool::GoInterop => go(workspace, "grpc", GO_INTEROP),
            Tool::Conformance => go(workspace, "conformance", CONFORMANCE),
            Tool::GoTools => go(workspace, "tools", GO_TOOLS),
            Tool::JavaInterop => java(workspace),
            Tool::Python => python(workspace),
            Tool::Node => node(workspace),
            Tool::Nghttp2 => nghttp2(workspace),
            Tool::Certificates => certificates(workspace),
            Tool::Callgrind => callgrind(workspace),
        }
    }
}

type Packages = &'static [(&'static str, &'static str)];

const GO_INTEROP: Packages = &[
    ("go-interop-client", "google.golang.org/grpc/interop/client"),
    ("go-interop-server", "google.golang.org/grpc/interop/server"),
];
const CONFORMANCE: Packages = &[("connectconformance", "connectrpc.com/conformance/cmd/connectconformance")];
const GO_TOOLS: Packages = &[
    ("h2spec", "github.com/summerwind/h2spec/cmd/h2spec"),
    ("grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl"),
    ("grpc-health-probe", "github.com/grpc-ecosystem/grpc-health-probe"),
];

/// A download may stall; this is when we stop waiting.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(1200);

/// What has been installed so far; suites wait here for what they need.
#[derive(Default)]
pub(crate) struct Installed {
    results: Mutex<BTreeMap<Tool, Result<(), String>>>,
    changed: Condvar,
}

impl Installed {
    /// Installs `tools`, one after the other.
    pub(crate) fn install(&self, workspace: &Workspace, tools: &[Tool]) {
        for tool in tools {
            let result = tool.install(workspace);
            self.results.lock().unwrap_or_else(PoisonError::into_inner).insert(*tool, result);
            self.changed.notify_all();
        }
    }

    /// Waits for `tools`; the error says what would bring the missing one.
    pub(crate) fn wait_for(&self, tools: &[Tool]) -> Result<(), String> {
        for tool in tools {
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            while !results.contains_key(tool) {
                results = self.changed.wait(results).unwrap_or_else(PoisonError::into_inner);
            }
            results[tool].clone()?;
        }
        Ok(())
    }
}

/// Runs `install` unless it was run for the same `inputs` before.
fn once(
    workspace: &Workspace,
    name: &str,
    inputs: &[&Path],
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let mut wanted = workspace.root.display().to_string();
    for input in inputs {
        wanted.push_str(&fs::read_to_string(input).map_err(|error| format!("{}: {error}", input.display()))?);
    }
    let stamp = workspace.suites().join(format!("{name}.stamp"));
    if fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == wanted) {
        return Ok(());
    }
    install()?;
    write(&stamp, &wanted)
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn go(workspace: &Workspace, module: &str, packages: Packages) -> Result<(), String> {
    if !is_installed("go") {
        return Err("install Go 1.26 or later".to_owned());
    }
    let folder = workspace.interop("go").join(module);
    once(workspace, &format!("go-{module}"), &[&folder.join("go.mod"), &folder.join("go.sum")], || {
        for (name, package) in packages {
            let command = Command::new("go").arguments(&["build", "-o"]).argument(workspace.foreign(name));
            let command = command.argument(package).in_folder(&folder).timeout(INSTALL_TIMEOUT);
            command.succeed(&workspace.log(&format!("install-{name}")))?;
        }
        Ok(())
    })
}

fn java(workspace: &Workspace) -> Result<(), String> {
    debian_unless("java", &["default-jre-headless"], workspace)?;
    debian_unless("mvn", &["maven"], workspace)?;
    let folder = workspace.interop("java");
    once(workspace, "java", &[&folder.join("pom.xml")], || {
        let output = format!("-DoutputDirectory={}", workspace.suites().join("java").display());
        let goal = ["-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", &output];
        let command = Command::new("mvn").arguments(&goal).in_folder(&folder).timeout(INSTALL_TIMEOUT);
        command.succeed(&workspace.log("install-java")).map(drop)
    })
}

fn python(workspace: &Workspace) -> Result<(), String> {
    debian_unless("python3", &["python3", "python3-venv"], workspace)?;
    let requirements = workspace.interop("python").join("requirements.txt");
    let schemas =
        ["greeter.proto", "grpc/testing/empty.proto", "grpc/testing/messages.proto", "grpc/testing/test.proto"];
    let schemas = schemas.map(|schema| workspace.interop("proto").join(schema));
    let mut inputs = vec![requirements.as_path()];
    inputs.extend(schemas.iter().map(|schema| schema.as_path()));
    once(workspace, "python", &inputs, || {
        let environment = workspace.suites().join("python");
        let log = workspace.log("install-python");
        Command::new("python3").arguments(&["-m", "venv"]).argument(&environment).succeed(&log)?;
        let pip = Command::new(environment.join("bin/python")).arguments(&["-m", "pip", "install", "-q", "-r"]);
        pip.argument(&requirements).timeout(INSTALL_TIMEOUT).succeed(&log)?;
        generate_python(workspace, &schemas)
    })?;
    protoc(workspace)
}

/// The compiler inside grpcio-tools, as a program of its own.
fn protoc(workspace: &Workspace) -> Result<(), String> {
    let python = workspace.suites().join("python/bin/python");
    let program = workspace.foreign("protoc");
    // It does not find its own schemas by itself.
    let script = "import os, sys, grpc_tools\n\
                  from grpc_tools import protoc\n\
                  include = os.path.join(os.path.dirname(grpc_tools.__file__), '_proto')\n\
                  sys.exit(protoc.main(sys.argv + ['-I' + include]))\n";
    let text = format!("#!{}\n{script}", python.display());
    write(&program, &text)?;
    make_executable(&program)
}

#[cfg(unix)]
fn make_executable(program: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(program, permissions).map_err(|error| format!("{}: {error}", program.display()))
}

#[cfg(not(unix))]
fn make_executable(program: &Path) -> Result<(), String> {
    Err(format!("{} is a script, and needs Unix", program.display()))
}

/// Python's own `grpc` package hides generated code below `grpc/testing`, so these
/// schemas are generated from a folder of another name. The proto package, and so
/// the names on the wire, stay.
fn generate_python(workspace: &Workspace, schemas: &[std::path::PathBuf]) -> Result<(), String> {
    let folder = workspace.suites().join("python-generated");
    let mut names = Vec::new();
    for schema in schemas {
        let text = fs::read_to_string(schema).map_err(|error| format!("{}: {error}", schema.display()))?;
        let file = schema.file_name().unwrap_or_default().to_string_lossy();
        let name = if file == "greeter.proto" { file.into_owned() } else { format!("tproto/{file}") };
        write(&folder.join(&name), &text.replace("import \"grpc/testing/", "import \"tproto/"))?;
        names.push(name);
    }
    let compiler = ["-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=."];
    let command = Command::new(workspace.suites().join("python/bin/python")).arguments(&compiler).arguments(&names);
    command.in_folder(&folder).succeed(&workspace.log("generate-python")).map(drop)
}

fn node(workspace: &Workspace) -> Result<(), String> {
    debian_unless("node", &["nodejs"], workspace)?;
    debian_unless("npm", &["npm"], workspace)?;
    let (package, lock) = (workspace.interop("node/package.json"), workspace.interop("node/package-lock.json"));
    once(workspace, "node", &[&package, &lock], || {
        let folder = workspace.suites().join("node");
        for file in [&package, &lock] {
            let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            write(&folder.join(file.file_name().unwrap_or_default()), &text)?;
        }
        let npm = Command::new("npm").arguments(&["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.in_folder(&folder).timeout(INSTALL_TIMEOUT).succeed(&workspace.log("install-node")).map(drop)
    })
}

fn nghttp2(workspace: &Workspace) -> Result<(), String> {
    let load = ["-c", "import ctypes; ctypes.CDLL('libnghttp2.so.14')"];
    if Command::new("python3").arguments(&load).output().is_ok() {
        return Ok(());
    }
    debian(&["libnghttp2-14"], "libnghttp2", workspace)
}

/// The official programs have these certificates built in; ours are given them from
/// a copy of the same, out of grpc-go's module or grpc-java's jar.
fn certificates(workspace: &Workspace) -> Result<(), String> {
    let folder = workspace.certificates();
    let names = ["ca.pem", "server1.pem", "server1.key"];
    if names.iter().all(|name| folder.join(name).is_file()) {
        return Ok(());
    }
    let list = ["list", "-m", "-f", "{{.Dir}}", "google.golang.org/grpc"];
    let module = Command::new("go").arguments(&list).in_folder(&workspace.interop("go/grpc")).output();
    let module =
        module.map_err(|error| format!("install Go 1.26 or later, which brings the certificates ({error})"))?;
    for name in names {
        let text = fs::read_to_string(Path::new(module.trim()).join("testdata").join(name));
        write(&folder.join(name), &text.map_err(|error| format!("{name}: {error}"))?)?;
    }
    Ok(())
}

/// The runner must be of the version of the library that the benchmark's lock file names.
fn callgrind(workspace: &Workspace) -> Result<(), String> {
    debian_unless("valgrind", &["valgrind"], workspace)?;
    let lock = workspace.root.join("bench/Cargo.lock");
    let text = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let version = locked_version(&text, "gungraun-runner").ok_or("bench/Cargo.lock names no gungraun-runner")?;
    let runner = format!("gungraun-runner@{version}");
    let root = workspace.suites();
    if fs::read_to_string(root.join("callgrind.stamp")).is_ok_and(|stamped| stamped == runner) {
        return Ok(());
    }
    let command =
        Command::cargo(&["install", "--locked", "--force", &runner, "--root"]).argument(&root).timeout(INSTALL_TIMEOUT);
    let installed =
        command.variable("CARGO_TARGET_DIR", root.join("build")).succeed(&workspace.log("install-callgrind"));
    installed.map_err(|error| format!("`cargo install {runner}` is needed ({error})"))?;
    write(&root.join("callgrind.stamp"), &runner)
}

fn locked_version<'l>(lock: &'l str, package: &str) -> Option<&'l str> {
    let (_, behind) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    behind.split('"').next()
}

/// Installs Debian's packages unless `program` is there, where that is allowed.
fn debian_unless(program: &str, packages: &[&str], workspace: &Workspace) -> Result<(), String> {
    if is_installed(program) { Ok(()) } else { debian(packages, program, workspace) }
}

fn debian(packages: &[&str], missing: &str, workspace: &Workspace) -> Result<(), String> {
    if !is_installed("apt-get") || !is_root() {
        return Err(format!("install {} ({missing} is missing)", packages.join(" ")));
    }
    let log = workspace.log(&format!("install-{missing}"));
    let apt = |arguments: &[&str]| {
        let command = Command::new("apt-get").variable("DEBIAN_FRONTEND", "noninteractive").arguments(arguments);
        command.timeout(INSTALL_TIMEOUT).succeed(&log)
    };
    apt(&["update", "-q"])?;
    apt(&[&["install", "-y", "-q", "--no-install-recommends"], packages].concat()).map(drop)
}

fn is_root() -> bool {
    Command::new("id").argument("-u").output().is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_tells_the_version() {
        let lock =
            "[[package]]\nname = \"a-b\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"a\"\nversion = \"4.5.6\"\n";
        assert_eq!((locked_version(lock, "a"), locked_version(lock, "b")), (Some("4.5.6"), None));
    }
}
