//! What to do about a call that did not come about.

use tramline::{Code, Status};

/// Advice on a status that this side made; a server's own needs none.
pub(crate) fn hint(status: &Status) -> Option<String> {
    if status.is_remote() || status.code() != Code::Unavailable {
        return None;
    }
    let message = status.message().to_ascii_lowercase();
    HINTS.iter().find(|(sign, _)| message.contains(sign)).map(|(_, hint)| (*hint).to_owned())
}

/// Signs in the message of a failed connection, and what they mean. The first that is
/// found counts.
const HINTS: &[(&str, &str)] = &[
    ("connection refused", "nothing listens there: is the server running, and is it this port?"),
    ("no such file", "there is no such socket: is the server running?"),
    ("invalidcontenttype", "the server does not speak TLS: leave out --tls (and https://)"),
    ("corrupt message", "the server does not speak TLS: leave out --tls (and https://)"),
    ("unknownissuer", "trust its authority by --cacert FILE, or check nothing by --insecure"),
    (
        "causedasendentity",
        "the server's certificate is that of an authority: make it with basicConstraints=critical,CA:FALSE, or check nothing by --insecure",
    ),
    ("badsignature", "trust its authority by --cacert FILE, or check nothing by --insecure"),
    ("not valid for name", "name it as its certificate does, by --authority NAME"),
    ("expired", "the server's certificate has expired; --insecure goes on all the same"),
    ("certificaterequired", "the server wants a client certificate: --cert FILE --key FILE"),
    ("alpn", "the server does not speak HTTP/2 on this port"),
    ("failed to lookup", "the name is not known: check its spelling"),
    ("name or service not known", "the name is not known: check its spelling"),
    ("http/2", "does the server speak TLS? then add --tls"),
    ("connection", "does the server speak TLS? then add --tls"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_told_apart() {
        let hint = |message: &'static str| hint(&Status::unavailable(message)).unwrap_or_default();
        assert!(hint("connect to 127.0.0.1:1: Connection refused (os error 111)").contains("nothing listens"));
        assert!(hint("TLS: invalid peer certificate: UnknownIssuer").contains("--cacert"));
        assert!(hint("received corrupt message of type InvalidContentType").contains("leave out --tls"));
        assert!(hint("the connection was lost").contains("add --tls"));
        assert!(super::hint(&Status::not_found("connection refused")).is_none());
    }
}
