//! Messages by the library of the user's choice.

mod buffa;
mod none;
mod prost;

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    config::{Config, Messages},
    error::Error,
    schema::Schema,
};

/// What a message library makes of a schema.
pub(crate) struct MessageCode {
    /// Rust text by package, for the packages that declare types.
    pub(crate) packages: BTreeMap<String, String>,
    pub(crate) types: MethodTypes,
    /// How the library spells a segment of a package as a module.
    pub(crate) module: fn(&str) -> String,
    /// What the library has to say to the user.
    pub(crate) warnings: Vec<String>,
}

/// The Rust types of requests and responses: all that the generator of services knows of messages.
#[derive(Default)]
pub(crate) struct MethodTypes {
    /// By package and full proto name (with its leading dot), as a module inside the package's module names them.
    paths: BTreeMap<(String, String), TokenStream>,
}

impl MethodTypes {
    /// The types of all methods that code is written for, each by `path_of` its package and name.
    fn resolve(schema: &Schema, mut path_of: impl FnMut(&str, &str) -> Result<String, Error>) -> Result<Self, Error> {
        let mut paths = BTreeMap::new();
        for (package, files) in schema.packages() {
            let methods = files.iter().flat_map(|file| &file.service).flat_map(|service| &service.method);
            for name in methods.flat_map(|method| [&method.input_type, &method.output_type]).flatten() {
                let path = path_of(package, name)?;
                let path = syn2::parse_str::<syn2::Type>(&path)
                    .map_err(|error| Error::config(format!("`{path}` is not a Rust type: {error}")))?;
                paths.insert((package.to_owned(), name.clone()), quote! { #path });
            }
        }
        Ok(Self { paths })
    }

    pub(crate) fn get(&self, package: &str, name: &str) -> Result<TokenStream, Error> {
        let path = self.paths.get(&(package.to_owned(), name.to_owned()));
        path.cloned().ok_or_else(|| Error::schema(format!("the descriptor set has no type `{name}`")))
    }
}

/// Generates the messages of `schema`.
pub(crate) fn generate(schema: &Schema, config: &Config) -> Result<MessageCode, Error> {
    match config.messages {
        Messages::Buffa => buffa::generate(schema, config),
        Messages::Prost => prost::generate(schema, config),
        Messages::None => none::generate(schema, config),
    }
}
