//! Names that a channel connects to (gRPC naming: `doc/naming.md`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::io::Address;

/// gRPC's default port (gRPC naming).
const PORT_DEFAULT: u16 = 443;
const PORT_HTTP: u16 = 80;

/// What a target asks of a name system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A name to look up, perhaps at a certain DNS server.
    Dns { server: Option<String>, host: String, port: u16 },
    /// Addresses, given.
    Addresses(Vec<Address>),
    /// A scheme that the application's own resolver knows.
    Custom,
}

/// Whether the target itself says that TLS is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Security {
    /// `http://`: never.
    Plaintext,
    /// `https://`: always.
    Tls,
    /// The builder decides; plaintext if it does not.
    Unsaid,
}

/// A parsed target: what to resolve, and what the server is called.
///
/// | target | meaning |
/// |---|---|
/// | `dns:///host:port`, `dns://server/host:port` | a name, looked up; port 443 if none is given |
/// | `host:port`, `host` | the same |
/// | `ipv4:1.2.3.4:50051,5.6.7.8:50051`, `ipv6:[::1]:50051` | addresses |
/// | `unix:path`, `unix:///absolute/path` | a Unix socket |
/// | `unix-abstract:name` | a Unix socket in Linux's abstract namespace |
/// | `http://host:port`, `https://host:port` | a name, without and with TLS; ports 80 and 443 if none is given |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    text: String,
    scheme: String,
    /// What follows the scheme, without `//authority/`.
    endpoint: String,
    authority: String,
    pub(crate) place: Place,
    pub(crate) security: Security,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// It cannot be read, or its scheme is unknown; the error says what would do.
    pub fn parse(text: &str) -> Result<Target, Error> {
        let target = Self::parse_any(text)?;
        match target.place {
            Place::Custom => Err(invalid(
                text,
                &format!("the scheme `{}` is unknown", target.scheme),
                "use `dns:///host:port`, `ipv4:`, `ipv6:`, `unix:`, or give the channel's builder a resolver",
            )),
            _ => Ok(target),
        }
    }

    /// As [`parse`](Self::parse), but a scheme that is unknown is the business of the
    /// application's resolver.
    pub(crate) fn parse_any(text: &str) -> Result<Target, Error> {
        check_text(text)?;
        let Some((scheme, rest)) = split_scheme(text) else { return dns(text, "dns", None, text) };
        match scheme {
            "dns" => {
                let (server, endpoint) = split_authority(text, rest)?;
                dns(text, "dns", server, endpoint)
            }
            "http" | "https" => web(text, scheme, rest),
            "ipv4" | "ipv6" => addresses(text, scheme, rest),
            "unix" => unix(text, rest),
            "unix-abstract" => unix_abstract(text, rest),
            _ if rest.starts_with("//") => custom(text, scheme, rest),
            // `localhost:50051` looks like a scheme, too.
            _ => dns(text, "dns", None, text),
        }
    }

    /// A server inside this process.
    pub(crate) fn in_process() -> Target {
        Target {
            text: "inproc:".to_owned(),
            scheme: "inproc".to_owned(),
            endpoint: String::new(),
            authority: "localhost".to_owned(),
            place: Place::Addresses(vec![Address::InProcess]),
            security: Security::Unsaid,
        }
    }

    /// The scheme; `dns` if none was given.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What follows the scheme and its authority.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What calls say in `:authority`, and TLS asks for, unless the builder overrides it.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

fn invalid(text: &str, cause: &str, fix: &str) -> Error {
    Error::new(ErrorKind::Target, format!("target `{text}` cannot be used: {cause}; {fix}"))
}

fn check_text(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(invalid(text, "it is empty", "write `host:port` or `dns:///host:port`"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid(text, "it has white space in it", "remove it"));
    }
    Ok(())
}

/// The scheme of RFC 3986 §3.1, if there is one.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_first = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let is_scheme = is_first && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme.then_some((scheme, rest))
}

/// `//server/host:port`, `///host:port` or `host:port`.
fn split_authority<'a>(text: &str, rest: &'a str) -> Result<(Option<&'a str>, &'a str), Error> {
    let Some(after) = rest.strip_prefix("//") else { return Ok((None, rest.strip_prefix('/').unwrap_or(rest))) };
    let Some((server, endpoint)) = after.split_once('/') else {
        let fix = format!("write `dns:///{after}`, with three slashes");
        return Err(invalid(text, "what follows two slashes is a DNS server, and no name follows it", &fix));
    };
    Ok(((!server.is_empty()).then_some(server), endpoint))
}

