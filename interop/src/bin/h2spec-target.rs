//! A plain HTTP server on Tramline's own driver, for h2spec: `h2spec-target --port N`.
//!
//! Every request is answered with 200 and a body once its own body has been read.

use std::process::ExitCode;

use interop::flags::Flags;
use tramline::{HttpRequest, HttpResponse, Server};

/// What h2spec sends is far below.
const BODY_LEN_MAX: usize = 1024 * 1024;

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
    let port: u16 = flags.number("port", 8080)?;
    let server = Server::builder().http_handler(answer);
    server.serve(&format!("127.0.0.1:{port}")).await.map_err(|error| error.to_string())
}

async fn answer(mut request: HttpRequest) -> HttpResponse {
    match request.body.collect(BODY_LEN_MAX).await {
        Ok(_) => HttpResponse::new(200).body("Hello.\n"),
        Err(_) => HttpResponse::new(413),
    }
}
