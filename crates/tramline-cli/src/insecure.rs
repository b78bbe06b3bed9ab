//! TLS with a server whose certificate nobody checks (`--insecure`).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tramline::ClientTls;

use crate::connect::Identity;
use crate::failure::Failure;

/// TLS that takes any certificate; the client shows its own, if it has one.
pub(crate) fn client_tls(identity: Option<&Identity>) -> Result<ClientTls, Failure> {
    let failure = |error: &dyn std::fmt::Display| Failure::new(format!("TLS cannot be set up: {error}"));
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failure(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }));
    let Some(identity) = identity else { return Ok(ClientTls::from_config(builder.with_no_client_auth())) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.chain_pem).collect();
    let chain = chain.map_err(|error| failure(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(|error| failure(&error))?;
    let config = builder.with_client_auth_cert(chain, key).map_err(|error| failure(&error))?;
    Ok(ClientTls::from_config(config))
}

/// Takes any certificate, but only from a server that has its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
