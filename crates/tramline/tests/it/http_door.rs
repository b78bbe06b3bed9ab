//! Plain HTTP requests beside gRPC.

use std::time::Duration;

use bytes::Bytes;
use tramline::{HttpRequest, HttpResponse, Status};
use tramline_h2::Reason;

use crate::raw_client::RawClient;
use crate::services::{ECHO, Running, serve_with};

async fn answer(mut request: HttpRequest) -> HttpResponse {
    let describe = format!("{} {} {}", request.method, request.path, request.authority);
    match &request.path[..] {
        "/describe" => HttpResponse::new(200).body(describe),
        "/echo" => {
            let kind = request.fields.get("content-type").unwrap_or(b"none").to_vec();
            let body = request.body.collect(1 << 20).await.unwrap();
            HttpResponse::new(201).field("content-type", kind).unwrap().body(body)
        }
        "/stream" => HttpResponse::new(200).body_stream(Pieces(3)),
        "/broken" => HttpResponse::new(200).body_stream(Pieces(-2)),
        "/panic" => panic!("on purpose"),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            HttpResponse::new(204)
        }
        _ => HttpResponse::new(404),
    }
}

/// So many pieces, then the end; or an error after so many, if it is negative.
struct Pieces(i32);

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, Status>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let step = self.0.signum();
        self.0 -= step;
        std::task::Poll::Ready(match step {
            0 => None,
            -1 if self.0 == 0 => Some(Err(Status::internal("broken"))),
            _ => Some(Ok(Bytes::from_static(b"piece"))),
        })
    }
}

async fn serve() -> (Running, RawClient) {
    let server = serve_with(|builder| builder.http_handler(answer)).await;
    let client = RawClient::connect(server.address).await;
    (server, client)
}

const PLAIN: (&str, &str) = ("content-type", "text/plain");

#[tokio::test]
async fn a_get_is_answered() {
    let (_server, mut client) = serve().await;
    for method in ["GET", "POST", "PUT"] {
        let stream = client.open("/describe", &[PLAIN, (":method", method)], true);
        let answer = client.answer(stream).await;
        let expected = format!("{method} /describe localhost");
        assert_eq!((answer.head[":status"].as_str(), answer.data), ("200", expected.clone().into_bytes()));
        assert_eq!(answer.head["content-length"], expected.len().to_string());
        assert!(answer.ended && answer.trailers.is_empty() && !answer.head.contains_key("grpc-status"));
    }
    let stream = client.open("/describe", &[PLAIN, (":method", "HEAD")], true);
    let answer = client.answer(stream).await;
    assert_eq!((answer.head["content-length"].as_str(), answer.data.len()), ("24", 0));
}

#[tokio::test]
async fn a_body_goes_both_ways() {
    let (_server, mut client) = serve().await;
    for len in [0, 10, 300_000] {
        let stream = client.open("/echo", &[PLAIN], false);
        client.send(stream, &vec![7; len], true);
        let answer = client.answer(stream).await;
        assert_eq!((answer.head[":status"].as_str(), answer.data.len()), ("201", len));
        assert_eq!(answer.head["content-type"], "text/plain");
    }
}

#[tokio::test]
async fn a_body_can_be_a_stream_and_can_break() {
    let (_server, mut client) = serve().await;
    let stream = client.open("/stream", &[PLAIN], true);
    let answer = client.answer(stream).await;
    assert_eq!((answer.data, answer.ended), (b"piecepiecepiece".to_vec(), true));
    let stream = client.open("/broken", &[PLAIN], true);
    let answer = client.until(stream, |answer| answer.reset.is_some()).await;
    assert_eq!(answer.reset, Some(Reason::INTERNAL_ERROR));
}

#[tokio::test]
async fn failures_stay_with_their_request() {
    let (server, mut client) = serve().await;
    for (path, status) in [("/panic", "500"), ("/none", "404"), ("/slow", "204"), (ECHO, "404")] {
        let stream = client.open(path, &[PLAIN, (":method", "GET")], true);
        assert_eq!(client.answer(stream).await.head[":status"], status, "{path}");
    }
    let gone = client.open("/slow", &[PLAIN], false);
    client.flush().await;
    client.engine().reset(gone, Reason::CANCEL);
    assert_eq!(client.unary(ECHO, b"grpc beside it").await.status(), 0);
    drop(server);
}

/// A response that needs nothing of the request ends the stream for both sides.
#[tokio::test]
async fn the_rest_of_a_request_is_not_wanted() {
    let (_server, mut client) = serve().await;
    let stream = client.open("/describe", &[PLAIN], false);
    let answer = client.until(stream, |answer| answer.reset.is_some()).await;
    assert_eq!((answer.reset, answer.head[":status"].as_str()), (Some(Reason::NO_ERROR), "200"));
}

#[tokio::test]
async fn a_request_for_two_hosts_is_refused() {
    let (_server, mut client) = serve().await;
    for host in ["elsewhere", "localhost"] {
        let stream = client.open("/describe", &[(":method", "GET"), PLAIN, ("host", host)], true);
        let status = client.answer(stream).await.head[":status"].clone();
        assert_eq!(status, if host == "localhost" { "200" } else { "400" }, "{host}");
    }
}
