//! One integration-test binary a crate: `tests/it/main.rs`, with a file a theme.

use super::finding::Findings;
use super::source::Tree;

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for source in &tree.sources {
        let mut parts = source.path.rsplit('/');
        let (_file, folder) = (parts.next(), parts.next());
        if folder == Some("tests") {
            let what = "an integration-test binary of its own".to_owned();
            findings.add(&source.path, 0, "layout", what, "make it a module of tests/it/main.rs: one link, not many");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_test_binary_is_a_finding() {
        let mut findings = Findings::default();
        check(&Tree::of(&[("crates/a/tests/b.rs", ""), ("crates/a/tests/it/main.rs", "")]), &mut findings);
        assert_eq!(findings.places(), ["crates/a/tests/b.rs:0"]);
    }
}
