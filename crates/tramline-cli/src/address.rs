//! Addresses as people type them.

use crate::flags::UsageError;

/// What a channel connects to, and whether its address asks for TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// A target that a channel can read.
    pub(crate) target: String,
    pub(crate) is_https: bool,
}

impl Address {
    /// Reads `host:port`, `:port`, `port`, `http://…`, `https://…`, `unix:…` and all other
    /// targets with a scheme.
    pub(crate) fn parse(typed: &str) -> Result<Address, UsageError> {
        if typed.is_empty() {
            return Err(UsageError::new("the address is empty").with_hint("it is host:port, as localhost:50051"));
        }
        if typed.contains("://") || has_scheme(typed) {
            return Ok(Address { target: typed.to_owned(), is_https: typed.starts_with("https://") });
        }
        let target = match typed.strip_prefix(':').unwrap_or(typed) {
            port if port.bytes().all(|b| b.is_ascii_digit()) => format!("localhost:{port}"),
            _ => typed.to_owned(),
        };
        if target.contains('/') {
            return Err(UsageError::new(format!("`{typed}` is no address"))
                .with_hint("the method comes after it: tram call localhost:50051 greeter.Greeter/SayHello"));
        }
        if !has_port(&target) {
            return Err(without_port(typed));
        }
        Ok(Address { target, is_https: false })
    }
}

fn without_port(typed: &str) -> UsageError {
    match typed.split_once(':') {
        Some((host, port)) if !port.contains(':') => {
            UsageError::new(format!("the port of `{typed}` is no number from 0 to 65535: `{port}`"))
                .with_hint(format!("write {host}:50051, or whichever port it is"))
        }
        _ => UsageError::new(format!("`{typed}` has no port"))
            .with_hint(format!("an address comes first: {typed}:50051, or localhost:50051 if {typed} is a method")),
    }
}

/// The schemes of targets that are written without `//`.
fn has_scheme(typed: &str) -> bool {
    ["unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:"].iter().any(|scheme| typed.starts_with(scheme))
}

fn has_port(target: &str) -> bool {
    let (_, port) = target.rsplit_once(':').unwrap_or_default();
    let is_bare_v6 = target.matches(':').count() > 1 && !target.starts_with('[');
    !is_bare_v6 && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        let target = |typed| Address::parse(typed).map(|address| address.target).map_err(|error| error.to_string());
        assert_eq!(target("localhost:50051").as_deref(), Ok("localhost:50051"));
        assert_eq!(target(":50051").as_deref(), Ok("localhost:50051"));
        assert_eq!(target("50051").as_deref(), Ok("localhost:50051"));
        assert_eq!(target("[::1]:50051").as_deref(), Ok("[::1]:50051"));
        assert_eq!(target("unix:/tmp/s").as_deref(), Ok("unix:/tmp/s"));
        assert_eq!(target("dns:///h:1").as_deref(), Ok("dns:///h:1"));
        assert!(target("localhost").is_err_and(|error| error.contains("localhost:50051")));
        assert!(target("localhost:abc").is_err_and(|error| error.contains("no number") && error.contains("`abc`")));
        assert!(target("SayHello").is_err_and(|error| error.contains("if SayHello is a method")));
        assert!(target("::1").is_err());
        assert!(target("localhost:50051/greeter.Greeter/SayHello").is_err_and(|error| error.contains("method")));
        assert!(target("").is_err());
    }

    #[test]
    fn https_means_tls() {
        assert!(Address::parse("https://example.com").is_ok_and(|address| address.is_https));
        assert!(Address::parse("http://example.com:80").is_ok_and(|address| !address.is_https));
    }
}
