//! TLS on a server: ALPN, client certificates, handshakes that fail or never end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tramline::{ServerTls, TlsIdentity};
use tramline_h2::Config;

use crate::raw_client::RawClient;
use crate::services::{ECHO, Running, serve_with};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Certificate and key in PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

type Identity = (String, String);

fn client_config(authority: &Authority, identity: Option<&Identity>, alpn: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.issuer.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

async fn connect(server: &Running, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(server.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

async fn serve(tls: ServerTls) -> Running {
    serve_with(|builder| builder.tls(tls).handshake_timeout(Duration::from_millis(300))).await
}

fn server_identity(authority: &Authority) -> TlsIdentity {
    let (chain, key) = authority.issue("localhost");
    TlsIdentity::from_pem(chain, key).unwrap()
}

#[tokio::test]
async fn calls_go_over_tls() {
    let authority = Authority::new();
    let server = serve(ServerTls::new(server_identity(&authority)).unwrap()).await;
    let stream = connect(&server, client_config(&authority, None, &[b"h2"])).await.unwrap();
    let mut client = RawClient::over(stream, Config::default());
    for len in [0, 10, 500_000] {
        assert_eq!(client.unary(ECHO, &vec![9; len]).await.messages(), [vec![9; len]]);
    }
    let connection = server.witness.contexts.lock().unwrap()[0].connection().clone();
    let tls = connection.tls().unwrap();
    assert_eq!((tls.version.as_str(), tls.server_name.as_deref()), ("TLSv1_3", Some("localhost")));
    assert!(connection.peer_certificates().is_empty());
}

#[tokio::test]
async fn alpn_is_enforced() {
    let authority = Authority::new();
    let server = serve(ServerTls::new(server_identity(&authority)).unwrap()).await;
    assert!(connect(&server, client_config(&authority, None, &[b"http/1.1"])).await.is_err());
    // A client that names nothing gets through the handshake, and no further.
    let mut silent = connect(&server, client_config(&authority, None, &[])).await.unwrap();
    let mut octets = Vec::new();
    let _ = silent.read_to_end(&mut octets).await;
    assert_eq!(octets, b"");
}

#[tokio::test]
async fn client_certificates_reach_the_handler() {
    let authority = Authority::new();
    let server = serve(ServerTls::mutual(server_identity(&authority), authority.issuer.pem()).unwrap()).await;
    let identity = authority.issue("a client");
    let stream = connect(&server, client_config(&authority, Some(&identity), &[b"h2"])).await.unwrap();
    assert_eq!(RawClient::over(stream, Config::default()).unary(ECHO, b"m").await.status(), 0);
    let connection = server.witness.contexts.lock().unwrap()[0].connection().clone();
    let leaf = CertificateDer::from_pem_slice(identity.0.as_bytes()).unwrap();
    assert_eq!(connection.peer_certificates(), [leaf.to_vec()]);

    // Strangers are refused: without a certificate, and with another authority's.
    let stranger = Authority::new().issue("a stranger");
    for identity in [None, Some(&stranger)] {
        let refused = match connect(&server, client_config(&authority, identity, &[b"h2"])).await {
            Err(_) => true,
            // In TLS 1.3 the client learns of it only when it reads.
            Ok(mut stream) => stream.read_u8().await.is_err(),
        };
        assert!(refused);
    }
    assert_eq!(server.witness.started.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn client_certificates_can_be_optional() {
    let authority = Authority::new();
    let tls = ServerTls::mutual_optional(server_identity(&authority), authority.issuer.pem()).unwrap();
    let server = serve(tls).await;
    let identity = authority.issue("a client");
    for (identity, count) in [(None, 0), (Some(&identity), 1)] {
        let stream = connect(&server, client_config(&authority, identity, &[b"h2"])).await.unwrap();
        assert_eq!(RawClient::over(stream, Config::default()).unary(ECHO, b"m").await.status(), 0);
        let contexts = server.witness.contexts.lock().unwrap();
        assert_eq!(contexts.last().unwrap().connection().peer_certificates().len(), count);
    }
}

/// Handshakes that never end cost a socket each, for a while, and hold up nobody
/// (CVE-2024-47609).
#[tokio::test]
async fn half_open_handshakes_hold_up_nobody() {
    let authority = Authority::new();
    let server = serve(ServerTls::new(server_identity(&authority)).unwrap()).await;
    let mut half_open = Vec::new();
    for _ in 0..200 {
        half_open.push(TcpStream::connect(server.address).await.unwrap());
    }
    let stream = connect(&server, client_config(&authority, None, &[b"h2"])).await.unwrap();
    assert_eq!(RawClient::over(stream, Config::default()).unary(ECHO, b"m").await.status(), 0);
    for mut socket in half_open {
        let closed = tokio::time::timeout(Duration::from_secs(5), socket.read_u8()).await.unwrap();
        assert!(closed.is_err());
    }
}

/// The grace is the longest that a drain takes, whatever a client does not do.
#[tokio::test]
async fn a_half_open_handshake_does_not_outlive_the_grace() {
    let authority = Authority::new();
    let tls = ServerTls::new(server_identity(&authority)).unwrap();
    let server = serve_with(|builder| builder.tls(tls).handshake_timeout(Duration::from_secs(60))).await;
    let mut half_open = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let drained = server.handle.drain(Duration::from_millis(100));
    tokio::time::timeout(Duration::from_secs(5), drained).await.expect("the drain waits for the handshake");
    assert!(half_open.read_u8().await.is_err());
}

#[test]
fn what_is_not_pem_says_so() {
    let (chain, key) = Authority::new().issue("localhost");
    for (chain, key, part) in [("nothing", &key[..], "certificate chain"), (&chain, "nothing", "private key")] {
        let error = TlsIdentity::from_pem(chain, key).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let other = Authority::new().issue("localhost");
    let error = ServerTls::new(TlsIdentity::from_pem(chain, other.1).unwrap()).unwrap_err();
    assert!(error.to_string().contains("do not fit"), "{error}");
}
