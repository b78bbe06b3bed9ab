//! The three streaming kinds, and back-pressure.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{Channel, Method, Replies, Request, Status};

use crate::raw_client::{RawClient, envelope};
use crate::services::{CHAT, COUNT, SUM, serve, serve_with};

#[tokio::test]
async fn a_server_streams() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for (count, len) in [(0, 0), (1, 0), (3, 5), (1000, 100), (20, 100_000)] {
        let answer = client.unary(COUNT, format!("{count} {len}").as_bytes()).await;
        let messages = answer.messages();
        assert_eq!(messages.len(), count);
        for (n, message) in messages.iter().enumerate() {
            assert_eq!(message, &vec![n as u8; len]);
        }
        assert_eq!(answer.status(), 0);
        assert_eq!(answer.trailers["x-sent"], format!("{count} {len}"));
        assert_eq!(answer.head[":status"], "200");
    }
}

#[tokio::test]
async fn a_client_streams() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for count in [0, 1, 5000] {
        let stream = client.open(SUM, &[], count == 0);
        for n in 0..count {
            client.send(stream, &envelope(&[0; 10]), n + 1 == count);
        }
        let answer = client.answer(stream).await;
        assert_eq!(answer.messages(), [(count * 10).to_string().as_bytes()]);
        assert_eq!(answer.status(), 0);
    }
}

#[tokio::test]
async fn both_sides_stream_in_turns() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(CHAT, &[], false);
    for n in 0..100u8 {
        client.send(stream, &envelope(&[n; 50]), false);
        let answer = client.until(stream, |answer| answer.messages().len() == usize::from(n) + 1).await;
        assert_eq!(answer.messages().last().unwrap(), &vec![n; 50]);
    }
    client.send(stream, b"", true);
    let answer = client.answer(stream).await;
    assert_eq!((answer.status(), answer.messages().len()), (0, 100));
}

#[tokio::test]
async fn a_failing_stream_ends_with_its_status() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(CHAT, &[], false);
    client.send(stream, &[envelope(b"a"), envelope(b"fail")].concat(), false);
    let answer = client.answer(stream).await;
    assert_eq!(answer.messages(), [b"a"]);
    assert_eq!((answer.status(), answer.message()), (10, "as asked"));
    server.until_alive(0).await;
    // Nobody wants the rest of the request (RFC 9113 §8.1).
    let answer = client.until(stream, |answer| answer.reset.is_some()).await;
    assert_eq!(answer.reset, Some(tramline_h2::Reason::NO_ERROR));
}

#[tokio::test]
async fn a_message_longer_than_the_window_arrives() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let message = vec![5; 3_000_000];
    let stream = client.open(CHAT, &[], false);
    client.send(stream, &envelope(&message), true);
    let answer = client.answer(stream).await;
    assert_eq!(answer.messages(), [message]);
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_handler() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    client.releases = false;
    // 8 MB, of which the window of 256 KiB and two outboxes let through a small part.
    let stream = client.call(COUNT, &[], b"8000 1000");
    client.until(stream, |answer| answer.data.len() > 200_000).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.witness.alive.load(Ordering::SeqCst), 1);
    assert!(client.seen(stream).data.len() <= 256 * 1024);
    client.engine().release_capacity(stream, usize::MAX);
    client.releases = true;
    let answer = client.answer(stream).await;
    assert_eq!((answer.status(), answer.messages().len()), (0, 8000));
}

#[tokio::test]
async fn a_handler_that_does_not_read_stops_the_client() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    // The handler waits for room for its replies, and reads nothing meanwhile.
    client.releases = false;
    let stream = client.open(CHAT, &[], false);
    for _ in 0..2000 {
        client.send(stream, &envelope(&[1; 1000]), false);
    }
    for _ in 0..20 {
        client.flush().await;
        tokio::select! {
            _ = client.receive() => {}
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    let queued = client.engine().queued_len(stream);
    assert!(queued > 500_000, "the server took all but {queued}");
    client.engine().release_capacity(stream, usize::MAX);
    client.releases = true;
    client.send(stream, b"", true);
    assert_eq!(client.answer(stream).await.messages().len(), 2000);
}

#[tokio::test]
async fn many_streams_at_once() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let streams: Vec<_> = (0..100).map(|n| (n, client.call(COUNT, &[], format!("{n} 3000").as_bytes()))).collect();
    for (n, stream) in streams {
        assert_eq!(client.answer(stream).await.messages().len(), n);
    }
}

/// Each waits for room with a waker of its own, and each is woken.
#[tokio::test]
async fn two_tasks_write_one_stream() {
    const TWINS: Method<Bytes, Bytes, Raw> = Method::server_streaming("/test.Test/Twins", Raw);
    const COUNT_EACH: usize = 50;
    async fn write(replies: Replies<Bytes>) -> Result<(), Status> {
        for _ in 0..COUNT_EACH {
            replies.send(Bytes::from(vec![1; 20_000])).await?;
        }
        Ok(())
    }
    let server = serve_with(|builder| {
        builder.add_routes(|routes| {
            routes.server_streaming(TWINS, Arc::new(()), |_, _request: Request<Bytes>, replies| async move {
                let twin = tokio::spawn(write(replies.clone()));
                write(replies).await?;
                twin.await.map_err(|_| Status::internal("the twin panicked"))?
            });
        })
    })
    .await;
    let channel = Channel::new(&format!("ipv4:{}", server.address)).unwrap();
    let mut replies = channel.server_streaming(&TWINS, Bytes::new()).await.unwrap().into_inner();
    // Both fill the windows and wait.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut count = 0;
    let reading = async {
        while replies.message().await.unwrap().is_some() {
            count += 1;
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(10), reading).await;
    assert!(read.is_ok(), "stuck after {count} messages");
    assert_eq!(count, 2 * COUNT_EACH);
}

/// A queue that may be longer than an outbox still tells the outbox of its room.
#[tokio::test]
async fn a_longer_send_queue_stops_nobody() {
    let server = serve_with(|builder| builder.http2(|config| config.limits.send_queue_len_max = 1 << 20)).await;
    let mut client = RawClient::connect(server.address).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), client.unary(COUNT, b"100 10000")).await;
    assert_eq!(answer.expect("the stream is stuck").messages().len(), 100);
}

/// What an application does with its trailers holds nothing that the call needs.
#[tokio::test]
async fn trailers_can_be_changed_from_within() {
    const NESTED: Method<Bytes, Bytes, Raw> = Method::server_streaming("/test.Test/Nested", Raw);
    let server = serve_with(|builder| {
        builder.add_routes(|routes| {
            routes.server_streaming(NESTED, Arc::new(()), |_, _request: Request<Bytes>, replies| async move {
                replies.with_trailers(|outer| {
                    outer.insert("x-outer", "1").unwrap();
                    replies.send_metadata();
                    replies.with_trailers(|inner| inner.insert("x-inner", "2").unwrap());
                });
                Ok(())
            });
        })
    })
    .await;
    let answer = RawClient::connect(server.address).await.unary("/test.Test/Nested", b"").await;
    assert_eq!((answer.status(), &answer.trailers["x-outer"][..], &answer.trailers["x-inner"][..]), (0, "1", "2"));
}
