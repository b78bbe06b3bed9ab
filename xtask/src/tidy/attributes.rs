//! Lint exemptions with reasons, and the promises of the pure crates.

use syn::visit::{self, Visit};

use super::finding::Findings;
use super::source::{Source, Tree};

/// Crates that promise to have neither `std` nor unsafe code.
const PURE: &[&str] = &["crates/tramline-h2/src/lib.rs", "crates/tramline-call/src/lib.rs"];

/// `#[allow]` and `#[expect]` stand on one item and say why.
pub(super) fn check_allow(tree: &Tree, findings: &mut Findings) {
    for source in &tree.sources {
        Exemptions { source, findings }.visit_file(&source.syntax);
    }
}

struct Exemptions<'t, 'f> {
    source: &'t Source,
    findings: &'f mut Findings,
}

impl<'ast> Visit<'ast> for Exemptions<'_, '_> {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let text = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        if is_exemption(attribute, &text) {
            let line = attribute.pound_token.spans[0].start().line;
            if matches!(attribute.style, syn::AttrStyle::Inner(_)) {
                let what = "a whole module is exempt from a lint".to_owned();
                self.findings.add(&self.source.path, line, "allow", what, "put it on the one item that needs it");
            } else if !text.contains("reason") {
                let what = "a lint is off and nobody says why".to_owned();
                self.findings.add(&self.source.path, line, "allow", what, "add `reason = \"…\"`, or obey the lint");
            }
        }
        visit::visit_attribute(self, attribute);
    }
}

fn is_exemption(attribute: &syn::Attribute, text: &str) -> bool {
    let path = attribute.path();
    let is_direct = path.is_ident("allow") || path.is_ident("expect");
    // The comma keeps `cfg_attr(feature = "allow…")` out.
    let is_conditional = path.is_ident("cfg_attr") && (text.contains(", allow") || text.contains(", expect"));
    is_direct || is_conditional
}

/// `#![no_std]` and `#![forbid(unsafe_code)]` where they are promised.
pub(super) fn check_purity(tree: &Tree, findings: &mut Findings) {
    for source in tree.sources.iter().filter(|source| PURE.contains(&source.path.as_str())) {
        let attributes = &source.syntax.attrs;
        if !attributes.iter().any(|attribute| attribute.path().is_ident("no_std")) {
            let what = "a pure crate without `#![no_std]`".to_owned();
            findings.add(&source.path, 1, "purity", what, "add it: purity is proved, not promised");
        }
        if !attributes.iter().any(forbids_unsafe) {
            let what = "a pure crate without `#![forbid(unsafe_code)]`".to_owned();
            findings.add(&source.path, 1, "purity", what, "add it: a `deny` can be undone by an item");
        }
    }
}

fn forbids_unsafe(attribute: &syn::Attribute) -> bool {
    matches!(&attribute.meta, syn::Meta::List(list)
        if list.path.is_ident("forbid") && list.tokens.to_string().contains("unsafe_code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(rule: fn(&Tree, &mut Findings), path: &str, source: &str) -> Vec<String> {
        let mut findings = Findings::default();
        rule(&Tree::of(&[(path, source)]), &mut findings);
        findings.places()
    }

    #[test]
    fn an_exemption_needs_an_item_and_a_reason() {
        assert_eq!(places(check_allow, "a.rs", "#![allow(dead_code, reason = \"no\")]\n"), ["a.rs:1"]);
        assert_eq!(places(check_allow, "a.rs", "\n#[allow(dead_code)]\nfn a() {}\n"), ["a.rs:2"]);
        assert_eq!(places(check_allow, "a.rs", "#[cfg_attr(x, allow(dead_code))]\nfn a() {}\n"), ["a.rs:1"]);
        assert!(places(check_allow, "a.rs", "#[allow(dead_code, reason = \"kept for x\")]\nfn a() {}\n").is_empty());
    }

    #[test]
    fn pure_crates_prove_it() {
        let lib = "crates/tramline-h2/src/lib.rs";
        assert_eq!(places(check_purity, lib, "fn a() {}").len(), 2);
        assert!(places(check_purity, lib, "#![no_std]\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(places(check_purity, "crates/tramline/src/lib.rs", "").is_empty());
    }
}
