//! The test certificates that all official interop programs share.

use std::fs;
use std::path::{Path, PathBuf};

use tramline::{ClientTls, ServerTls, TlsIdentity};

use crate::flags::Flags;

/// Where `cargo xtask interop` puts them.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/suites/certificates");

/// The server's side, from `--tls_cert_file` and `--tls_key_file` or the shared ones.
///
/// # Errors
/// A file cannot be read or used.
pub fn server_tls(flags: &Flags) -> Result<ServerTls, String> {
    let chain = read(flags, "tls_cert_file", "server1.pem")?;
    let key = read(flags, "tls_key_file", "server1.key")?;
    let identity = TlsIdentity::from_pem(chain, key).map_err(|error| error.to_string())?;
    ServerTls::new(identity).map_err(|error| error.to_string())
}

/// The client's side: the test authority with `--use_test_ca` (or `--ca_file`), the
/// system's roots otherwise; `--server_host_override` is the name that is checked.
///
/// # Errors
/// A file cannot be read or used, or the name is none.
pub fn client_tls(flags: &Flags) -> Result<ClientTls, String> {
    let tls = if flags.is_yes("use_test_ca") || flags.get("ca_file").is_some() {
        ClientTls::with_roots(read(flags, "ca_file", "ca.pem")?)
    } else {
        ClientTls::system_roots()
    };
    let tls = tls.map_err(|error| error.to_string())?;
    match flags.get("server_host_override") {
        Some(name) => tls.server_name(name).map_err(|error| error.to_string()),
        None => Ok(tls),
    }
}

fn read(flags: &Flags, flag: &str, name: &str) -> Result<Vec<u8>, String> {
    let path = flags.get(flag).map_or_else(|| Path::new(FOLDER).join(name), PathBuf::from);
    fs::read(&path).map_err(|error| {
        format!("{}: {error} (`cargo xtask interop` brings the certificates, --{flag} names others)", path.display())
    })
}
