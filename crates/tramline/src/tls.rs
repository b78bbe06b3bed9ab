//! TLS by rustls: settings for both sides, and the handshake with ALPN enforced.

use std::sync::Arc;

use bytes::Bytes;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, CommonState, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::{Error, ErrorKind};
use crate::io::{BoxIo, ConnectionInfo, TlsInfo};

/// RFC 9113 §3.2: HTTP/2 over TLS is named so in ALPN, and a peer that does not name it
/// is not spoken to.
const ALPN_H2: &[u8] = b"h2";

fn provider() -> Arc<CryptoProvider> {
    // The application's choice, if it made one.
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

fn tls_config(what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::config(format!("TLS: {what}")).with_source(error)
}

fn read_certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| tls_config(&format!("{what} cannot be read as PEM"), error))?;
    if certificates.is_empty() {
        return Err(Error::config(format!("TLS: {what} has no `BEGIN CERTIFICATE` section")));
    }
    Ok(certificates)
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(pem, "the file of root certificates")? {
        roots.add(certificate).map_err(|error| tls_config("a root certificate cannot be used", error))?;
    }
    Ok(roots)
}

/// A certificate chain with its private key.
#[derive(Debug)]
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for TlsIdentity {
    fn clone(&self) -> Self {
        TlsIdentity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl TlsIdentity {
    /// From a chain (leaf first) and a key, both in PEM.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let chain = read_certificates(chain.as_ref(), "the certificate chain")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|error| tls_config("the private key cannot be read as PEM", error))?;
        Ok(TlsIdentity { chain, key })
    }
}

/// How a server speaks TLS.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// A server that shows `identity`, and asks clients for nothing.
    ///
    /// # Errors
    /// Key and certificate do not fit, or cannot be used.
    pub fn new(identity: TlsIdentity) -> Result<Self, Error> {
        Self::build(identity, WebPkiClientVerifier::no_client_auth())
    }

    /// A server that takes only clients with a certificate under one of `roots_pem` (mTLS).
    /// Handlers find it in [`ConnectionInfo::peer_certificates`].
    ///
    /// # Errors
    /// As [`new`](Self::new), or the roots cannot be read.
    pub fn mutual(identity: TlsIdentity, roots_pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(read_roots(roots_pem.as_ref())?), provider())
                .build()
                .map_err(|error| tls_config("the roots for client certificates cannot be used", error))?;
        Self::build(identity, verifier)
    }

    /// A server that checks a client's certificate if it shows one.
    ///
    /// # Errors
    /// As [`mutual`](Self::mutual).
    pub fn mutual_optional(identity: TlsIdentity, roots_pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(read_roots(roots_pem.as_ref())?), provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| tls_config("the roots for client certificates cannot be used", error))?;
        Self::build(identity, verifier)
    }

    fn build(
        identity: TlsIdentity,
        verifier: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    ) -> Result<Self, Error> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| tls_config("no usable protocol version", error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain, identity.key)
            .map_err(|error| tls_config("certificate and key do not fit", error))?;
        Ok(Self::from_config(config))
    }

    /// A whole rustls configuration: certificate resolvers, versions, key logs. ALPN is
    /// set to `h2`.
    #[must_use]
    pub fn from_config(mut config: ServerConfig) -> Self {
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        ServerTls { config: Arc::new(config) }
    }

    /// The handshake of an accepted connection.
    pub(crate) async fn accept(&self, io: BoxIo, info: &mut ConnectionInfo) -> Result<BoxIo, Error> {
        let stream = TlsAcceptor::from(self.config.clone())
            .accept(io)
            .await
            .map_err(|error| Error::new(ErrorKind::Handshake, "TLS handshake failed").with_source(error))?;
        let (_, session) = stream.get_ref();
        check_alpn(session)?;
        let server_name = session.server_name().map(str::to_owned);
        info.tls = Some(TlsInfo { server_name, ..describe(session) });
        Ok(Box::new(stream))
    }
}

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Trusts the system's roots.
    ///
    /// # Errors
    /// The system has none that can be read.
    pub fn system_roots() -> Result<Self, Error> {
        Self::build(system_roots()?, None)
    }

    /// Trusts `roots_pem` alone.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn with_roots(roots_pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::build(read_roots(roots_pem.as_ref())?, None)
    }

    /// Trusts `roots_pem`, or the system's roots if it is `None`, and shows `identity` to
    /// servers that ask (mTLS).
    ///
    /// # Errors
    /// Roots, key or certificate cannot be used.
    pub fn with_identity(roots_pem: Option<&[u8]>, identity: TlsIdentity) -> Result<Self, Error> {
        let roots = roots_pem.map_or_else(system_roots, read_roots)?;
        Self::build(roots, Some(identity))
    }

    fn build(roots: RootCertStore, identity: Option<TlsIdentity>) -> Result<Self, Error> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| tls_config("no usable protocol version", error))?
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain, identity.key)
                .map_err(|error| tls_config("the client's certificate and key do not fit", error))?,
        };
        Ok(Self::from_config(config))
    }

    /// A whole rustls configuration. ALPN is set to `h2`.
    #[must_use]
    pub fn from_config(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        ClientTls { config: Arc::new(config), server_name: None }
    }

    /// The name that is asked for (SNI) and checked, in place of the target's.
    ///
    /// # Errors
    /// It is neither a DNS name nor an IP address.
    pub fn server_name(mut self, name: &str) -> Result<Self, Error> {
        self.server_name = Some(parse_name(name)?);
        Ok(self)
    }

    /// The handshake of a connection to `host`.
    pub(crate) async fn connect(&self, io: BoxIo, host: &str, info: &mut ConnectionInfo) -> Result<BoxIo, Error> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => parse_name(host)?,
        };
        let stream = TlsConnector::from(self.config.clone()).connect(name.clone(), io).await.map_err(|error| {
            let message = format!("TLS handshake with `{}` failed", name.to_str());
            Error::new(ErrorKind::Handshake, message).with_source(error)
        })?;
        let (_, session) = stream.get_ref();
        check_alpn(session)?;
        info.tls = Some(TlsInfo { server_name: Some(name.to_str().into_owned()), ..describe(session) });
        Ok(Box::new(stream))
    }
}

fn system_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let error = Error::config("TLS: the system has no root certificates; install them or name a PEM file");
    Err(match found.errors.into_iter().next() {
        Some(source) => error.with_source(source),
        None => error,
    })
}

fn parse_name(name: &str) -> Result<ServerName<'static>, Error> {
    let invalid = |error| tls_config(&format!("`{name}` cannot be a server's name"), error);
    ServerName::try_from(name.to_owned()).map_err(invalid)
}

fn check_alpn(session: &CommonState) -> Result<(), Error> {
    match session.alpn_protocol() {
        Some(ALPN_H2) => Ok(()),
        _ => Err(Error::new(ErrorKind::Handshake, "TLS: the peer does not name `h2` in ALPN")),
    }
}

fn describe(session: &CommonState) -> TlsInfo {
    let certificates = session.peer_certificates().unwrap_or_default();
    TlsInfo {
        version: session.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
        cipher_suite: session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        server_name: None,
        peer_certificates: certificates.iter().map(|der| Bytes::copy_from_slice(der)).collect(),
    }
}
