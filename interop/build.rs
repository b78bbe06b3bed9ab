//! Generates the services that the suites speak.

fn main() -> Result<(), tramline_build::Error> {
    tramline_build::Builder::new().includes(["proto"]).compile(&[
        "proto/grpc/testing/test.proto",
        "proto/connectrpc/conformance/v1/service.proto",
        "proto/connectrpc/conformance/v1/client_compat.proto",
        "proto/connectrpc/conformance/v1/server_compat.proto",
    ])
}
