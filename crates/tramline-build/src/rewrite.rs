//! Changes to generated text that leave its layout alone: paths by other crates' names, and lints.

use std::ops::Range;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{error::Error, service::ALLOWED_LINTS};

/// A piece of text to put in the place of another.
struct Edit {
    range: Range<usize>,
    text: String,
}

/// `text` with every absolute path into a crate of `replacements` led to its new place.
///
/// The tokens decide: `::buffa::Message` in a comment or a string stays as it is.
pub(crate) fn rewrite_paths(text: &str, replacements: &[(&str, String)]) -> Result<String, Error> {
    let mut edits = Vec::new();
    find_paths(lex(text)?, replacements, &mut edits);
    Ok(apply(text, edits))
}

/// A library's file of messages, as [`rewrite_paths`] makes it, and with every item at its top excused from the lints
/// of the crate that includes it.
pub(crate) fn adapt_messages(text: &str, replacements: &[(&str, String)]) -> Result<String, Error> {
    let tokens = lex(text)?;
    let excuse = |at| Edit { range: at..at, text: format!("{ALLOWED_LINTS}\n") };
    let mut edits: Vec<Edit> = item_starts(tokens.clone()).into_iter().map(excuse).collect();
    find_paths(tokens, replacements, &mut edits);
    Ok(apply(text, edits))
}

fn lex(text: &str) -> Result<TokenStream, Error> {
    text.parse().map_err(|error| Error::config(format!("the generated text is not Rust: {error}")))
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.range.start);
    let mut result = String::with_capacity(text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut done = 0;
    for edit in edits {
        result.push_str(&text[done..edit.range.start]);
        result.push_str(&edit.text);
        done = edit.range.end;
    }
    result.push_str(&text[done..]);
    result
}

/// Finds `::name` that no path leads up to, so that `name` is a crate.
fn find_paths(tokens: TokenStream, replacements: &[(&str, String)], edits: &mut Vec<Edit>) {
    let mut last = [None, None, None];
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                find_paths(group.stream(), replacements, edits);
                last = [None, None, Some(Piece::Other)];
                continue;
            }
            TokenTree::Ident(name) => {
                let replacement = replacements.iter().find(|(old, _)| name == old);
                if let (Some((_, new)), [before, Some(Piece::Colon(start)), Some(Piece::Colon(_))]) =
                    (replacement, last)
                    && !matches!(before, Some(Piece::Name))
                {
                    edits.push(Edit { range: start..name.span().byte_range().end, text: new.clone() });
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        last = [last[1], last[2], Some(Piece::of(&token))];
    }
}

/// What came before a name.
#[derive(Clone, Copy)]
enum Piece {
    /// A colon, and where it stands.
    Colon(usize),
    /// A name, which a path may go on from.
    Name,
    Other,
}

impl Piece {
    fn of(token: &TokenTree) -> Self {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => Self::Colon(punct.span().byte_range().start),
            TokenTree::Ident(name) if !is_expression_keyword(&name.to_string()) => Self::Name,
            _ => Self::Other,
        }
    }
}

/// Keywords that a path may follow (`impl ::buffa::Message`), unlike any other name.
fn is_expression_keyword(name: &str) -> bool {
    matches!(
        name,
        "as" | "async"
            | "await"
            | "break"
            | "const"
            | "dyn"
            | "else"
            | "for"
            | "if"
            | "impl"
            | "in"
            | "let"
            | "match"
            | "move"
            | "mut"
            | "ref"
            | "return"
            | "static"
            | "unsafe"
            | "use"
            | "where"
            | "while"
            | "pub"
            | "type"
    )
}

/// Where the items of a file begin, their attributes included. Invocations of macros by absolute paths are left out:
/// nothing can be allowed for them from outside.
fn item_starts(tokens: TokenStream) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut is_start = true;
    for token in tokens {
        let begins = match &token {
            TokenTree::Punct(punct) => punct.as_char() == '#',
            TokenTree::Ident(_) => true,
            TokenTree::Group(_) | TokenTree::Literal(_) => false,
        };
        if is_start && begins {
            starts.push(token.span().byte_range().start);
        }
        is_start = match &token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        rewrite_paths(text, &[("buffa", "::tramline::codec::buffa".into())]).unwrap()
    }

    #[test]
    fn absolute_paths_are_led_elsewhere() {
        let text = "impl ::buffa::Message for X { fn f(a: &mut impl ::buffa::Sink) -> ::buffa::Tag { ::buffa::f() } }";
        assert_eq!(rewritten(text), text.replace("::buffa", "::tramline::codec::buffa"));
    }

    #[test]
    fn modules_comments_and_strings_of_that_name_stay() {
        for text in ["a::buffa::b()", "/// see ::buffa::X\nstruct S;", "f(\"::buffa::X\")"] {
            assert_eq!(rewritten(text), text);
        }
    }

    #[test]
    fn a_raw_name_or_a_longer_one_is_another() {
        assert_eq!(rewritten("fn f(x: ::buffa_types::X) {}"), "fn f(x: ::buffa_types::X) {}");
    }

    #[test]
    fn every_item_is_excused_once() {
        let text =
            "/// Doc.\n#[derive(Clone)]\npub struct A { x: u8 }\n::m::call!(A);\nimpl A { fn f() {} }\npub use a::B;\n";
        let allowed = adapt_messages(text, &[]).unwrap();
        assert_eq!(allowed.matches("generated code").count(), 3);
        assert!(allowed.starts_with("#[allow(clippy::all"), "{allowed}");
        assert!(syn2::parse_file(&allowed).is_ok());
    }
}
