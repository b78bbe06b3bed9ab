//! How the suite's runner speaks with a program: messages behind a length of four
//! octets, on standard input and output.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tramline::codec::buffa::Message;

/// The next message; `None` at the end of input.
///
/// # Errors
/// The input ends within a message, or holds no such message.
pub async fn read<T: Message>(input: &mut (impl AsyncRead + Unpin)) -> Result<Option<T>, String> {
    let len = match input.read_u32().await {
        Ok(len) => len as usize,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut octets = vec![0; len];
    input.read_exact(&mut octets).await.map_err(|error| error.to_string())?;
    T::decode_from_slice(&octets).map(Some).map_err(|error| error.to_string())
}

/// Writes one message.
///
/// # Errors
/// The output is closed.
pub async fn write<T: Message>(output: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<(), String> {
    let octets = message.encode_to_vec();
    let len = u32::try_from(octets.len()).map_err(|error| error.to_string())?;
    let mut framed = len.to_be_bytes().to_vec();
    framed.extend(octets);
    output.write_all(&framed).await.map_err(|error| error.to_string())?;
    output.flush().await.map_err(|error| error.to_string())
}
