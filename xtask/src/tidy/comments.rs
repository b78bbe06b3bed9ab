//! Comments cite public sources. Ids of a private checklist (a letter and a number)
//! mean nothing to a reader who has only the repository.

use super::finding::Findings;
use super::source::Tree;

/// The letters that such ids start with.
const LETTERS: &[char] = &['W', 'I', 'R'];
/// The page of the project that may define ids of its own.
const DEFINES_IDS: &str = "docs/behaviour.md";
/// Files whose text nobody wrote by hand.
const MACHINE_MADE: &[&str] = &["Cargo.lock", "go.sum", "package-lock.json"];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for text in &tree.texts {
        let is_exempt = text.path == DEFINES_IDS || MACHINE_MADE.iter().any(|name| text.path.ends_with(name));
        if is_exempt {
            continue;
        }
        for (index, line) in text.content.lines().enumerate() {
            if let Some(id) = private_id(line) {
                let fix = "cite the public clause (RFC 9113 §…, gRPC PROTOCOL-HTTP2, gRFC A…)";
                findings.add(&text.path, index + 1, "citations", format!("`{id}` is an id of a private list"), fix);
            }
        }
    }
}

fn private_id(line: &str) -> Option<&str> {
    line.match_indices('-').find_map(|(at, _)| {
        let start = at.checked_sub(1)?;
        let letter = line.get(start..at)?.chars().next()?;
        let is_word_start = !line[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '/');
        let digits = line[at + 1..].chars().take_while(char::is_ascii_digit).count();
        let end = at + 1 + digits;
        let is_word_end = !line[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let is_id = LETTERS.contains(&letter) && is_word_start && is_word_end && (1..=3).contains(&digits);
        is_id.then(|| &line[start..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_ids_are_told_from_other_words() {
        let id = format!("{}-{}", 'W', 12);
        assert_eq!(private_id(&format!("obeys {id}.")), Some(id.as_str()));
        assert_eq!(private_id("ISO-8859-1, I-frame, gRFC A6, RFC-9113"), None);
        assert_eq!(private_id("é-1 and -1 and R-12345"), None);
    }

    #[test]
    fn the_page_that_defines_ids_may_use_them() {
        let line = format!("| {}-{} | a rule |", 'R', 5);
        let mut findings = Findings::default();
        check(&Tree::of(&[(DEFINES_IDS, &line), ("README.md", &line)]), &mut findings);
        assert_eq!(findings.places(), ["README.md:1"]);
    }
}
