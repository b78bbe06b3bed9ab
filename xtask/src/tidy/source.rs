//! The repository's text, and its Rust files parsed once for all rules.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Folders that hold what tools made, not what people wrote.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", "__pycache__"];

/// Every file that people wrote.
pub(super) struct Tree {
    pub(super) texts: Vec<Text>,
    pub(super) sources: Vec<Source>,
}

/// A text file: its path from the root, with forward slashes, and its content.
pub(super) struct Text {
    pub(super) path: String,
    pub(super) content: String,
}

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) content: String,
    pub(super) syntax: syn::File,
    pub(super) tokens: Vec<Token>,
    /// Line ranges of items behind `#[cfg(test)]`.
    test_lines: Vec<RangeInclusive<usize>>,
}

/// An identifier or a punctuation character.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Tree, String> {
        let mut texts = Vec::new();
        collect(root, root, &mut texts)?;
        texts.sort_by(|a, b| a.path.cmp(&b.path));
        Tree::parse(texts)
    }

    fn parse(texts: Vec<Text>) -> Result<Tree, String> {
        let rust = texts.iter().filter(|text| text.path.ends_with(".rs") && !is_generated(&text.content));
        let sources = rust.map(Source::parse).collect::<Result<_, _>>()?;
        Ok(Tree { texts, sources })
    }

    /// A tree of given files, for the rules' own tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        let text = |&(path, content): &(&str, &str)| Text { path: path.to_owned(), content: content.to_owned() };
        Tree::parse(files.iter().map(text).collect()).expect("the test's files parse")
    }
}

impl Source {
    fn parse(text: &Text) -> Result<Source, String> {
        let syntax = syn::parse_file(&text.content)
            .map_err(|error| format!("{}:{}: {error}", text.path, error.span().start().line))?;
        let stream: TokenStream = text.content.parse().map_err(|error| format!("{}: {error}", text.path))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut finder = TestLines { ranges: Vec::new() };
        finder.visit_file(&syntax);
        Ok(Source { path: text.path.clone(), content: text.content.clone(), syntax, tokens, test_lines: finder.ranges })
    }

    /// Whether a line is inside an item that only tests compile.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.is_test_file() || self.test_lines.iter().any(|range| range.contains(&line))
    }

    /// Whether the whole file is a test.
    pub(super) fn is_test_file(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Lines that are not tests.
    pub(super) fn line_count_without_tests(&self) -> usize {
        (1..=self.content.lines().count()).filter(|line| !self.is_test_line(*line)).count()
    }
}

fn is_generated(content: &str) -> bool {
    content.lines().take(5).any(|line| line.contains("@generated"))
}

fn collect(root: &Path, folder: &Path, texts: &mut Vec<Text>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| format!("{}: {error}", path.display()))?;
        if kind.is_dir() && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            collect(root, &path, texts)?;
        } else if kind.is_file()
            && let Ok(content) = fs::read_to_string(&path)
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            texts.push(Text { path: relative.to_string_lossy().replace('\\', "/"), content });
        }
    }
    Ok(())
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => flatten(group.stream(), tokens),
            TokenTree::Ident(ident) => tokens.push(Token { text: ident.to_string(), line }),
            TokenTree::Punct(punct) => tokens.push(Token { text: punct.as_char().to_string(), line }),
            TokenTree::Literal(_) => tokens.push(Token { text: "literal".to_owned(), line }),
        }
    }
}

struct TestLines {
    ranges: Vec<RangeInclusive<usize>>,
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if attributes_of(item).iter().any(is_cfg_test) {
            let span = item.span();
            self.ranges.push(span.start().line..=span.end().line);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if item.attrs.iter().any(is_cfg_test) {
            let span = item.span();
            self.ranges.push(span.start().line..=span.end().line);
        }
        visit::visit_impl_item_fn(self, item);
    }
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg")
        && list.tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident == "test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_are_told_from_lines_of_code() {
        let tree = Tree::of(&[("crates/a/src/b.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n")]);
        let source = &tree.sources[0];
        assert!(!source.is_test_line(1));
        assert!(source.is_test_line(5));
        assert_eq!(source.line_count_without_tests(), 2);
    }

    #[test]
    fn generated_files_are_left_alone() {
        let tree = Tree::of(&[("crates/a/src/b.rs", "// @generated by protoc-gen-tramline\nfn a() {}\n")]);
        assert!(tree.sources.is_empty());
        assert_eq!(tree.texts.len(), 1);
    }
}
