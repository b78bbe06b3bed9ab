//! Compression, call by call and message by message, in both directions.

use bytes::Bytes;
use tramline::{Channel, Code, Encoding};

use crate::client_calls::{CHAT_METHOD, COUNT_METHOD, ECHO_METHOD, SUM_METHOD, bytes};
use crate::raw_client::envelope;
use crate::raw_server::RawServer;
use crate::services::{serve, serve_with};

const ALL: [Encoding; 5] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Br, Encoding::Snappy];

fn enabled() -> impl Iterator<Item = Encoding> {
    let builds = |encoding: &Encoding| Channel::builder("a").compression(*encoding).build().is_ok();
    ALL.into_iter().filter(builds)
}

#[tokio::test]
async fn every_encoding_works_both_ways() {
    assert!(enabled().count() >= 1);
    for encoding in enabled() {
        let server = serve_with(|builder| builder.compression(encoding)).await;
        let channel = Channel::builder(&format!("ipv4:{}", server.address)).compression(encoding).build().unwrap();
        for len in [0, 10, 100_000] {
            let message = Bytes::from(vec![3; len]);
            let reply = channel.unary(&ECHO_METHOD, message.clone()).await.unwrap();
            assert!(reply.was_compressed());
            assert_eq!(reply.into_inner(), message);
        }
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        for len in [0, 1, 300_000] {
            requests.send(Bytes::from(vec![9; len])).await.unwrap();
            assert_eq!(replies.message().await.unwrap().unwrap().len(), len);
            assert!(replies.was_compressed());
        }
        let mut replies = channel.server_streaming(&COUNT_METHOD, bytes("100 1000")).await.unwrap().into_inner();
        let mut count = 0;
        while let Some(message) = replies.message().await.unwrap() {
            assert_eq!(message.len(), 1000);
            count += 1;
        }
        assert_eq!(count, 100);
    }
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_compressed() {
    let server = serve().await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    let reply = channel.unary(&ECHO_METHOD, Bytes::from(vec![3; 1000])).await.unwrap();
    assert!(!reply.was_compressed());
}

#[tokio::test]
async fn a_call_and_a_message_can_say_otherwise() {
    let server = RawServer::bind().await;
    let target = format!("ipv4:{}", server.address);
    let channel = Channel::builder(&target).compression(Encoding::Gzip).build().unwrap();
    let calling = async {
        channel.unary(&ECHO_METHOD, bytes("plain")).compression(Encoding::Identity).await.unwrap();
        channel.unary(&ECHO_METHOD, bytes("packed")).await.unwrap();
        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        requests.send(bytes("packed")).await.unwrap();
        requests.send_uncompressed(bytes("plain")).await.unwrap();
        requests.finish();
        reply.await.unwrap();
        channel.close();
    };
    let answering = async {
        let mut peer = server.accept().await;
        let plain = peer.request().await;
        assert_eq!(peer.seen(plain).field("grpc-encoding"), None);
        assert_eq!(peer.seen(plain).data, envelope(b"plain"));
        peer.reply(plain, b"r").await;
        let packed = peer.request().await;
        assert_eq!(peer.seen(packed).field("grpc-encoding"), Some("gzip"));
        assert_eq!(peer.seen(packed).data[0], 1);
        peer.reply(packed, b"r").await;
        let both = peer.request().await;
        let data = peer.seen(both).data;
        assert_eq!(data[0], 1);
        assert!(data.ends_with(&envelope(b"plain")));
        peer.reply(both, b"r").await;
        peer.until_closed().await;
    };
    tokio::join!(calling, answering);
}

/// The limit holds for what comes out, while it comes out.
#[tokio::test]
async fn a_bomb_is_refused() {
    let server = serve_with(|builder| {
        builder.compression(Encoding::Gzip).message_len_max(64 << 20).sent_message_len_max(64 << 20)
    })
    .await;
    let channel = Channel::builder(&format!("ipv4:{}", server.address)).compression(Encoding::Gzip).build().unwrap();
    let status = channel.unary(&ECHO_METHOD, Bytes::from(vec![0; 16 << 20])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("4194304"), "{status:?}");
}

#[tokio::test]
async fn octets_that_do_not_decompress_are_an_error() {
    let server = RawServer::bind().await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    let answering = async {
        let mut peer = server.accept().await;
        let stream = peer.request().await;
        let head = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
        peer.send_head(stream, &head, false);
        peer.send(stream, &[1, 0, 0, 0, 3, 1, 2, 3], false);
        peer.send_trailers(stream, &[("grpc-status", "0")]);
        peer.flush().await;
        peer
    };
    let (outcome, _peer) = tokio::join!(channel.unary(&ECHO_METHOD, bytes("m")), answering);
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("gzip"), "{status:?}");
}
