//! Plain HTTP on the same driver: requests that are not gRPC, and their responses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use tramline_call::Status;

use crate::drive::exchange::{Exchange, HttpHead};
use crate::error::Error;
use crate::interceptor::BoxFuture;
use crate::io::ConnectionInfo;
use crate::streaming::Streaming;

/// Header fields in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HttpFields {
    list: Vec<(String, Vec<u8>)>,
}

impl HttpFields {
    /// The first value under a name, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(of, _)| *of == name).map(|(_, value)| value)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.list.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// Adds a field.
    ///
    /// # Errors
    /// The name is not a lower-case token or belongs to the connection, or the value has
    /// octets that no field may have (RFC 9113 §8.2).
    pub fn insert(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let value = value.as_ref();
        if !is_name(name) || !is_value(value) {
            return Err(Error::config(format!("`{}` cannot be a header field", name.escape_debug())));
        }
        self.list.push((name.to_owned(), value.to_vec()));
        Ok(())
    }

    /// A field that the engine has checked.
    pub(crate) fn push_received(&mut self, name: &[u8], value: &[u8]) {
        self.list.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    }
}

fn is_name(name: &str) -> bool {
    const OF_CONNECTION: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    let is_token = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&octet);
    !name.is_empty() && name.bytes().all(is_token) && !OF_CONNECTION.contains(&name)
}

fn is_value(value: &[u8]) -> bool {
    let is_blank = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    let is_clean = value.iter().all(|octet| !matches!(octet, 0 | b'\r' | b'\n'));
    is_clean && !is_blank(value.first()) && !is_blank(value.last())
}

/// A request that is not gRPC.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpRequest {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query, as they came.
    pub path: String,
    /// Whom the client wanted to reach.
    pub authority: String,
    /// Header fields other than those above.
    pub fields: HttpFields,
    /// The body.
    pub body: HttpBody,
    /// The connection that it came on.
    pub connection: Arc<ConnectionInfo>,
}

/// What a request is before it has a body.
#[derive(Debug)]
pub(crate) struct HttpOpening {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) fields: HttpFields,
    pub(crate) connection: Arc<ConnectionInfo>,
}

/// The body of a request, piece by piece.
#[derive(Debug)]
pub struct HttpBody {
    pieces: Streaming<Bytes>,
}

impl HttpBody {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The request was cancelled or its connection lost.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Status> {
        self.pieces.message().await
    }

    /// The whole body.
    ///
    /// # Errors
    /// It is longer than `len_max` bytes, or as [`chunk`](Self::chunk).
    pub async fn collect(&mut self, len_max: usize) -> Result<Vec<u8>, Status> {
        let mut whole = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if piece.len() > len_max - whole.len() {
                return Err(Status::resource_exhausted(format!("the body is longer than {len_max} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

enum Body {
    Whole(Bytes),
    Stream(BodyStream),
}

/// The response to a request that is not gRPC.
///
/// ```
/// let response = tramline::HttpResponse::new(200).body("hello");
/// # let _ = response;
/// ```
pub struct HttpResponse {
    status: u16,
    fields: HttpFields,
    body: Body,
}

impl std::fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl HttpResponse {
    /// A response without a body. A status outside of 200 to 599 becomes 500.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let status = if (200..600).contains(&status) { status } else { 500 };
        HttpResponse { status, fields: HttpFields::default(), body: Body::Whole(Bytes::new()) }
    }

    /// Adds a header field.
    ///
    /// # Errors
    /// As [`HttpFields::insert`].
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.fields.insert(name, value)?;
        Ok(self)
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// With a body that is made while it is sent. If it fails, the stream is reset.
    #[must_use]
    pub fn body_stream(mut self, pieces: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Self {
        self.body = Body::Stream(Box::pin(pieces));
        self
    }
}

/// A handler of plain requests, whatever its type.
pub(crate) type HttpHandler = Arc<dyn Fn(HttpRequest) -> BoxFuture<'static, HttpResponse> + Send + Sync>;

pub(crate) fn erase<H, F>(handler: H) -> HttpHandler
where
    H: Fn(HttpRequest) -> F + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    Arc::new(move |request| Box::pin(handler(request)))
}

/// Runs a handler and sends what it returns.
pub(crate) async fn respond(
    handler: HttpHandler,
    opening: HttpOpening,
    pieces: Streaming<Bytes>,
    exchange: Arc<Exchange>,
) -> Result<(), Status> {
    // RFC 9110 §9.3.2: a response to HEAD has no content.
    let has_body = opening.method != "HEAD";
    let HttpOpening { method, path, authority, fields, connection } = opening;
    let body = HttpBody { pieces };
    let response = handler(HttpRequest { method, path, authority, fields, body, connection }).await;
    let mut fields = response.fields.list;
    // RFC 9110 §8.6: a 204 has no content-length.
    if let Body::Whole(body) = &response.body
        && response.status != 204
        && !fields.iter().any(|(name, _)| name == "content-length")
    {
        fields.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    exchange.send_http_head(HttpHead { status: response.status, fields });
    match response.body {
        _ if !has_body => Ok(()),
        Body::Whole(body) => send_piece(&exchange, body).await,
        Body::Stream(mut pieces) => {
            while let Some(piece) = std::future::poll_fn(|cx| pieces.as_mut().poll_next(cx)).await {
                send_piece(&exchange, piece?).await?;
            }
            Ok(())
        }
    }
}

async fn send_piece(exchange: &Exchange, piece: Bytes) -> Result<(), Status> {
    std::future::poll_fn(|cx| exchange.poll_ready(cx)).await?;
    exchange.push(|out, splices| {
        tramline_call::codec::Sink::new(out, splices).splice(piece);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_checked() {
        let mut fields = HttpFields::default();
        fields.insert("content-type", "text/plain").unwrap();
        for (name, value) in
            [("", "x"), ("A", "x"), ("a b", "x"), (":status", "1"), ("upgrade", "h2c"), ("a", "b\r\nc: d"), ("a", " b")]
        {
            assert!(fields.insert(name, value).is_err(), "{name:?}: {value:?}");
        }
        assert_eq!(fields.get("content-type"), Some(&b"text/plain"[..]));
        assert_eq!(fields.iter().count(), 1);
    }

    #[test]
    fn a_status_that_is_none_is_a_server_error() {
        assert_eq!(
            [100, 199, 200, 404, 599, 600].map(|status| HttpResponse::new(status).status),
            [500, 500, 200, 404, 599, 500]
        );
    }
}
