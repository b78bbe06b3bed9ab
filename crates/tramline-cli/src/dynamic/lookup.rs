//! Methods by the names that people give them.

use super::{Method, Schema};
use crate::suggest;

/// A method's name as typed: `Method`, `Service/Method`, `package.Service/Method`, with
/// or without a leading slash, or with a dot for the slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MethodName {
    /// The service, whole or its last part, if one was named.
    pub(crate) service: Option<String>,
    pub(crate) method: String,
}

impl MethodName {
    pub(crate) fn parse(name: &str) -> Self {
        let name = name.strip_prefix('/').unwrap_or(name);
        let (service, method) = match name.rsplit_once(['/', '.']) {
            Some((service, method)) => (Some(service.to_owned()), method),
            None => (None, name),
        };
        MethodName { service, method: method.to_owned() }
    }

    /// Whether the service of this full name may be meant.
    pub(crate) fn may_be_in(&self, service: &str) -> bool {
        self.service.as_deref().is_none_or(|typed| names(typed, service))
    }
}

/// `typed` is the whole of `full_name`, or its end after a dot.
pub(crate) fn names(typed: &str, full_name: &str) -> bool {
    full_name.strip_suffix(typed).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Why a name is not the name of one method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LookupError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl LookupError {
    /// Whether there is something with nearly that name.
    pub(crate) fn is_near(&self) -> bool {
        self.hint.as_deref().is_some_and(|hint| hint.starts_with("did you mean"))
    }
}

impl Schema {
    /// The one method that `name` means.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub(crate) fn find_method(&self, name: &MethodName) -> Result<Method<'_>, LookupError> {
        let found: Vec<Method<'_>> = self
            .methods()
            .filter(|method| name.may_be_in(method.service.full_name()) && method.method.name() == name.method)
            .collect();
        let whole = found.iter().find(|method| name.service.as_deref() == Some(method.service.full_name()));
        let own: Vec<&Method<'_>> = found.iter().filter(|method| !is_infrastructure(method)).collect();
        match (whole, found.as_slice(), own.as_slice()) {
            (Some(method), ..) | (None, [method], _) => Ok(*method),
            (None, _, [method]) => Ok(**method),
            (None, [], _) => Err(self.no_method(name)),
            (None, several, _) => Err(ambiguous(name, several)),
        }
    }

    fn no_method(&self, name: &MethodName) -> LookupError {
        let candidates: Vec<Method<'_>> =
            self.methods().filter(|method| name.may_be_in(method.service.full_name())).collect();
        if candidates.is_empty() {
            let service = name.service.as_deref().unwrap_or_default();
            return self.no_service(service);
        }
        let message = match &name.service {
            Some(service) => format!("the service {service} has no method `{}`", name.method),
            None => format!("no service has a method `{}`", name.method),
        };
        let names = || candidates.iter().map(|method| method.method.name());
        let hint = match suggest::nearest(&name.method, names()) {
            Some(near) => candidates
                .iter()
                .find(|method| method.method.name() == near)
                .map(|method| format!("did you mean {}?", method.full_name())),
            None => suggest::choices(names()).map(|methods| format!("there is {methods}")),
        };
        LookupError { message, hint }
    }

    /// No service of this name, with what there is instead.
    pub(crate) fn no_service(&self, name: &str) -> LookupError {
        no_service(name, self.pool().services().iter().map(|service| service.full_name()))
    }
}

/// A method of gRPC's own services, such as health's List: a server's own methods go first.
fn is_infrastructure(method: &Method<'_>) -> bool {
    method.service.full_name().starts_with("grpc.")
}

/// No service of this name among these.
pub(crate) fn no_service<'s>(name: &str, services: impl Iterator<Item = &'s str> + Clone) -> LookupError {
    let last = |full_name: &'s str| full_name.rsplit('.').next().unwrap_or(full_name);
    let near = suggest::nearest(name, services.clone())
        .or_else(|| services.clone().find(|service| suggest::nearest(name, [last(service)]).is_some()));
    let hint = match near {
        Some(near) => Some(format!("did you mean {near}?")),
        None => suggest::choices(services).map(|services| format!("there is {services}")),
    };
    LookupError { message: format!("there is no service `{name}`"), hint }
}

fn ambiguous(name: &MethodName, several: &[Method<'_>]) -> LookupError {
    let full_names: Vec<String> = several.iter().map(Method::full_name).collect();
    LookupError {
        message: format!("`{}` is the name of several methods", name.method),
        hint: suggest::choices(full_names.iter().map(String::as_str)).map(|names| format!("say which: {names}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let parsed = |name| {
            let name = MethodName::parse(name);
            (name.service.unwrap_or_default(), name.method)
        };
        assert_eq!(parsed("SayHello"), (String::new(), "SayHello".to_owned()));
        assert_eq!(parsed("Greeter/SayHello"), ("Greeter".to_owned(), "SayHello".to_owned()));
        assert_eq!(parsed("/greeter.Greeter/SayHello"), ("greeter.Greeter".to_owned(), "SayHello".to_owned()));
        assert_eq!(parsed("greeter.Greeter.SayHello"), ("greeter.Greeter".to_owned(), "SayHello".to_owned()));
    }

    #[test]
    fn a_service_goes_by_its_end() {
        assert!(names("Greeter", "greeter.Greeter"));
        assert!(names("greeter.Greeter", "greeter.Greeter"));
        assert!(!names("eeter", "greeter.Greeter"));
        assert!(!names("other.Greeter", "greeter.Greeter"));
    }
}
