//! Proto names as Rust identifiers.

use std::collections::BTreeSet;

use heck::{ToShoutySnakeCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use proc_macro2::{Ident, Span};

/// Names that a method cannot have: they belong to the generated types, and a method that hides `clone` would be
/// called where a copy is meant.
const TAKEN_METHODS: &[&str] = &["new", "clone"];

/// Names that a method's constant cannot have beside the service's own.
const TAKEN_CONSTANTS: &[&str] = &["NAME"];

/// `name` as an identifier, raw or with an underscore where it is a keyword.
pub(crate) fn ident(name: &str) -> Ident {
    match name {
        // Not even raw.
        "self" | "super" | "crate" | "Self" | "_" => Ident::new(&format!("{name}_"), Span::call_site()),
        _ if is_keyword(name) => Ident::new_raw(name, Span::call_site()),
        _ => Ident::new(name, Span::call_site()),
    }
}

fn is_keyword(name: &str) -> bool {
    buffa_codegen::idents::is_rust_keyword(name)
}

/// A package segment or a message's name as the module of what it contains.
pub(crate) fn module(name: &str) -> String {
    ident(&name.to_snake_case()).to_string()
}

/// A service's or method's name as a type's.
pub(crate) fn type_name(name: &str) -> String {
    name.to_upper_camel_case()
}

/// The stem of a service's modules: `greeter` of `greeter_client`.
pub(crate) fn stem(name: &str) -> String {
    name.to_snake_case()
}

/// Gives out names, each once.
#[derive(Default)]
pub(crate) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    pub(crate) fn new(taken: impl IntoIterator<Item = String>) -> Self {
        Self { taken: taken.into_iter().collect() }
    }

    /// The names of methods' functions within one service.
    pub(crate) fn of_methods() -> Self {
        Self::new(TAKEN_METHODS.iter().map(|&name| name.to_owned()))
    }

    /// The names of methods' constants within one service.
    pub(crate) fn of_constants() -> Self {
        Self::new(TAKEN_CONSTANTS.iter().map(|&name| name.to_owned()))
    }

    /// `wanted`, or with as many underscores behind it as it takes to be free.
    pub(crate) fn claim(&mut self, wanted: String) -> String {
        let mut name = wanted;
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// A method's name as a function's.
pub(crate) fn function(name: &str) -> String {
    name.to_snake_case()
}

/// A method's name as a constant's.
pub(crate) fn constant(name: &str) -> String {
    name.to_shouty_snake_case()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_become_raw_or_get_an_underscore() {
        assert_eq!(ident("type").to_string(), "r#type");
        assert_eq!(ident("self").to_string(), "self_");
        assert_eq!(ident("gen").to_string(), "r#gen");
        assert_eq!(ident("name").to_string(), "name");
    }

    #[test]
    fn a_name_is_given_out_once() {
        let mut names = Names::of_methods();
        assert_eq!(names.claim("clone".into()), "clone_");
        assert_eq!(names.claim("get".into()), "get");
        assert_eq!(names.claim("get".into()), "get_");
        assert_eq!(names.claim("get".into()), "get__");
    }
}
