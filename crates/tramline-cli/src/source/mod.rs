//! Where the schema comes from: the server itself, or files.

mod local;
mod reflected;

use tramline::{Channel, Metadata};

use crate::dynamic::{LookupError, MethodName, Schema};
use crate::failure::Failure;
use crate::flags::Options;
use reflected::Reflected;

/// A source of schema.
pub(crate) enum Source {
    /// The server describes itself.
    Reflection(Box<Reflected>),
    /// Files hold all there is.
    Files(Schema),
}

impl Source {
    /// What the flags say: files if they name any, or else the server.
    pub(crate) fn new(options: &Options, channel: &Channel, metadata: &Metadata) -> Result<Source, Failure> {
        match local::schema(options)? {
            Some(schema) => Ok(Source::Files(schema)),
            None => {
                Ok(Source::Reflection(Box::new(Reflected::new(channel.clone(), metadata.clone(), options.timeout))))
            }
        }
    }

    /// The full names of all services.
    pub(crate) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        match self {
            Source::Reflection(reflected) => reflected.services().await,
            Source::Files(schema) => {
                Ok(schema.pool().services().iter().map(|service| service.full_name().to_owned()).collect())
            }
        }
    }

    /// A schema with everything about these services.
    pub(crate) async fn of_services(&mut self, services: &[String]) -> Result<Schema, Failure> {
        match self {
            Source::Reflection(reflected) => reflected.of_symbols(services).await,
            Source::Files(schema) => Ok(schema.clone()),
        }
    }

    /// A schema with every method that `name` may mean, and the standard types.
    pub(crate) async fn of_method(&mut self, name: &MethodName) -> Result<Schema, Failure> {
        let schema = match self {
            Source::Reflection(reflected) => reflected.of_method(name).await?,
            Source::Files(schema) => schema.clone(),
        };
        Ok(local::with_standard_types(schema))
    }

    /// A schema with this symbol: its full name, or its end.
    pub(crate) async fn of_symbol(&mut self, symbol: &str) -> Result<Schema, Failure> {
        match self {
            Source::Reflection(reflected) => reflected.of_symbol(symbol).await,
            Source::Files(schema) => Ok(schema.clone()),
        }
    }

    /// The schema with these types too, as far as the source knows them.
    pub(crate) async fn with_types(&mut self, schema: &Schema, types: &[String]) -> Schema {
        let missing: Vec<String> =
            types.iter().filter(|name| schema.pool().message_index(name).is_none()).cloned().collect();
        match self {
            Source::Reflection(reflected) if !missing.is_empty() => match reflected.with_types(&missing).await {
                Ok(wider) => local::with_standard_types(wider),
                Err(_) => schema.clone(),
            },
            _ => schema.clone(),
        }
    }
}

/// Those of `services` that are called so, whole or by their end.
///
/// # Errors
/// There is none.
pub(crate) fn named(services: &[String], name: &str) -> Result<Vec<String>, LookupError> {
    let found: Vec<String> = services.iter().filter(|service| crate::dynamic::names(name, service)).cloned().collect();
    if found.is_empty() {
        return Err(crate::dynamic::no_service(name, services.iter().map(String::as_str)));
    }
    Ok(found)
}
