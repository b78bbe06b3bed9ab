//! PINGs: those that keep a connection alive or measure its path, and those that wear a
//! server out.

use std::time::Instant;

use tramline_h2::{Limits, Reason};

use crate::raw_client::RawClient;
use crate::services::{COUNT, ECHO, serve};

/// What gRPC's servers call a ping strike (gRFC A8).
#[tokio::test]
async fn a_flood_of_pings_ends_the_connection_and_says_why() {
    for has_call in [false, true] {
        let server = serve().await;
        let mut client = RawClient::connect(server.address).await;
        if has_call {
            client.open(ECHO, &[], false);
        }
        for n in 0..1000_u64 {
            client.engine().ping(n.to_be_bytes());
        }
        client.until_closed().await;
        let reasons: Vec<Reason> = client.goaways.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons, [Reason::ENHANCE_YOUR_CALM], "{has_call}");
        assert_eq!(client.farewell, "too_many_pings", "{has_call}");
        server.until_alive(0).await;
        assert_eq!(RawClient::connect(server.address).await.unary(ECHO, b"m").await.status(), 0);
    }
}

/// grpc-go's fastest keepalive is one PING in ten seconds, grpcio's default is none: here is
/// a quarter of an hour's worth of the former at once, without a call and beside one.
#[tokio::test]
async fn pings_that_keep_a_connection_alive_are_no_attack() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(ECHO, &[], false);
    for n in 1..=90 {
        client.engine().ping(*b"keepaliv");
        while client.pong_count < n {
            assert!(client.receive().await, "{:?}", client.goaways);
        }
    }
    client.send(stream, &crate::raw_client::envelope(b"m"), true);
    assert_eq!(client.answer(stream).await.status(), 0);
    assert_eq!(client.goaways, []);
}

/// grpc-go and C-core measure the path while data comes: a PING with the first data, and the
/// next when that one is back and more data came. On a short path that is thousands a second.
#[tokio::test]
async fn pings_that_measure_the_path_of_a_download_are_no_attack() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let start = Instant::now();
    let mut ping_count = 0_usize;
    for _ in 0..1000 {
        let stream = client.call(COUNT, &[], b"20 1000");
        let mut answer = client.seen(stream);
        while !answer.is_over() {
            assert!(client.receive().await, "{:?} after {ping_count} PINGs", client.goaways);
            let before = std::mem::replace(&mut answer, client.seen(stream));
            if answer.data.len() > before.data.len() && client.pong_count == ping_count {
                client.engine().ping(*b"measured");
                ping_count += 1;
            }
        }
        assert_eq!(answer.status(), 0);
    }
    assert_eq!(client.goaways, []);
    let limits = Limits::default();
    let allowance = f64::from(limits.ping_burst) + f64::from(limits.ping_refill_per_s) * start.elapsed().as_secs_f64();
    assert!(ping_count as f64 > allowance, "{ping_count} PINGs prove nothing, {allowance} always pass");
}
