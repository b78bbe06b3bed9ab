//! Time and sockets enter `tramline` through one file each, so that the same code
//! runs under a simulated clock and network.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::finding::Findings;
use super::source::{Source, Tree};

/// One kind of thing from outside, what it is called in code, and the file that may
/// name it.
struct Door {
    what: &'static str,
    patterns: &'static [&'static str],
    file: &'static str,
}

const ROOM: &str = "crates/tramline/src/";

const DOORS: &[Door] = &[
    Door {
        what: "the clock",
        patterns: &["Instant::now", "SystemTime::now", "tokio::time"],
        file: "crates/tramline/src/clock.rs",
    },
    Door {
        what: "a socket",
        patterns: &["TcpStream", "TcpSocket", "UnixStream", "tokio::net::TcpListener"],
        file: "crates/tramline/src/io/socket.rs",
    },
];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for source in tree.sources.iter().filter(|source| source.path.starts_with(ROOM)) {
        let places = named_places(source);
        for door in DOORS.iter().filter(|door| door.file != source.path) {
            for pattern in door.patterns {
                let Some((path, line)) =
                    places.iter().find(|(path, line)| names(path, pattern) && !source.is_test_line(*line))
                else {
                    continue;
                };
                let what = format!("`{path}` names {}, which only {} may", door.what, door.file);
                let fix = "take it as a parameter, or go through that file";
                findings.add(&source.path, *line, "doors", what, fix);
            }
        }
    }
}

/// Whether `path` has the segments of `pattern`, in a row.
fn names(path: &str, pattern: &str) -> bool {
    format!("::{path}::").contains(&format!("::{pattern}::"))
}

/// Every path that a file names, from its tokens (macros included) and its imports.
fn named_places(source: &Source) -> Vec<(String, usize)> {
    let mut places = Vec::new();
    let mut path = String::new();
    let mut line = 0;
    for token in &source.tokens {
        let is_colon = token.text == ":";
        let continues = is_colon || path.is_empty() || path.ends_with("::");
        if !continues {
            places.push((std::mem::take(&mut path), line));
        }
        if path.is_empty() {
            line = token.line;
        }
        path.push_str(&token.text);
    }
    places.push((path, line));
    let mut imports = Imports { places };
    imports.visit_file(&source.syntax);
    imports.places
}

struct Imports {
    places: Vec<(String, usize)>,
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add(String::new(), &item.tree);
    }
}

impl Imports {
    fn add(&mut self, before: String, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.add(format!("{before}{}::", path.ident), &path.tree),
            syn::UseTree::Name(name) => self.places.push((format!("{before}{}", name.ident), tree.span().start().line)),
            syn::UseTree::Rename(name) => {
                self.places.push((format!("{before}{}", name.ident), tree.span().start().line));
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add(before.clone(), tree);
                }
            }
            _ => {}
        }
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
    fn time_and_sockets_have_one_door_each() {
        let elsewhere = "crates/tramline/src/server/accept.rs";
        assert_eq!(places(elsewhere, "fn a() {\n    Instant::now();\n}"), [format!("{elsewhere}:2")]);
        assert_eq!(places(elsewhere, "use tokio::{net::TcpStream, sync};"), [format!("{elsewhere}:1")]);
        assert_eq!(places(elsewhere, "use tokio::{sync, time::sleep};"), [format!("{elsewhere}:1")]);
        assert_eq!(places(elsewhere, "fn a() {\n    select! { _ = tokio::time::sleep(d) => {} }\n}").len(), 1);
        assert!(places("crates/tramline/src/clock.rs", "fn a() { Instant::now(); }").is_empty());
    }

    #[test]
    fn tests_types_and_other_rooms_are_free() {
        assert!(
            places("crates/tramline/src/a.rs", "#[cfg(test)]\nmod tests { fn a() { Instant::now(); } }").is_empty()
        );
        assert!(places("crates/tramline/src/a.rs", "fn a(now: Instant) {}").is_empty());
        assert!(places("interop/src/main.rs", "fn a() { Instant::now(); }").is_empty());
    }
}
