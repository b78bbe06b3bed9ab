//! TLS by flags.

use std::path::PathBuf;

use tramline::{Server, ServerTls, TlsIdentity};
use tramline_services::health::{self, HealthReporter};
use tramline_services::reflection::Reflection;

use crate::support::{Demo, tram};

struct TlsServer {
    address: String,
    ca_file: String,
    _runtime: tokio::runtime::Runtime,
}

/// A server whose certificate says `foo.test`, and the file of its authority.
fn serve() -> TlsServer {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let inside = runtime.enter();
    let signed = rcgen::generate_simple_self_signed(vec!["foo.test".to_owned()]).expect("can be made");
    let (chain, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let tls = ServerTls::new(TlsIdentity::from_pem(&chain, &key).expect("fits")).expect("fits");
    let reflection = Reflection::builder().descriptor_set(health::DESCRIPTOR_SET).build().expect("builds");
    let server = Server::builder()
        .add_service(HealthReporter::new().service())
        .add_service(reflection)
        .tls(tls)
        .bind("127.0.0.1:0")
        .expect("binds");
    let address = server.local_addr().expect("has one").to_string();
    server.start().expect("starts");
    drop(inside);
    let ca_file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.pem", address.replace(':', "-")));
    std::fs::write(&ca_file, chain).expect("can be written");
    TlsServer { address, ca_file: ca_file.display().to_string(), _runtime: runtime }
}

#[test]
fn an_authority_and_a_name_that_fit() {
    let server = serve();
    let arguments = ["call", "--cacert", &server.ca_file, "--authority", "foo.test", &server.address, "Check"];
    assert!(tram(&arguments).success().contains("SERVING"));
}

#[test]
fn what_does_not_fit_is_named_with_its_remedy() {
    let server = serve();
    let unknown = tram(&["ls", "--tls", "--authority", "foo.test", &server.address]).failure(1);
    assert!(unknown.contains("--cacert") && unknown.contains("--insecure"), "{unknown}");
    let misnamed = tram(&["ls", "--cacert", &server.ca_file, &server.address]).failure(1);
    assert!(misnamed.contains("--authority NAME"), "{misnamed}");
}

#[test]
fn insecure_takes_any_certificate() {
    let server = serve();
    assert!(tram(&["call", "--insecure", &server.address, "Check"]).success().contains("SERVING"));
}

#[test]
fn plaintext_and_tls_mistaken_for_each_other() {
    let server = serve();
    let stderr = tram(&["ls", &server.address]).failure(1);
    assert!(stderr.contains("add --tls"), "{stderr}");
    let demo = Demo::start();
    let stderr = tram(&["ls", "--tls", &demo.address]).failure(1);
    assert!(stderr.contains("leave out --tls"), "{stderr}");
}
