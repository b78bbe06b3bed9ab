//! A proxy that knows no schema: the fallback on one side, dynamic methods on the other.

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{Channel, Code, Method, MethodKind, Replies, Request, Server, Status, Streaming};

use crate::client_calls::{CHAT_METHOD, COUNT_METHOD, ECHO_METHOD, FAIL_METHOD, SUM_METHOD, bytes};
use crate::services::serve;

/// Passes a call on as it comes, message by message.
async fn forward(channel: Channel, request: Request<Streaming<Bytes>>, replies: Replies<Bytes>) -> Result<(), Status> {
    let path = request.context().unwrap().method().path().to_string();
    let method = Method::<Bytes, Bytes, Raw>::dynamic(path, MethodKind::BidiStreaming, Raw).unwrap();
    let (metadata, _, mut incoming) = request.into_parts();
    let mut call = channel.bidi_streaming(&method);
    for (key, value) in metadata.iter().filter(|(key, _)| key.starts_with("x-")) {
        call = call.metadata(key, value.as_str().unwrap());
    }
    let (requests, mut answers) = call.start();
    let sending = async {
        while let Some(message) = incoming.message().await? {
            requests.send(message).await?;
        }
        requests.finish();
        Ok::<_, Status>(())
    };
    let receiving = async {
        let _ = replies.set_metadata(answers.metadata().await?.clone());
        while let Some(message) = answers.message().await? {
            replies.send(message).await?;
        }
        if let Some(trailers) = answers.trailers() {
            replies.with_trailers(|own| own.merge(trailers));
        }
        Ok(())
    };
    let (_, received) = tokio::join!(sending, receiving);
    received
}

#[tokio::test]
async fn calls_of_every_kind_pass_a_proxy_that_knows_none() {
    let origin = serve().await;
    let behind = Channel::new(&format!("ipv4:{}", origin.address)).unwrap();
    let proxy = Server::builder()
        .fallback(move |request, replies| forward(behind.clone(), request, replies))
        .bind("127.0.0.1:0")
        .unwrap();
    let channel = Channel::new(&format!("ipv4:{}", proxy.local_addr().unwrap())).unwrap();
    let _proxy = proxy.start().unwrap();

    let reply = channel.unary(&ECHO_METHOD, bytes("m")).metadata("x-in", "v").await.unwrap();
    assert_eq!(reply.metadata().get("x-head"), Some("v"));
    assert_eq!(reply.trailers().get("x-trailer"), Some("v"));
    assert_eq!(reply.into_inner(), "m");

    let status = channel.unary(&FAIL_METHOD, bytes("not here")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "not here"));
    assert_eq!(&status.details()[..], b"why");

    let mut replies = channel.server_streaming(&COUNT_METHOD, bytes("50 2000")).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(message) = replies.message().await.unwrap() {
        assert_eq!(message.len(), 2000);
        count += 1;
    }
    assert_eq!((count, replies.trailers().unwrap().get("x-sent")), (50, Some("50 2000")));

    let (requests, sum) = channel.client_streaming(&SUM_METHOD).start();
    for len in [1, 20, 300] {
        requests.send(Bytes::from(vec![0; len])).await.unwrap();
    }
    requests.finish();
    assert_eq!(sum.await.unwrap().into_inner(), "321");

    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    for text in ["one", "two"] {
        requests.send(bytes(text)).await.unwrap();
        assert_eq!(replies.message().await.unwrap().unwrap(), text);
    }
    requests.finish();
    assert_eq!(replies.message().await.unwrap(), None);

    let unknown = Method::<Bytes, Bytes, Raw>::unary("/no.Such/Method", Raw);
    assert_eq!(channel.unary(&unknown, bytes("m")).await.unwrap_err().code(), Code::Unimplemented);
}
