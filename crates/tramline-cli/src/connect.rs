//! From flags and an address to a channel.

use std::path::Path;
use std::time::Duration;

use tramline::client::ConnectivityState;
use tramline::{Channel, ClientTls, TlsIdentity};

use crate::address::Address;
use crate::failure::Failure;
use crate::flags::{Options, UsageError};
use crate::insecure;

/// How long to try to connect, unless a flag says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest message that is received, unless a flag says otherwise.
const MESSAGE_LEN_MAX: usize = 64 << 20;

/// A channel to `address`, connected or about to say why it cannot be.
pub(crate) async fn connect(options: &Options, address: &Address) -> Result<Channel, Failure> {
    let mut builder = Channel::builder(&address.target)
        .message_len_max(options.message_len_max.unwrap_or(MESSAGE_LEN_MAX))
        .user_agent(concat!("tram/", env!("CARGO_PKG_VERSION")));
    if let Some(authority) = &options.authority {
        builder = builder.authority(authority.clone());
    }
    if let Some(tls) = tls(options, address)? {
        builder = builder.tls(tls);
    }
    let channel = builder.build().map_err(|error| Failure::new(error.to_string()))?;
    let timeout = options.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    match tokio::time::timeout(timeout, settle(&channel)).await {
        Ok(settled) => settled.map(|()| channel),
        Err(_) => Err(Failure::with_hint(
            format!("no connection to {} within {timeout:?}", address.target),
            "nothing answers there: check the address and the firewall, or give it longer by --connect-timeout",
        )),
    }
}

/// Waits until the channel is connected, or has failed to: the first call says why.
async fn settle(channel: &Channel) -> Result<(), Failure> {
    let mut state = channel.state(true).map_err(|status| Failure::new(status.to_string()))?;
    while matches!(state, ConnectivityState::Idle | ConnectivityState::Connecting) {
        state = channel.wait_for_state_change(state).await;
    }
    Ok(())
}

/// TLS, if a flag or the address asks for it.
fn tls(options: &Options, address: &Address) -> Result<Option<ClientTls>, Failure> {
    let has_tls_flag = options.is_tls
        || options.is_insecure
        || options.ca_file.is_some()
        || options.cert_file.is_some()
        || options.key_file.is_some();
    if options.is_plaintext && (has_tls_flag || address.is_https) {
        return Err(UsageError::new("--plaintext contradicts TLS").with_hint("leave one of them out").into());
    }
    if !(has_tls_flag || address.is_https) {
        return Ok(None);
    }
    let identity = identity(options)?;
    if options.is_insecure {
        return insecure::client_tls(identity.as_ref()).map(Some);
    }
    let roots = options.ca_file.as_deref().map(read).transpose()?;
    let tls = match (identity, &roots) {
        (Some(identity), roots) => {
            identity.tls().and_then(|identity| ClientTls::with_identity(roots.as_deref(), identity))
        }
        (None, Some(roots)) => ClientTls::with_roots(roots),
        (None, None) => ClientTls::system_roots(),
    };
    tls.map(Some).map_err(|error| Failure::new(error.to_string()))
}

/// A client certificate with its key, in PEM.
pub(crate) struct Identity {
    pub(crate) chain_pem: Vec<u8>,
    pub(crate) key_pem: Vec<u8>,
}

impl Identity {
    fn tls(&self) -> Result<TlsIdentity, tramline::Error> {
        TlsIdentity::from_pem(&self.chain_pem, &self.key_pem)
    }
}

fn identity(options: &Options) -> Result<Option<Identity>, Failure> {
    match (&options.cert_file, &options.key_file) {
        (Some(cert_file), Some(key_file)) => {
            Ok(Some(Identity { chain_pem: read(cert_file)?, key_pem: read(key_file)? }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(UsageError::new("--cert needs --key").into()),
        (None, Some(_)) => Err(UsageError::new("--key needs --cert").into()),
    }
}

/// The octets of a file that a flag names.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}
