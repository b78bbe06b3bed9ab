//! What to generate, and how.

/// The library that messages are generated for.
///
/// ```
/// use tramline_build::{Builder, Prost};
/// let builder = Builder::new().messages(Prost);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Messages {
    /// buffa: proto2, proto3 and editions, unknown fields kept. The default.
    #[default]
    Buffa,
    /// prost: proto2 and proto3, as tonic users have them.
    Prost,
    /// No messages: services only, over types that exist already. Each type needs an extern path, and
    /// [`Builder::codec`](crate::Builder::codec) names their codec.
    None,
}

/// A part of a generated service that attributes can be put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServicePart {
    /// The struct `GreeterClient`.
    Client,
    /// The struct `GreeterServer`.
    Server,
    /// The trait `Greeter`.
    Trait,
    /// The module `greeter_client`.
    ClientModule,
    /// The module `greeter_server`.
    ServerModule,
}

/// An attribute for everything that a path covers.
#[derive(Debug, Clone)]
pub(crate) struct Attribute<Part = ()> {
    pub(crate) part: Part,
    /// A full proto name with its leading dot, or `.` for all.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl<Part> Attribute<Part> {
    pub(crate) fn new(part: Part, path: &str, text: String) -> Self {
        Self { part, path: rooted(path), text }
    }
}

/// All settings that shape the generated text; where it goes is the builder's business.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) messages: Messages,
    pub(crate) client: bool,
    pub(crate) server: bool,
    pub(crate) type_attributes: Vec<Attribute>,
    pub(crate) field_attributes: Vec<Attribute>,
    pub(crate) service_attributes: Vec<Attribute<ServicePart>>,
    /// Proto path (with its leading dot) to Rust path.
    pub(crate) extern_paths: Vec<(String, String)>,
    pub(crate) bytes_as_vec: bool,
    pub(crate) btree_map: bool,
    pub(crate) embed_descriptor_set: bool,
    /// The path of the crate `tramline` in generated code.
    pub(crate) runtime: String,
    /// The codec's path, where it is not the message library's own.
    pub(crate) codec: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            messages: Messages::default(),
            client: true,
            server: true,
            type_attributes: Vec::new(),
            field_attributes: Vec::new(),
            service_attributes: Vec::new(),
            extern_paths: Vec::new(),
            bytes_as_vec: false,
            btree_map: false,
            embed_descriptor_set: true,
            runtime: "::tramline".to_owned(),
            codec: None,
        }
    }
}

impl Config {
    pub(crate) fn codec_path(&self) -> String {
        let name = if self.messages == Messages::Prost { "Prost" } else { "Buffa" };
        self.codec.clone().unwrap_or_else(|| format!("{}::codec::{name}", self.runtime))
    }

    /// The Rust path that stands for `type_name` (with its leading dot), by the longest extern path that covers it.
    pub(crate) fn extern_type(&self, type_name: &str) -> Option<String> {
        let covering = self.extern_paths.iter().filter(|(proto, _)| covers(proto, type_name));
        let (proto, rust) = covering.max_by_key(|(proto, _)| proto.len())?;
        let below = type_name[proto.len()..].trim_start_matches('.');
        if below.is_empty() {
            return Some(rust.clone());
        }
        // `.pkg` → `::crate`: what lies between are nested messages or packages, as modules.
        let (modules, name) = below.rsplit_once('.').map_or(("", below), |(modules, name)| (modules, name));
        let mut path = rust.clone();
        for module in modules.split('.').filter(|module| !module.is_empty()) {
            path.push_str("::");
            path.push_str(&crate::names::module(module));
        }
        Some(format!("{path}::{name}"))
    }
}

/// `path` with its leading dot, which the message libraries treat differently where it is missing.
pub(crate) fn rooted(path: &str) -> String {
    if path.starts_with('.') { path.to_owned() } else { format!(".{path}") }
}

/// Whether `path` names `name` or something around it, segment by segment.
pub(crate) fn covers(path: &str, name: &str) -> bool {
    path == "." || name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_covers_whole_segments() {
        assert!(covers(".", ".a.B"));
        assert!(covers(".a", ".a.B"));
        assert!(covers(".a.B", ".a.B"));
        assert!(!covers(".a.B", ".a.Bc"));
    }

    #[test]
    fn the_longest_extern_path_wins() {
        let config = Config {
            extern_paths: vec![(".a".into(), "::one".into()), (".a.B".into(), "::two::Bee".into())],
            ..Config::default()
        };
        assert_eq!(config.extern_type(".a.B").as_deref(), Some("::two::Bee"));
        assert_eq!(config.extern_type(".a.C").as_deref(), Some("::one::C"));
        assert_eq!(config.extern_type(".a.Outer.type.C").as_deref(), Some("::one::outer::r#type::C"));
        assert_eq!(config.extern_type(".b.C"), None);
    }
}
