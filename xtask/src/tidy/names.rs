//! Names that give up: they say that somebody did not know what the thing is.

use syn::visit::{self, Visit};

use super::finding::Findings;
use super::source::{Source, Tree};

/// Words that may not stand in the name of a file, type or function.
const BANNED: &[&str] = &["util", "utils", "common", "misc", "helper", "helpers", "inner", "manager", "impl"];
/// Whole names that keep a banned word, as the standard library's are spelt so.
const ALLOWED: &[&str] = &["into_inner"];
/// A banned first word: `do_thing` is either `thing` or a different thing.
const BANNED_FIRST: &str = "do";
const FIX: &str = "name what it holds or does, with the field's own term";

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for text in &tree.texts {
        for part in text.path.split('/') {
            if let Some(word) = banned_word(part.split('.').next().unwrap_or(part)) {
                findings.add(&text.path, 0, "names", format!("`{part}` has the word `{word}`"), FIX);
            }
        }
    }
    for source in &tree.sources {
        Names { source, findings }.visit_file(&source.syntax);
    }
}

fn banned_word(name: &str) -> Option<String> {
    if ALLOWED.contains(&name) {
        return None;
    }
    let words = words(name);
    let is_do = words.len() > 1 && words[0] == BANNED_FIRST;
    if is_do {
        return Some("do_".to_owned());
    }
    words.into_iter().find(|word| BANNED.contains(&word.as_str()))
}

/// The words of a snake_case or CamelCase name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_after_lower = false;
    for letter in name.chars() {
        let starts_word = letter.is_uppercase() && is_after_lower;
        if starts_word || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        is_after_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

struct Names<'t, 'f> {
    source: &'t Source,
    findings: &'f mut Findings,
}

impl Names<'_, '_> {
    fn look_at(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        if let Some(word) = banned_word(&name) {
            let line = ident.span().start().line;
            self.findings.add(&self.source.path, line, "names", format!("`{name}` has the word `{word}`"), FIX);
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_, '_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.look_at(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.look_at(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.look_at(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.look_at(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.look_at(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        // The methods of a trait are named where the trait is.
        if item.trait_.is_none() {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.look_at(&signature.ident);
        visit::visit_signature(self, signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, source: &str) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Tree::of(&[(path, source)]), &mut findings);
        findings.places()
    }

    #[test]
    fn banned_words_are_found_in_every_kind_of_name() {
        assert_eq!(places("src/http_util.rs", ""), ["src/http_util.rs:0"]);
        assert_eq!(places("a.rs", "struct StreamInner;"), ["a.rs:1"]);
        assert_eq!(places("a.rs", "trait ConnectionManager {}"), ["a.rs:1"]);
        assert_eq!(places("a.rs", "fn do_read() {}"), ["a.rs:1"]);
        assert_eq!(places("a.rs", "impl A {\n    fn read_impl(&self) {}\n}"), ["a.rs:2"]);
        assert_eq!(places("a.rs", "mod helpers {}"), ["a.rs:1"]);
    }

    #[test]
    fn words_that_only_contain_a_banned_one_are_fine() {
        assert!(places("src/simple.rs", "fn doctor() {}\nstruct Implicit;\nfn into_inner() {}").is_empty());
    }

    #[test]
    fn a_foreign_traits_method_keeps_its_name() {
        assert!(places("a.rs", "impl Foreign for A {\n    fn do_it(&self) {}\n}").is_empty());
    }
}
