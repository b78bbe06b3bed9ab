//! docs/behaviour.md names tests that exist, and numbers that are used once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn rules() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/behaviour.md");
    let page = fs::read_to_string(path).expect("the page is in the repository");
    let own = page.split("\n## ").find(|section| section.starts_with("Calls (`tramline-call`")).expect("our section");
    own.lines().filter_map(rule).collect()
}

/// The id of a row, and the tests in its last cell.
fn rule(line: &str) -> Option<(String, Vec<String>)> {
    let cells: Vec<&str> = line.strip_prefix("| B-")?.split(" | ").collect();
    let tests = cells.last()?.split('`').filter(|part| part.contains("::")).map(str::to_owned).collect();
    Some((format!("B-{}", cells[0]), tests))
}

fn exists(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/{file}.rs"));
    fs::read_to_string(path).is_ok_and(|source| source.contains(&format!("#[test]\nfn {name}()")))
}

#[test]
fn every_rule_names_a_test_that_exists() {
    let rules = rules();
    assert!(rules.len() > 50, "{} rules were found", rules.len());
    for (id, tests) in &rules {
        assert!(!tests.is_empty(), "{id} has no test");
        for test in tests {
            assert!(exists(test), "{id} names `{test}`, which does not exist");
        }
    }
    let ids: BTreeSet<_> = rules.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), rules.len(), "an id stands twice");
}
