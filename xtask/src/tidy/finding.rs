//! What a rule found, where, and what to do about it.

use std::fmt;

/// One place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// Path from the repository's root.
    pub(super) file: String,
    /// First line of the place; 0 stands for the whole file.
    pub(super) line: usize,
    /// The rule's short name.
    pub(super) rule: &'static str,
    /// What is wrong.
    pub(super) what: String,
    /// How to put it right.
    pub(super) fix: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}\n    fix: {}", self.rule, self.what, self.fix)
    }
}

/// The findings of a run, in the order of their places.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    notes: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, file: &str, line: usize, rule: &'static str, what: String, fix: &'static str) {
        self.list.push(Finding { file: file.to_owned(), line, rule, what, fix });
    }

    /// Something worth saying that is no fault.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn print(&mut self) {
        self.list.sort();
        for finding in &self.list {
            println!("{finding}");
        }
        for note in &self.notes {
            println!("note: {note}");
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> Vec<String> {
        self.list.iter().map(|finding| format!("{}:{}", finding.file, finding.line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_place_rule_and_fix() {
        let mut findings = Findings::default();
        findings.add("a/b.rs", 7, "names", "`util` says nothing".to_owned(), "name the thing it holds");
        let shown = findings.list[0].to_string();
        assert_eq!(shown, "a/b.rs:7: names: `util` says nothing\n    fix: name the thing it holds");
    }
}
