//! The server under test of connectrpc's conformance suite: told what to be on standard
//! input, it says where it listens on standard output.

use std::process::ExitCode;

use interop::conformance::service::Conformance;
use interop::conformance::wire;
use interop::protos::connectrpc::conformance::v1::conformance_service_server::ConformanceServiceServer;
use interop::protos::connectrpc::conformance::v1::{ServerCompatRequest, ServerCompatResponse};
use tramline::{Server, ServerTls, TlsIdentity};

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), String> {
    let plan: ServerCompatRequest = wire::read(&mut tokio::io::stdin()).await?.ok_or("nothing on standard input")?;
    let mut builder = Server::builder().add_service(ConformanceServiceServer::new(Conformance));
    if plan.message_receive_limit > 0 {
        builder = builder.message_len_max(plan.message_receive_limit as usize);
    }
    if plan.use_tls {
        builder = builder.tls(tls(&plan).map_err(|error| error.to_string())?);
    }
    let server = builder.bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = server.local_addr().ok_or("no address")?;
    let answer = ServerCompatResponse {
        host: address.ip().to_string(),
        port: address.port().into(),
        pem_cert: if plan.use_tls { plan.server_creds.cert.clone() } else { Default::default() },
        ..Default::default()
    };
    wire::write(&mut tokio::io::stdout(), &answer).await?;
    server.serve().await.map_err(|error| error.to_string())
}

fn tls(plan: &ServerCompatRequest) -> Result<ServerTls, tramline::Error> {
    let identity = TlsIdentity::from_pem(&plan.server_creds.cert, &plan.server_creds.key)?;
    if plan.client_tls_cert.is_empty() {
        ServerTls::new(identity)
    } else {
        ServerTls::mutual(identity, &plan.client_tls_cert)
    }
}
