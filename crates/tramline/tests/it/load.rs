//! Many calls at once.

use crate::raw_client::RawClient;
use crate::services::{ECHO, SLEEP, serve};

/// 10,000 calls in flight over 100 connections, each with its own answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_once() {
    let server = serve().await;
    let address = server.address;
    let connections = (0..100u32).map(|c| {
        tokio::spawn(async move {
            let mut client = RawClient::connect(address).await;
            let sleeping: Vec<_> = (0..50).map(|_| client.call(SLEEP, &[], b"200")).collect();
            let streams: Vec<_> =
                (0..50u32).map(|n| (n, client.call(ECHO, &[], &(c * 1000 + n).to_be_bytes()))).collect();
            for (n, stream) in streams {
                assert_eq!(client.answer(stream).await.messages(), [(c * 1000 + n).to_be_bytes()]);
            }
            for stream in sleeping {
                assert_eq!(client.answer(stream).await.messages(), [b"200"]);
            }
        })
    });
    for connection in connections.collect::<Vec<_>>() {
        connection.await.unwrap();
    }
    server.until_alive(0).await;
}
