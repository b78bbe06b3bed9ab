//! No messages: every type is somebody else's.

use std::collections::BTreeMap;

use super::{MessageCode, MethodTypes};
use crate::{config::Config, error::Error, names, schema::Schema};

pub(super) fn generate(schema: &Schema, config: &Config) -> Result<MessageCode, Error> {
    let types = MethodTypes::resolve(schema, |_package, name| {
        config.extern_type(name).ok_or_else(|| {
            Error::config(format!("no extern path covers `{name}`, and no messages are to be generated"))
        })
    })?;
    Ok(MessageCode { packages: BTreeMap::new(), types, module: names::module, warnings: Vec::new() })
}