fn dns(text: &str, scheme: &str, server: Option<&str>, endpoint: &str) -> Result<Target, Error> {
    let endpoint_of = HostPort::parse(text, endpoint, PORT_DEFAULT)?;
    Ok(Target {
        text: text.to_owned(),
        scheme: scheme.to_owned(),
        endpoint: endpoint.to_owned(),
        authority: endpoint_of.authority(),
        place: endpoint_of.place(server),
        security: Security::Unsaid,
    })
}

fn web(text: &str, scheme: &str, rest: &str) -> Result<Target, Error> {
    let Some(after) = rest.strip_prefix("//") else {
        return Err(invalid(text, "no `//` follows the scheme", &format!("write `{scheme}://host:port`")));
    };
    let (endpoint, path) = after.split_once('/').unwrap_or((after, ""));
    if !path.is_empty() {
        return Err(invalid(text, "it has a path, and the path of a call is its method", "remove the path"));
    }
    let is_tls = scheme == "https";
    let endpoint_of = HostPort::parse(text, endpoint, if is_tls { PORT_DEFAULT } else { PORT_HTTP })?;
    Ok(Target {
        text: text.to_owned(),
        scheme: scheme.to_owned(),
        endpoint: endpoint.to_owned(),
        authority: endpoint_of.authority(),
        place: endpoint_of.place(None),
        security: if is_tls { Security::Tls } else { Security::Plaintext },
    })
}

fn addresses(text: &str, scheme: &str, rest: &str) -> Result<Target, Error> {
    let endpoint = rest.strip_prefix("///").unwrap_or(rest);
    let mut found = Vec::new();
    for part in endpoint.split(',') {
        let address = parse_address(text, part)?;
        if address.is_ipv4() != (scheme == "ipv4") {
            let other = if scheme == "ipv4" { "ipv6" } else { "ipv4" };
            return Err(invalid(text, &format!("`{part}` is no {scheme} address"), &format!("use `{other}:`")));
        }
        found.push(Address::Ip(address));
    }
    let first = endpoint.split(',').next().unwrap_or_default();
    // RFC 3986 §3.2.2: an IPv6 address in an authority goes in brackets.
    let is_bare_v6 = first.parse::<Ipv6Addr>().is_ok();
    let authority = if is_bare_v6 { format!("[{first}]") } else { first.to_owned() };
    Ok(given(text, scheme, endpoint, authority, found))
}

fn parse_address(text: &str, part: &str) -> Result<SocketAddr, Error> {
    let parsed = part.parse::<SocketAddr>().ok();
    let bare = || match part.strip_prefix('[').and_then(|p| p.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => part.parse::<IpAddr>().ok(),
    };
    parsed.or_else(|| bare().map(|ip| SocketAddr::new(ip, PORT_DEFAULT))).ok_or_else(|| {
        invalid(
            text,
            &format!("`{part}` is not an address with a port"),
            "write `ipv4:127.0.0.1:50051` or `ipv6:[::1]:50051`, several with commas between; names go with `dns:///`",
        )
    })
}

fn unix(text: &str, rest: &str) -> Result<Target, Error> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(invalid(text, "after `//` the path must be absolute", "write `unix:///absolute/path`")),
        None => rest,
    };
    if path.is_empty() {
        return Err(invalid(text, "the path is empty", "write `unix:path` or `unix:///absolute/path`"));
    }
    Ok(given(text, "unix", path, "localhost".to_owned(), vec![Address::Unix(PathBuf::from(path))]))
}

fn unix_abstract(text: &str, name: &str) -> Result<Target, Error> {
    if name.is_empty() {
        return Err(invalid(text, "the name is empty", "write `unix-abstract:name`"));
    }
    let address = Address::UnixAbstract(Bytes::copy_from_slice(name.as_bytes()));
    Ok(given(text, "unix-abstract", name, "localhost".to_owned(), vec![address]))
}

fn custom(text: &str, scheme: &str, rest: &str) -> Result<Target, Error> {
    let after = rest.strip_prefix("//").unwrap_or(rest);
    let (_, endpoint) = after.split_once('/').unwrap_or(("", after));
    let authority = encode_authority(endpoint);
    Ok(Target { place: Place::Custom, ..given(text, scheme, endpoint, authority, Vec::new()) })
}

