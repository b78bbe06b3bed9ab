//! TLS: who is trusted, whose name is checked, what is shown, and that `h2` is agreed on.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tramline::client::BackoffPolicy;
use tramline::{Channel, ClientTls, Code, Request, Response, ServerTls, Status, TlsIdentity};

use crate::client_calls::{ECHO_METHOD, bytes};
use crate::raw_server::RawServer;
use crate::services::{Running, serve, serve_with};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn identity(&self, name: &str) -> TlsIdentity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        TlsIdentity::from_pem(certificate.pem(), key.serialize_pem()).unwrap()
    }
}

static TRUSTED: LazyLock<Authority> = LazyLock::new(Authority::new);
static OTHER: LazyLock<Authority> = LazyLock::new(Authority::new);

async fn serve_tls(tls: ServerTls) -> Running {
    serve_with(|builder| builder.tls(tls)).await
}

fn channel(server: &Running, tls: ClientTls) -> Channel {
    let target = format!("dns:///localhost:{}", server.address.port());
    Channel::builder(&target).tls(tls).build().unwrap()
}

async fn echo(channel: &Channel) -> Result<(), Status> {
    channel.unary(&ECHO_METHOD, bytes("m")).await.map(|_: Response<_>| ())
}

#[tokio::test]
async fn a_server_under_a_trusted_root_is_spoken_to() {
    let server = serve_tls(ServerTls::new(TRUSTED.identity("localhost")).unwrap()).await;
    let channel = channel(&server, ClientTls::with_roots(TRUSTED.pem()).unwrap());
    for _ in 0..5 {
        echo(&channel).await.unwrap();
    }
    let large = bytes(&"x".repeat(500_000));
    assert_eq!(channel.unary(&ECHO_METHOD, large.clone()).await.unwrap().into_inner(), large);
}

#[tokio::test]
async fn other_roots_and_other_names_are_refused_with_the_reason() {
    let server = serve_tls(ServerTls::new(TRUSTED.identity("greeter.example")).unwrap()).await;
    let trusted = || ClientTls::with_roots(TRUSTED.pem()).unwrap();
    let status = echo(&channel(&server, ClientTls::with_roots(OTHER.pem()).unwrap())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("TLS handshake"), "{status:?}");
    let status = echo(&channel(&server, trusted())).await.unwrap_err();
    assert!(status.message().contains("`localhost`"), "{status:?}");
    echo(&channel(&server, trusted().server_name("greeter.example").unwrap())).await.unwrap();
    let target = format!("ipv4:{}", server.address);
    let by_authority = Channel::builder(&target).tls(trusted()).authority("greeter.example:50051").build().unwrap();
    echo(&by_authority).await.unwrap();
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let tls = ServerTls::mutual(TRUSTED.identity("localhost"), TRUSTED.pem()).unwrap();
    let server = serve_tls(tls).await;
    let roots = TRUSTED.pem();
    let shown = ClientTls::with_identity(Some(roots.as_bytes()), TRUSTED.identity("client.example")).unwrap();
    echo(&channel(&server, shown)).await.unwrap();
    let context = server.witness.contexts.lock().unwrap().pop().unwrap();
    assert_eq!(context.connection().peer_certificates().len(), 1);
    let stranger = ClientTls::with_identity(Some(roots.as_bytes()), OTHER.identity("client.example")).unwrap();
    assert_eq!(echo(&channel(&server, stranger)).await.unwrap_err().code(), Code::Unavailable);
    let none = ClientTls::with_roots(&roots).unwrap();
    assert_eq!(echo(&channel(&server, none)).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn plaintext_and_tls_do_not_meet() {
    let plaintext = serve().await;
    let tls = channel(&plaintext, ClientTls::with_roots(TRUSTED.pem()).unwrap());
    let status = echo(&tls).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("TLS handshake"), "{status:?}");
    let secure = serve_tls(ServerTls::new(TRUSTED.identity("localhost")).unwrap()).await;
    let plain = Channel::new(&format!("ipv4:{}", secure.address)).unwrap();
    assert_eq!(echo(&plain).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_peer_that_does_not_agree_on_h2_is_refused() {
    let server = RawServer::bind().await;
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &TRUSTED.issuer).unwrap();
    let config = rustls_server_config(certificate.der().clone(), key.serialize_der());
    let answering = async {
        let octets = server.accept_octets().await;
        let _ = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(octets).await;
    };
    let channel = Channel::builder(&format!("dns:///localhost:{}", server.address.port()))
        .tls(ClientTls::with_roots(TRUSTED.pem()).unwrap())
        .backoff(BackoffPolicy::default())
        .build()
        .unwrap();
    let (outcome, ()) = tokio::join!(echo(&channel), answering);
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("ALPN"), "{status:?}");
}

/// A server that names no protocol.
fn rustls_server_config(certificate: rustls::pki_types::CertificateDer<'static>, key: Vec<u8>) -> rustls::ServerConfig {
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

#[tokio::test]
async fn https_is_tls_and_http_is_not() {
    let tls = ClientTls::with_roots(TRUSTED.pem()).unwrap();
    let error = Channel::builder("http://localhost:1").tls(tls.clone()).build().unwrap_err();
    assert!(error.to_string().contains("plaintext"), "{error}");
    let server = serve_tls(ServerTls::new(TRUSTED.identity("localhost")).unwrap()).await;
    let target = format!("https://localhost:{}", server.address.port());
    let channel = Channel::builder(&target).tls(tls).build().unwrap();
    channel.unary(&ECHO_METHOD, Request::new(bytes("m"))).await.unwrap();
}
