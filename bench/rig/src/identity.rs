//! A certificate for the TLS cells of the matrix.

/// A self-signed certificate for `localhost` and its key, both as PEM.
///
/// # Errors
/// The key cannot be made.
pub fn self_signed() -> anyhow::Result<(String, String)> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    Ok((certified.cert.pem(), certified.signing_key.serialize_pem()))
}