/// What an authority cannot hold is percent-encoded (RFC 3986 §3.2; gRPC naming takes the
/// path of a target for its authority). A user's name has no place in it (RFC 9113 §8.3.1).
fn encode_authority(endpoint: &str) -> String {
    let mut authority = String::with_capacity(endpoint.len());
    for octet in endpoint.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&octet) {
            authority.push(char::from(octet));
        } else {
            authority.push_str(&format!("%{octet:02X}"));
        }
    }
    authority
}

fn given(text: &str, scheme: &str, endpoint: &str, authority: String, addresses: Vec<Address>) -> Target {
    Target {
        text: text.to_owned(),
        scheme: scheme.to_owned(),
        endpoint: endpoint.to_owned(),
        authority,
        place: Place::Addresses(addresses),
        security: Security::Unsaid,
    }
}

/// `host[:port]`.
struct HostPort<'a> {
    host: &'a str,
    /// As it was written; the default is not shown to the server.
    port_text: Option<&'a str>,
    port: u16,
}

impl<'a> HostPort<'a> {
    fn parse(text: &str, endpoint: &'a str, port_default: u16) -> Result<Self, Error> {
        let (host, port_text) = split_port(endpoint);
        if host.is_empty() {
            return Err(invalid(text, "the host is empty", "write `host:port` or `dns:///host:port`"));
        }
        if let Some(wrong) = host.chars().find(|c| !is_host_char(*c)) {
            let cause = format!("`{wrong}` cannot be in the name of a host");
            return Err(invalid(
                text,
                &cause,
                "write `host:port` or `dns:///host:port`; IPv6 addresses go in brackets",
            ));
        }
        let port = match port_text {
            None => port_default,
            Some(digits) => digits.parse().map_err(|_| {
                invalid(text, &format!("`{digits}` is not a port"), "write a number from 0 to 65535 behind the colon")
            })?,
        };
        Ok(HostPort { host, port_text, port })
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_owned() };
        match self.port_text {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// An address needs no lookup.
    fn place(&self, server: Option<&str>) -> Place {
        let ip = match self.host.parse::<Ipv4Addr>() {
            Ok(v4) => Some(SocketAddr::from((v4, self.port))),
            // With a zone (RFC 6874), the parser wants the port beside it.
            Err(_) => format!("[{}]:{}", self.host.replace("%25", "%"), self.port)
                .parse::<SocketAddrV6>()
                .ok()
                .map(Into::into),
        };
        match ip {
            Some(ip) => Place::Addresses(vec![Address::Ip(ip)]),
            None => Place::Dns { server: server.map(str::to_owned), host: self.host.to_owned(), port: self.port },
        }
    }
}

fn split_port(endpoint: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = endpoint.strip_prefix('[').and_then(|e| e.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match endpoint.rsplit_once(':') {
        // An IPv6 address without brackets has no port.
        Some((host, _)) if host.contains(':') => (endpoint, None),
        Some((host, port)) => (host, Some(port)),
        None => (endpoint, None),
    }
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str, port: u16) -> Place {
        Place::Dns { server: None, host: host.to_owned(), port }
    }

    fn ip(address: &str) -> Place {
        Place::Addresses(vec![Address::Ip(address.parse().unwrap())])
    }

    #[test]
    fn targets_are_read() {
        let cases = [
            ("dns:///localhost:50051", name("localhost", 50051), "localhost:50051"),
            ("dns:localhost:50051", name("localhost", 50051), "localhost:50051"),
            ("localhost:50051", name("localhost", 50051), "localhost:50051"),
            ("my-host.example.com", name("my-host.example.com", 443), "my-host.example.com"),
            ("dns:///example.com", name("example.com", 443), "example.com"),
            ("http://example.com", name("example.com", 80), "example.com"),
            ("http://example.com:8080/", name("example.com", 8080), "example.com:8080"),
            ("https://example.com", name("example.com", 443), "example.com"),
            ("127.0.0.1:50051", ip("127.0.0.1:50051"), "127.0.0.1:50051"),
            ("dns:///[::1]:50051", ip("[::1]:50051"), "[::1]:50051"),
            ("[::1]:50051", ip("[::1]:50051"), "[::1]:50051"),
            ("[::1]", ip("[::1]:443"), "[::1]"),
            ("::1", ip("[::1]:443"), "[::1]"),
            ("[fe80::1%252]:80", ip("[fe80::1%2]:80"), "[fe80::1%252]:80"),
            ("ipv4:127.0.0.1:50051", ip("127.0.0.1:50051"), "127.0.0.1:50051"),
            ("ipv4:127.0.0.1", ip("127.0.0.1:443"), "127.0.0.1"),
            ("ipv6:[::1]:50051", ip("[::1]:50051"), "[::1]:50051"),
            ("ipv6:[::1]", ip("[::1]:443"), "[::1]"),
            ("ipv6:::1", ip("[::1]:443"), "[::1]"),
            ("unix:a/b.sock", Place::Addresses(vec![Address::Unix("a/b.sock".into())]), "localhost"),
            ("unix:/a/b.sock", Place::Addresses(vec![Address::Unix("/a/b.sock".into())]), "localhost"),
            ("unix:///a/b.sock", Place::Addresses(vec![Address::Unix("/a/b.sock".into())]), "localhost"),
            ("unix-abstract:a", Place::Addresses(vec![Address::UnixAbstract(Bytes::from("a"))]), "localhost"),
        ];
        for (text, place, authority) in cases {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.place, place, "{text}");
            assert_eq!(target.authority(), authority, "{text}");
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn several_addresses_keep_their_order() {
        let target = Target::parse("ipv4:127.0.0.2:1,127.0.0.1:2").unwrap();
        let addresses = ["127.0.0.2:1", "127.0.0.1:2"].map(|text| Address::Ip(text.parse().unwrap()));
        assert_eq!(target.place, Place::Addresses(addresses.to_vec()));
        assert_eq!(target.authority(), "127.0.0.2:1");
    }

    #[test]
    fn a_dns_server_can_be_named() {
        let target = Target::parse("dns://8.8.8.8/example.com:80").unwrap();
        let server = Some("8.8.8.8".to_owned());
        assert_eq!(target.place, Place::Dns { server, host: "example.com".to_owned(), port: 80 });
    }

    #[test]
    fn security_is_said_by_web_schemes_alone() {
        assert_eq!(Target::parse("https://a").unwrap().security, Security::Tls);
        assert_eq!(Target::parse("http://a").unwrap().security, Security::Plaintext);
        assert_eq!(Target::parse("dns:///a").unwrap().security, Security::Unsaid);
    }

    #[test]
    fn errors_say_cause_and_fix() {
        let cases = [
            ("", "it is empty", "`host:port`"),
            ("a b", "white space", "remove it"),
            (":50051", "the host is empty", "`host:port`"),
            ("dns://localhost:50051", "two slashes", "`dns:///localhost:50051`"),
            ("localhost:port", "`port` is not a port", "65535"),
            ("localhost:65536", "`65536` is not a port", "65535"),
            ("localhost:", "`` is not a port", "65535"),
            ("https://a/b", "has a path", "remove the path"),
            ("https:a", "no `//`", "`https://host:port`"),
            ("user@host:1", "`@` cannot be in the name", "`host:port`"),
            ("ipv4:localhost:1", "`localhost:1` is not an address", "dns:///"),
            ("ipv4:[::1]:1", "is no ipv4 address", "`ipv6:`"),
            ("ipv4:", "`` is not an address", "127.0.0.1:50051"),
            ("unix:", "the path is empty", "`unix:path`"),
            ("unix://a", "must be absolute", "`unix:///absolute/path`"),
            ("unix-abstract:", "the name is empty", "`unix-abstract:name`"),
            ("xds:///a", "the scheme `xds` is unknown", "a resolver"),
        ];
        for (text, cause, fix) in cases {
            let error = Target::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Target);
            let message = error.to_string();
            assert!(message.contains(cause) && message.contains(fix), "{text}: {message}");
        }
    }

    #[test]
    fn unknown_schemes_are_for_the_applications_resolver() {
        let target = Target::parse_any("zk:///services/greeter").unwrap();
        assert_eq!(target.authority(), "services%2Fgreeter");
        assert_eq!((target.scheme(), target.endpoint()), ("zk", "services/greeter"));
        assert_eq!(target.place, Place::Custom);
    }
}
