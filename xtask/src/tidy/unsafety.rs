//! Unsafe code stands in listed files only, each with the test that watches it.

use super::finding::Findings;
use super::source::Tree;

/// Where unsafe code may stand, why, and the test that exercises it.
const LISTED: &[Unsafe] = &[
    // An allocator that counts: the trait itself is unsafe.
    Unsafe { file: "interop/src/counting.rs", test: "the_heap_counts_what_is_alive" },
];

struct Unsafe {
    file: &'static str,
    test: &'static str,
}

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    check_against(LISTED, tree, findings);
}

fn check_against(listed: &[Unsafe], tree: &Tree, findings: &mut Findings) {
    for source in &tree.sources {
        let Some(token) = source.tokens.iter().find(|token| token.text == "unsafe") else { continue };
        if !listed.iter().any(|entry| entry.file == source.path) {
            let fix = "write it safely, or list the file with its test in xtask/src/tidy/unsafety.rs";
            findings.add(
                &source.path,
                token.line,
                "unsafe",
                "unsafe code in a file that is not listed".to_owned(),
                fix,
            );
        }
    }
    for entry in listed {
        check_entry(entry, tree, findings);
    }
}

fn check_entry(entry: &Unsafe, tree: &Tree, findings: &mut Findings) {
    let file = tree.sources.iter().find(|source| source.path == entry.file);
    if !file.is_some_and(|source| source.tokens.iter().any(|token| token.text == "unsafe")) {
        let what = "listed for unsafe code, and has none".to_owned();
        findings.add(entry.file, 0, "unsafe", what, "take it off the list in xtask/src/tidy/unsafety.rs");
    }
    let name = format!("fn {}(", entry.test);
    if !tree.sources.iter().any(|source| source.content.contains(&name)) {
        let what = format!("its test `{}` is nowhere", entry.test);
        findings.add(entry.file, 0, "unsafe", what, "name the test that exercises the unsafe code");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(listed: &[Unsafe], files: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        check_against(listed, &Tree::of(files), &mut findings);
        findings.places()
    }

    #[test]
    fn unsafe_code_is_found_where_it_is_not_listed() {
        let code = "fn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(places(&[], &[("a.rs", code)]), ["a.rs:2"]);
        let listed = [Unsafe { file: "a.rs", test: "a_is_sound" }];
        let files = [("a.rs", code), ("tests/it/a.rs", "fn a_is_sound() {}")];
        assert!(places(&listed, &files).is_empty());
    }

    #[test]
    fn a_stale_entry_is_a_finding() {
        let listed = [Unsafe { file: "a.rs", test: "a_is_sound" }];
        assert_eq!(places(&listed, &[("a.rs", "fn a() {}")]), ["a.rs:0", "a.rs:0"]);
    }
}
