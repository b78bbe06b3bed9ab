//! Who may depend on whom.

use std::path::Path;

use serde_json::Value;

use super::finding::Findings;
use crate::process::Command;

/// Every room, and the rooms that it may see. A room that is not here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("tramline-h2", &[]),
    ("tramline-call", &[]),
    ("tramline-buffa", &["tramline-call"]),
    ("tramline-prost", &["tramline-call"]),
    ("tramline-build", &[]),
    ("tramline", &["tramline-h2", "tramline-call", "tramline-buffa", "tramline-prost"]),
    ("tramline-services", &["tramline", "tramline-build"]),
    ("tramline-web", &["tramline", "tramline-build"]),
    ("tramline-xds", &["tramline", "tramline-build"]),
    ("tramline-otel", &["tramline"]),
    ("tramline-ui", &["tramline", "tramline-services", "tramline-build"]),
    ("tramline-cli", &["*"]),
    ("interop", &["*"]),
    ("sim", &["*"]),
    ("fuzz", &["*"]),
    ("bench", &["*"]),
    ("xtask", &["*"]),
];

/// Rooms that nothing may see, tests included.
const UNSEEN: &[&str] = &["interop", "sim", "fuzz", "bench", "xtask", "tramline-cli"];

/// What the pure rooms may take from outside.
const PURE: &[(&str, &[&str])] = &[("tramline-h2", &["bytes"]), ("tramline-call", &["base64", "bytes"])];

/// Crates of the message libraries, which `tramline` alone must not bring.
const PROTOBUF: &[&str] = &["buffa", "prost", "protobuf", "tramline-buffa", "tramline-prost"];

/// What cargo knows of the workspace.
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

pub(super) struct Package {
    pub(super) name: String,
    /// From the root, with forward slashes.
    pub(super) folder: String,
    pub(super) dependencies: Vec<Dependency>,
}

pub(super) struct Dependency {
    name: String,
    is_dev: bool,
    is_ours: bool,
}

impl Metadata {
    pub(super) fn read(root: &Path) -> Result<Metadata, String> {
        let text = Command::cargo(&["metadata", "--format-version", "1", "--no-deps"]).in_folder(root).output()?;
        Metadata::parse(&text)
    }

    fn parse(text: &str) -> Result<Metadata, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("cargo metadata: {error}"))?;
        let root = value["workspace_root"].as_str().unwrap_or_default();
        let packages = value["packages"].as_array().into_iter().flatten();
        Ok(Metadata { packages: packages.map(|package| Package::parse(package, root)).collect() })
    }
}

impl Package {
    fn parse(value: &Value, root: &str) -> Package {
        let manifest = value["manifest_path"].as_str().unwrap_or_default();
        let folder = manifest.trim_end_matches("Cargo.toml").trim_end_matches('/');
        let folder = folder.strip_prefix(root).unwrap_or(folder).trim_start_matches('/').to_owned();
        let dependencies = value["dependencies"].as_array().into_iter().flatten();
        let dependencies = dependencies.map(Dependency::parse).collect();
        Package { name: value["name"].as_str().unwrap_or_default().to_owned(), folder, dependencies }
    }

    fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

impl Dependency {
    fn parse(value: &Value) -> Dependency {
        Dependency {
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            is_dev: value["kind"].as_str() == Some("dev"),
            is_ours: value["path"].is_string(),
        }
    }
}

pub(super) fn check(metadata: &Metadata, findings: &mut Findings) {
    for package in &metadata.packages {
        check_package(package, findings);
    }
}

fn check_package(package: &Package, findings: &mut Findings) {
    let Some((_, seen)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        let what = format!("`{}` has no place in the house", package.name);
        return findings.add(&package.manifest(), 0, "arrows", what, "give it one in xtask/src/tidy/arrows.rs");
    };
    for dependency in package.dependencies.iter().filter(|dependency| dependency.is_ours) {
        let is_unseen = UNSEEN.contains(&dependency.name.as_str());
        let is_allowed = dependency.is_dev || *seen == ["*"] || seen.contains(&dependency.name.as_str());
        if is_unseen || !is_allowed || are_strangers(&package.name, &dependency.name) {
            let what = format!("`{}` may not see `{}`", package.name, dependency.name);
            let fix = "turn the arrow round, or move the code to the room that may";
            findings.add(&package.manifest(), 0, "arrows", what, fix);
        }
    }
    let Some((_, outside)) = PURE.iter().find(|(name, _)| *name == package.name) else { return };
    let others = package.dependencies.iter().filter(|dependency| !dependency.is_ours && !dependency.is_dev);
    for dependency in others.filter(|dependency| !outside.contains(&dependency.name.as_str())) {
        let what = format!("`{}` is pure and may not use `{}`", package.name, dependency.name);
        findings.add(&package.manifest(), 0, "arrows", what, "keep I/O, clocks and tasks in crates/tramline");
    }
}

/// The two halves of the pure road never meet, in tests neither.
fn are_strangers(one: &str, other: &str) -> bool {
    let pair = ["tramline-h2", "tramline-call"];
    one != other && pair.contains(&one) && pair.contains(&other)
}

/// `tramline` without its default features brings no message library.
pub(super) fn check_no_protobuf(root: &Path, findings: &mut Findings) -> Result<(), String> {
    let arguments = ["tree", "-p", "tramline", "--no-default-features", "-e", "normal", "--prefix", "none"];
    let tree = Command::cargo(&arguments).in_folder(root).output()?;
    for name in protobuf_crates(&tree) {
        let what = format!("`{name}` comes with `tramline` without default features");
        findings.add("crates/tramline/Cargo.toml", 0, "no protobuf", what, "make it optional, behind its feature");
    }
    Ok(())
}

fn protobuf_crates(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let is_protobuf = |name: &&str| PROTOBUF.iter().any(|p| name == p || name.starts_with(&format!("{p}-")));
    let mut found: Vec<String> = names.filter(is_protobuf).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, bool, bool)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, is_dev, is_ours)| Dependency { name: name.to_owned(), is_dev, is_ours })
            .collect();
        Package { name: name.to_owned(), folder: format!("crates/{name}"), dependencies }
    }

    fn finding_count(package: &Package) -> usize {
        let mut findings = Findings::default();
        check_package(package, &mut findings);
        findings.len()
    }

    #[test]
    fn arrows_point_down() {
        assert_eq!(finding_count(&package("tramline", &[("tramline-h2", false, true)])), 0);
        assert_eq!(finding_count(&package("tramline-h2", &[("tramline", false, true)])), 1);
        assert_eq!(finding_count(&package("tramline-web", &[("tramline-xds", false, true)])), 1);
        assert_eq!(finding_count(&package("tramline-new", &[])), 1);
    }

    #[test]
    fn tests_may_look_further_but_not_everywhere() {
        assert_eq!(finding_count(&package("tramline-services", &[("tramline-build", true, true)])), 0);
        assert_eq!(finding_count(&package("tramline-h2", &[("tramline-call", true, true)])), 1);
        assert_eq!(finding_count(&package("tramline", &[("interop", true, true)])), 1);
    }

    #[test]
    fn pure_rooms_take_little_from_outside() {
        assert_eq!(finding_count(&package("tramline-h2", &[("bytes", false, false)])), 0);
        assert_eq!(finding_count(&package("tramline-h2", &[("tokio", false, false)])), 1);
        assert_eq!(finding_count(&package("tramline-h2", &[("tokio", true, false)])), 0);
    }

    #[test]
    fn message_libraries_are_told_by_name() {
        assert_eq!(protobuf_crates("tramline v0.1.0\nbytes v1.11.1\nprost-types v0.14.0\n"), ["prost-types"]);
        assert!(protobuf_crates("tramline v0.1.0\nbuffalo v1.0.0\n").is_empty());
    }

    #[test]
    fn cargo_metadata_is_read() {
        let text = r#"{"workspace_root":"/r","packages":[{"name":"a","manifest_path":"/r/crates/a/Cargo.toml",
            "dependencies":[{"name":"b","kind":null,"path":"/r/b"},{"name":"c","kind":"dev"}]}]}"#;
        let metadata = Metadata::parse(text).expect("valid");
        let package = &metadata.packages[0];
        assert_eq!((package.name.as_str(), package.folder.as_str()), ("a", "crates/a"));
        assert!(package.dependencies[0].is_ours && !package.dependencies[0].is_dev);
        assert!(!package.dependencies[1].is_ours && package.dependencies[1].is_dev);
    }
}
