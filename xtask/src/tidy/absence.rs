//! There is no list of tests that are known to fail.

use super::finding::Findings;
use super::source::Tree;

/// What such lists and the flags that take them are called: two words with `-` or `_`.
const WORDS: &[(&str, &str)] = &[("known", "failing"), ("known", "flaky"), ("expected", "failures")];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for text in &tree.texts {
        if let Some(name) = list_name(&text.path) {
            let what = format!("a file called `{name}`");
            findings.add(&text.path, 0, "no excuses", what, "mend what fails; a suite passes whole");
        }
        if text.path.ends_with(".md") {
            continue;
        }
        for (index, line) in text.content.lines().enumerate() {
            if let Some(flag) = list_name(line).filter(|name| line.contains(&format!("--{name}"))) {
                let what = format!("a suite is run with `--{flag}`");
                findings.add(&text.path, index + 1, "no excuses", what, "mend what fails; a suite passes whole");
            }
        }
    }
}

fn list_name(text: &str) -> Option<String> {
    WORDS.iter().flat_map(|(a, b)| [format!("{a}-{b}"), format!("{a}_{b}")]).find(|name| text.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_flags_are_found() {
        let list = ["interop/", "known", "-failing.txt"].concat();
        let flag = ["run --", "known", "-flaky x"].concat();
        let mut findings = Findings::default();
        check(&Tree::of(&[(&list, ""), ("a.toml", &flag), ("README.md", &flag)]), &mut findings);
        assert_eq!(findings.places(), [format!("{list}:0"), "a.toml:1".to_owned()]);
    }
}
