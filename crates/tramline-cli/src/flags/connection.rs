//! Flags about the way to the server.

use std::path::PathBuf;

use super::{Command, Flag, duration};

const CLIENTS: &[Command] = Command::CLIENTS;

pub(super) const FLAGS: &[Flag] =
    &[HEADER, TIMEOUT, CONNECT_TIMEOUT, TLS, PLAINTEXT, CACERT, CERT, KEY, INSECURE, AUTHORITY];

const HEADER: Flag = Flag {
    long: "header",
    short: Some('H'),
    value: Some("'NAME: VALUE'"),
    commands: CLIENTS,
    summary: "send this metadata with the call and with reflection (repeatable)",
    details: "The value of a name that ends in -bin is base64.",
    apply: |options, value| {
        let (name, value) = value.split_once(':').ok_or("it needs a colon, as 'name: value'")?;
        options.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        Ok(())
    },
};

const TIMEOUT: Flag = Flag {
    long: "timeout",
    short: None,
    value: Some("TIME"),
    commands: CLIENTS,
    summary: "the deadline of the call: seconds, or as 200ms, 1.5s, 2m",
    details: "It goes to the server too. Without it, a call waits for as long as it takes.",
    apply: |options, value| duration(value).map(|time| options.timeout = Some(time)),
};

const CONNECT_TIMEOUT: Flag = Flag {
    long: "connect-timeout",
    short: None,
    value: Some("TIME"),
    commands: CLIENTS,
    summary: "how long to try to connect (default 10s)",
    details: "",
    apply: |options, value| duration(value).map(|time| options.connect_timeout = Some(time)),
};

const TLS: Flag = Flag {
    long: "tls",
    short: None,
    value: None,
    commands: CLIENTS,
    summary: "use TLS, with the system's certificate authorities",
    details: "An address https://… and each of the flags below imply it. Without it the connection is plaintext, as gRPC addresses host:port are.",
    apply: |options, _| {
        options.is_tls = true;
        Ok(())
    },
};

const PLAINTEXT: Flag = Flag {
    long: "plaintext",
    short: None,
    value: None,
    commands: CLIENTS,
    summary: "no TLS; this is the default",
    details: "",
    apply: |options, _| {
        options.is_plaintext = true;
        Ok(())
    },
};

const CACERT: Flag = Flag {
    long: "cacert",
    short: None,
    value: Some("FILE"),
    commands: CLIENTS,
    summary: "TLS: trust the certificate authorities in this PEM file instead",
    details: "",
    apply: |options, value| {
        options.ca_file = Some(PathBuf::from(value));
        Ok(())
    },
};

const CERT: Flag = Flag {
    long: "cert",
    short: None,
    value: Some("FILE"),
    commands: CLIENTS,
    summary: "TLS: present this client certificate (PEM); needs --key",
    details: "",
    apply: |options, value| {
        options.cert_file = Some(PathBuf::from(value));
        Ok(())
    },
};

const KEY: Flag = Flag {
    long: "key",
    short: None,
    value: Some("FILE"),
    commands: CLIENTS,
    summary: "TLS: the private key of --cert (PEM)",
    details: "",
    apply: |options, value| {
        options.key_file = Some(PathBuf::from(value));
        Ok(())
    },
};

const INSECURE: Flag = Flag {
    long: "insecure",
    short: Some('k'),
    value: None,
    commands: CLIENTS,
    summary: "TLS: do not check the server's certificate",
    details: "Anyone in between can then read and change everything.",
    apply: |options, _| {
        options.is_insecure = true;
        Ok(())
    },
};

const AUTHORITY: Flag = Flag {
    long: "authority",
    short: None,
    value: Some("NAME"),
    commands: CLIENTS,
    summary: "the name to ask for: :authority, and under TLS the name on the certificate",
    details: "By default it is the address.",
    apply: |options, value| {
        options.authority = Some(value.to_owned());
        Ok(())
    },
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::options;
    use super::*;

    #[test]
    fn header() {
        let options = |flags: &[&str]| options("call", flags).map(|options| options.headers);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(options(&["-H", "X-A: b: c"]), Ok(vec![pair("x-a", "b: c")]));
        assert_eq!(options(&["-Hx:1", "--header=y:"]), Ok(vec![pair("x", "1"), pair("y", "")]));
        assert!(options(&["-H", "novalue"]).is_err_and(|error| error.contains("'name: value'")));
    }

    #[test]
    fn timeouts() {
        let options = options("ls", &["--timeout", "200ms", "--connect-timeout=3"]).expect("parses");
        assert_eq!(options.timeout, Some(Duration::from_millis(200)));
        assert_eq!(options.connect_timeout, Some(Duration::from_secs(3)));
    }

    #[test]
    fn tls() {
        let given = options(
            "call",
            &["--tls", "-k", "--cacert", "ca.pem", "--cert", "c.pem", "--key=k.pem", "--authority", "foo.test"],
        )
        .expect("parses");
        assert!(given.is_tls && given.is_insecure && !given.is_plaintext);
        assert_eq!(given.ca_file, Some(PathBuf::from("ca.pem")));
        assert_eq!(given.cert_file, Some(PathBuf::from("c.pem")));
        assert_eq!(given.key_file, Some(PathBuf::from("k.pem")));
        assert_eq!(given.authority.as_deref(), Some("foo.test"));
        assert!(options("call", &["--plaintext"]).is_ok_and(|options| options.is_plaintext));
        assert!(options("call", &["--tls=yes"]).is_err());
    }
}
