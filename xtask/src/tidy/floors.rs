//! The oldest versions of dependencies that may be asked for: those before them can be
//! attacked through us.

use super::finding::Findings;
use super::source::Tree;

const MANIFEST: &str = "Cargo.toml";

struct Floor {
    name: &'static str,
    version: [u32; 3],
    why: &'static str,
}

const FLOORS: &[Floor] = &[
    Floor { name: "bytes", version: [1, 11, 1], why: "CVE-2026-25541, an overflow in `BytesMut::reserve`" },
    Floor {
        name: "rustls",
        version: [0, 23, 18],
        why: "CVE-2024-32650 and CVE-2024-11738, which a peer's hello triggers",
    },
];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let Some(manifest) = tree.texts.iter().find(|text| text.path == MANIFEST) else { return };
    for floor in FLOORS {
        for (index, line) in manifest.content.lines().enumerate() {
            if asked_version(line, floor.name).is_some_and(|version| version < floor.version) {
                let [major, minor, patch] = floor.version;
                let what = format!("`{}` before {major}.{minor}.{patch} has {}", floor.name, floor.why);
                findings.add(MANIFEST, index + 1, "floors", what, "ask for a version without it");
            }
        }
    }
}

/// `1.11.1` of `bytes = { version = "1.11.1", … }` or `bytes = "1.11.1"`; what is left out is 0.
fn asked_version(line: &str, name: &str) -> Option<[u32; 3]> {
    let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
    let version = value.split_once("version").map_or(value, |(_, behind)| behind);
    let text = version.split('"').nth(1)?;
    let mut numbers = text.trim_start_matches(['^', '=', '~']).split('.').map(|number| number.parse().unwrap_or(0));
    Some(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(manifest: &str) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Tree::of(&[(MANIFEST, manifest)]), &mut findings);
        findings.places()
    }

    #[test]
    fn a_version_below_its_floor_is_a_finding() {
        assert_eq!(places("[workspace.dependencies]\nbytes = \"1.11\"\n"), ["Cargo.toml:2"]);
        assert_eq!(places("rustls = { version = \"0.23\", default-features = false }\n"), ["Cargo.toml:1"]);
        assert_eq!(places("bytes = { default-features = false, version = \"1.10.9\" }\n"), ["Cargo.toml:1"]);
    }

    #[test]
    fn versions_from_the_floor_up_are_fine() {
        assert!(places("bytes = { version = \"1.11.1\" }\nrustls = \"0.23.18\"\n").is_empty());
        assert!(places("bytes = \"2\"\nbytes-extra = \"1\"\n").is_empty());
    }
}
