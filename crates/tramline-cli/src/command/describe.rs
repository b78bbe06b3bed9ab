//! `tram describe`: definitions as proto text.

use super::{Session, address, missing};
use crate::dynamic::{LookupError, Schema};
use crate::failure::Failure;
use crate::flags::{Command, Options};
use crate::{output, proto_text, suggest};

pub(super) async fn run(options: &Options, operands: &[String]) -> Result<(), Failure> {
    let (address, symbols) = address(Command::Describe, operands)?;
    if symbols.is_empty() {
        return Err(missing(Command::Describe, "the name of something to describe").into());
    }
    let mut session = Session::open(options, &address).await?;
    let mut texts = Vec::new();
    for symbol in symbols {
        let schema = session.source.of_symbol(symbol).await?;
        let full_name = full_name(&schema, symbol)?;
        let definition = proto_text::definition(&schema, &full_name);
        let definition = definition.ok_or_else(|| Failure::new(format!("`{full_name}` has no definition")))?;
        texts.push(format!("// {full_name}\n{definition}"));
    }
    output::print(&output::visible(&texts.join("\n")))
}

/// The one symbol that is called so, whole or by its end.
fn full_name(schema: &Schema, typed: &str) -> Result<String, LookupError> {
    let typed = typed.trim_start_matches(['/', '.']).replace('/', ".");
    if schema.pool().file_containing_symbol(&typed).is_some() {
        return Ok(typed);
    }
    let names = names(schema);
    let found: Vec<&String> = names.iter().filter(|name| crate::dynamic::names(&typed, name)).collect();
    match found.as_slice() {
        [name] => Ok((*name).clone()),
        [] => Err(no_symbol(&typed, &names)),
        several => Err(LookupError {
            message: format!("`{typed}` is the name of several things"),
            hint: suggest::choices(several.iter().map(|name| name.as_str())).map(|names| format!("say which: {names}")),
        }),
    }
}

fn names(schema: &Schema) -> Vec<String> {
    let pool = schema.pool();
    let messages = pool.messages().iter().map(|message| message.full_name().to_owned());
    let enums = pool.enums().iter().map(|enumeration| enumeration.full_name().to_owned());
    let services = pool.services().iter().map(|service| service.full_name().to_owned());
    let methods = schema.methods().map(|method| method.full_name().replace('/', "."));
    messages.chain(enums).chain(services).chain(methods).collect()
}

fn no_symbol(typed: &str, names: &[String]) -> LookupError {
    let last = |name: &'_ str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let near = suggest::nearest(typed, names.iter().map(String::as_str)).map(str::to_owned);
    let near =
        near.or_else(|| names.iter().find(|name| suggest::nearest(typed, [last(name).as_str()]).is_some()).cloned());
    LookupError {
        message: format!("there is nothing called `{typed}`"),
        hint: near.map(|near| format!("did you mean {near}?")),
    }
}
