//! Functions and files that a reader can hold in mind.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Findings;
use super::source::{Source, Tree};

/// A function longer than this fails.
const FUNCTION_LINES_MAX: usize = 100;
/// A function longer than this is counted, and the count may not grow.
const FUNCTION_LINES_COUNTED: usize = 70;
/// A file longer than this, its tests left out, fails.
const FILE_LINES_MAX: usize = 800;
/// Where the count is kept.
const RATCHET: &str = "xtask/ratchet.txt";
/// What the count is called there.
const RATCHET_KEY: &str = "functions_over_70_lines";

pub(super) fn check_functions(tree: &Tree, findings: &mut Findings) {
    let mut long_ones = Vec::new();
    for source in &tree.sources {
        for function in functions(source) {
            if function.line_count > FUNCTION_LINES_MAX {
                let what =
                    format!("`{}` has {} lines, {FUNCTION_LINES_MAX} at most", function.name, function.line_count);
                findings.add(&source.path, function.line, "function size", what, "split it where its theme changes");
            }
            if function.line_count > FUNCTION_LINES_COUNTED {
                long_ones.push(format!("{}:{} `{}`", source.path, function.line, function.name));
            }
        }
    }
    check_ratchet(tree, &long_ones, findings);
}

fn check_ratchet(tree: &Tree, long_ones: &[String], findings: &mut Findings) {
    let ratchet = tree.texts.iter().find(|text| text.path == RATCHET);
    let Some(limit) = ratchet.and_then(|text| ratchet_value(&text.content)) else {
        let what = format!("no line `{RATCHET_KEY} = N`");
        return findings.add(RATCHET, 0, "function ratchet", what, "write the line with today's count");
    };
    if long_ones.len() > limit {
        let what = format!(
            "{} functions have more than {FUNCTION_LINES_COUNTED} lines, {limit} are tolerated: {}",
            long_ones.len(),
            long_ones.join(", ")
        );
        findings.add(RATCHET, 0, "function ratchet", what, "shorten one of them; the number never rises");
    } else if long_ones.len() < limit {
        findings.note(format!("{RATCHET}: {RATCHET_KEY} can be lowered from {limit} to {}", long_ones.len()));
    }
}

fn ratchet_value(content: &str) -> Option<usize> {
    let line = content.lines().find_map(|line| line.strip_prefix(RATCHET_KEY))?;
    line.trim().strip_prefix('=')?.trim().parse().ok()
}

pub(super) fn check_files(tree: &Tree, findings: &mut Findings) {
    for source in &tree.sources {
        let line_count = source.line_count_without_tests();
        if line_count > FILE_LINES_MAX {
            let what = format!("{line_count} lines without tests, {FILE_LINES_MAX} at most");
            findings.add(&source.path, 0, "file size", what, "give each of its themes a file of its own");
        }
    }
}

struct Function {
    name: String,
    line: usize,
    line_count: usize,
}

fn functions(source: &Source) -> Vec<Function> {
    let mut finder = Finder { functions: Vec::new() };
    finder.visit_file(&source.syntax);
    finder.functions
}

struct Finder {
    functions: Vec<Function>,
}

impl Finder {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let line_count = block.span().end().line - line + 1;
        self.functions.push(Function { name: signature.ident.to_string(), line, line_count });
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(line_count: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    let _ = 1;\n".repeat(line_count - 2))
    }

    fn places(ratchet: &str, source: &str) -> Vec<String> {
        let mut findings = Findings::default();
        check_functions(&Tree::of(&[(RATCHET, ratchet), ("a.rs", source)]), &mut findings);
        findings.places()
    }

    #[test]
    fn a_function_of_a_hundred_lines_is_the_longest() {
        assert_eq!(places("functions_over_70_lines = 1\n", &function_of(101)), ["a.rs:1"]);
        assert!(places("functions_over_70_lines = 1\n", &function_of(100)).is_empty());
    }

    #[test]
    fn the_count_of_long_functions_may_not_grow() {
        assert_eq!(places("functions_over_70_lines = 0\n", &function_of(71)), ["xtask/ratchet.txt:0"]);
        assert!(places("functions_over_70_lines = 0\n", &function_of(70)).is_empty());
        assert!(places("functions_over_70_lines = 1\n", &function_of(71)).is_empty());
    }

    #[test]
    fn a_missing_ratchet_is_a_finding() {
        assert_eq!(places("", "fn a() {}"), ["xtask/ratchet.txt:0"]);
    }

    #[test]
    fn tests_do_not_count_towards_a_files_size() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    const _: () = ();\n".repeat(900));
        let code = "const _: () = ();\n".repeat(801);
        let mut findings = Findings::default();
        check_files(&Tree::of(&[("small.rs", &tests), ("large.rs", &code)]), &mut findings);
        assert_eq!(findings.places(), ["large.rs:0"]);
    }
}
