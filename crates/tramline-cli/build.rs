//! Compiles the demo's schema.

fn main() -> Result<(), tramline_build::Error> {
    tramline_build::compile(&["proto/greeter.proto", "proto/chat.proto"])
}
