//! The official interop server: `interop-server --port N [--use_tls]`.

use std::process::ExitCode;

use interop::certificates;
use interop::flags::Flags;
use interop::protos::grpc::testing::test_service_server::TestServiceServer;
use interop::test_service::Interop;
use tramline::{Encoding, Server};

/// Above the 10 MiB of the case `very_large_request`.
const MESSAGE_LEN_MAX: usize = 16 * 1024 * 1024;

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
    let flags = Flags::of_process()?;
    let port: u16 = flags.number("port", 10000)?;
    let mut builder = Server::builder()
        .message_len_max(MESSAGE_LEN_MAX)
        .compression(Encoding::Gzip)
        .add_service(TestServiceServer::new(Interop::default()));
    if flags.is_yes("use_tls") {
        builder = builder.tls(certificates::server_tls(&flags)?);
    }
    builder.serve(&format!("[::]:{port}")).await.map_err(|error| error.to_string())
}
