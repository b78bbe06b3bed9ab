//! Metadata to the suite's headers and back. The suite shows binary values in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tramline::{Metadata, Status};

use crate::protos::connectrpc::conformance::v1::Header;

/// What was received, as the suite wants to see it.
pub(super) fn to_headers(metadata: &Metadata) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for (name, value) in metadata.iter() {
        let value = String::from_utf8_lossy(value.as_wire()).into_owned();
        match headers.iter_mut().find(|header| header.name == name) {
            Some(header) => header.value.push(value),
            None => headers.push(Header { name: name.to_owned(), value: vec![value], ..Default::default() }),
        }
    }
    headers
}

/// What the suite wants to be sent.
pub(super) fn append(metadata: &mut Metadata, headers: &[Header]) -> Result<(), Status> {
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        for value in &header.value {
            append_value(metadata, &name, value)
                .map_err(|error| Status::internal(format!("`{name}: {value}` cannot be sent: {error}")))?;
        }
    }
    Ok(())
}

fn append_value(metadata: &mut Metadata, name: &str, value: &str) -> Result<(), String> {
    if !name.ends_with("-bin") {
        return metadata.append(name, value).map_err(|error| error.to_string());
    }
    let octets = STANDARD_NO_PAD.decode(value.trim_end_matches('=')).map_err(|error| error.to_string())?;
    metadata.append_bin(name, &octets).map_err(|error| error.to_string())
}
