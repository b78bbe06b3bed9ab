//! docs/behaviour.md names tests that exist, and numbers that are used once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

struct Rule {
    id: String,
    tests: Vec<String>,
    /// Where its tests are.
    directory: PathBuf,
}

fn rules() -> Vec<Rule> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/behaviour.md")).expect("the page is in the repository");
    page.split("\n## ")
        .skip(1)
        .flat_map(|section| {
            let (_, behind) = section.split_once("tests in `").expect("a section says where its tests are");
            let directory = root.join(behind.split('`').next().unwrap_or_default());
            section.lines().filter_map(move |line| rule(line, &directory)).collect::<Vec<_>>()
        })
        .collect()
}

/// The id of a row, and the tests in its last cell.
fn rule(line: &str, directory: &Path) -> Option<Rule> {
    let cells: Vec<&str> = line.strip_prefix("| B-")?.split(" | ").collect();
    let tests = cells.last()?.split('`').filter(|part| part.contains("::")).map(str::to_owned).collect();
    Some(Rule { id: format!("B-{}", cells[0]), tests, directory: directory.to_owned() })
}

impl Rule {
    fn has(&self, test: &str) -> bool {
        let Some((file, name)) = test.split_once("::") else { return false };
        let Ok(source) = fs::read_to_string(self.directory.join(format!("{file}.rs"))) else { return false };
        let attributes = ["#[test]\nfn", "#[tokio::test]\nasync fn"];
        attributes.iter().any(|attribute| source.contains(&format!("{attribute} {name}()")))
    }
}

#[test]
fn every_rule_names_a_test_that_exists() {
    let rules = rules();
    assert!(rules.len() > 100, "{} rules were found", rules.len());
    for rule in &rules {
        assert!(!rule.tests.is_empty(), "{} has no test", rule.id);
        for test in &rule.tests {
            assert!(rule.has(test), "{} names `{test}`, which does not exist", rule.id);
        }
    }
    let ids: BTreeSet<_> = rules.iter().map(|rule| &rule.id).collect();
    assert_eq!(ids.len(), rules.len(), "an id stands twice");
}
