//! `tram ls`: what a server offers.

use super::{Session, address};
use crate::dynamic::{Method, MethodName, Schema};
use crate::failure::Failure;
use crate::flags::{Command, Options, UsageError};
use crate::output;
use crate::source::named;

pub(super) async fn run(options: &Options, operands: &[String]) -> Result<(), Failure> {
    let (address, rest) = address(Command::Ls, operands)?;
    if rest.len() > 1 {
        return Err(UsageError::new("tram ls shows one service or method").with_hint(Command::Ls.usage()).into());
    }
    let mut session = Session::open(options, &address).await?;
    match rest.first() {
        None => list_services(options, &mut session).await,
        Some(name) => list_methods(options, &mut session, name).await,
    }
}

async fn list_services(options: &Options, session: &mut Session) -> Result<(), Failure> {
    let services = session.source.services().await?;
    if !options.is_long {
        return output::print(&services.iter().map(|service| format!("{service}\n")).collect::<String>());
    }
    let schema = session.source.of_services(&services).await?;
    let listed = services.iter().map(|service| {
        let lines: String =
            methods_of(&schema, service).map(|method| format!("  {}\n", long(&schema, method))).collect();
        format!("{service}\n{lines}")
    });
    output::print(&listed.collect::<Vec<_>>().join("\n"))
}

/// The methods of the services of this name, or else the one method.
async fn list_methods(options: &Options, session: &mut Session, name: &str) -> Result<(), Failure> {
    let services = session.source.services().await?;
    let no_service = match named(&services, name) {
        Ok(services) => {
            let schema = session.source.of_services(&services).await?;
            let methods = services.iter().flat_map(|service| methods_of(&schema, service));
            return output::print(&methods.map(|method| line(options, &schema, method)).collect::<String>());
        }
        Err(error) => error,
    };
    let method_name = MethodName::parse(name);
    let schema = session.source.of_method(&method_name).await?;
    match schema.find_method(&method_name) {
        Ok(method) => output::print(&line(options, &schema, method)),
        // The name may have been meant as the one or the other.
        Err(_) if no_service.is_near() => Err(no_service.into()),
        Err(no_method) => Err(no_method.into()),
    }
}

fn methods_of<'s>(schema: &'s Schema, service: &str) -> impl Iterator<Item = Method<'s>> {
    let service = service.to_owned();
    schema.methods().filter(move |method| method.service.full_name() == service)
}

fn line(options: &Options, schema: &Schema, method: Method<'_>) -> String {
    match options.is_long {
        true => format!("{}/{}\n", method.service.full_name(), long(schema, method)),
        false => format!("{}\n", method.full_name()),
    }
}

/// The method as a `.proto` file has it, and its kind.
fn long(schema: &Schema, method: Method<'_>) -> String {
    let stream = |is_streaming| if is_streaming { "stream " } else { "" };
    format!(
        "{}({}{}) returns ({}{})  [{}]",
        method.method.name(),
        stream(method.method.is_client_streaming()),
        schema.message_name(method.method.input()),
        stream(method.method.is_server_streaming()),
        schema.message_name(method.method.output()),
        method.kind_name(),
    )
}
