//! `protoc --tramline_out=DIR --tramline_opt=messages=buffa …`; the parameters are those of
//! [`tramline_build::plugin`].

use std::io::{self, Read as _, Write as _};

fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == "--version") {
        println!("protoc-gen-tramline {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let mut request = Vec::new();
    io::stdin().read_to_end(&mut request)?;
    io::stdout().write_all(&tramline_build::plugin::respond(&request))
}
