//! A streaming handler's turns on its connection's task, and what goes on beside them.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tramline::codec::Raw;
use tramline::{Method, Replies, Status};

use crate::raw_client::{RawClient, envelope};
use crate::services::{CHAT, Calls, serve, serve_with};

/// What sets of futures have: one is polled when its own waker was woken, and not else.
#[derive(Default)]
struct Wakes {
    has_come: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.has_come.store(true, Ordering::SeqCst);
        self.outer.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    }
}

fn own_waker() -> (Waker, Arc<Wakes>) {
    let wakes = Arc::new(Wakes::default());
    (Arc::clone(&wakes).into(), wakes)
}

/// A handler may hand its half of the call to another task, or read it among other things:
/// whoever waits is woken, and not the handler in its place.
#[tokio::test]
async fn a_stream_is_read_where_the_handler_left_it() {
    const AWAY: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Away", Raw);
    const AMONG: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Among", Raw);
    async fn echo(mut request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
        while let Some(message) = request.get_mut().message().await? {
            replies.send(message).await?;
        }
        Ok(())
    }
    let server = serve_with(|builder| {
        builder.add_routes(|routes| {
            routes.bidi_streaming(AWAY, Arc::new(()), |_, request: Calls, replies| async move {
                tokio::spawn(echo(request, replies)).await.map_err(|_| Status::internal("the task panicked"))?
            });
            routes.bidi_streaming(AMONG, Arc::new(()), |_, request: Calls, replies| async move {
                let (own, wakes) = own_waker();
                let (mut echo, mut first) = (Box::pin(echo(request, replies)), true);
                std::future::poll_fn(|cx| {
                    *wakes.outer.lock().unwrap() = Some(cx.waker().clone());
                    if std::mem::take(&mut first) || wakes.has_come.swap(false, Ordering::SeqCst) {
                        return echo.as_mut().poll(&mut Context::from_waker(&own));
                    }
                    Poll::Pending
                })
                .await
            });
        })
    })
    .await;
    for path in ["/test.Test/Away", "/test.Test/Among"] {
        let mut client = RawClient::connect(server.address).await;
        let stream = client.open(path, &[], false);
        for n in 0..20u8 {
            client.send(stream, &envelope(&[n; 50]), false);
            let count = usize::from(n) + 1;
            let answered = client.until(stream, |answer| answer.messages().len() == count);
            assert!(tokio::time::timeout(Duration::from_secs(5), answered).await.is_ok(), "{path} is stuck at {n}");
        }
        client.send(stream, b"", true);
        assert_eq!(client.answer(stream).await.status(), 0);
    }
}

/// What was sent first goes out first, whoever sends it, as long as one knew of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_overtakes_another_that_it_followed() {
    const RELAY: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Relay", Raw);
    const ROUND_COUNT: usize = 300;
    // Long ones leave as pieces of their own, short ones are copied.
    fn message(n: usize) -> Bytes {
        let mut octets = n.to_string().into_bytes();
        octets.resize([10, 10, 3000, 40_000][n % 4], b' ');
        octets.into()
    }
    async fn relay(mut request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
        let (to_twin, mut orders) = mpsc::channel::<usize>(1);
        let (done, mut from_twin) = mpsc::channel::<()>(1);
        let twins = replies.clone();
        let twin = tokio::spawn(async move {
            while let Some(n) = orders.recv().await {
                twins.send(message(n)).await.unwrap();
                done.send(()).await.unwrap();
            }
        });
        let mut n = 0;
        while request.get_mut().message().await?.is_some() {
            for _ in 0..2 {
                replies.send(message(n)).await?;
                to_twin.send(n + 1).await.unwrap();
                from_twin.recv().await.unwrap();
                replies.send(message(n + 2)).await?;
                n += 3;
            }
        }
        drop(to_twin);
        twin.await.map_err(|_| Status::internal("the twin panicked"))
    }
    let server = serve_with(|builder| {
        builder.add_routes(|routes| {
            routes.bidi_streaming(RELAY, Arc::new(()), |_, request: Calls, replies| relay(request, replies));
        })
    })
    .await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open("/test.Test/Relay", &[], false);
    for n in 0..ROUND_COUNT {
        client.send(stream, &envelope(b"go"), n + 1 == ROUND_COUNT);
    }
    let answer = client.answer(stream).await;
    assert_eq!(answer.status(), 0);
    let messages = answer.messages();
    assert_eq!(messages.len(), ROUND_COUNT * 6);
    for (n, got) in messages.iter().enumerate() {
        assert!(got == &message(n), "at {n} came {:?}", String::from_utf8_lossy(&got[..got.len().min(10)]));
    }
}

/// A handler that waited for messages may do something else in its turn. What came stays in order.
#[tokio::test]
async fn messages_that_a_turn_left_unread_come_first() {
    const LATE: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Late", Raw);
    async fn late(gate: Arc<Notify>, mut request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
        // The first turn waits for a message, the second, which one causes, does not look at it.
        let mut turns = 0;
        std::future::poll_fn(|cx| {
            turns += 1;
            if turns > 1 {
                return Poll::Ready(());
            }
            assert!(request.get_mut().poll_message(cx).is_pending());
            Poll::Pending
        })
        .await;
        gate.notified().await;
        while let Some(message) = request.get_mut().message().await? {
            replies.send(message).await?;
        }
        Ok(())
    }
    let gate = Arc::new(Notify::new());
    let of_service = Arc::clone(&gate);
    let server = serve_with(|builder| {
        builder.add_routes(move |routes| {
            routes.bidi_streaming(LATE, of_service, |gate, request: Calls, replies| late(gate, request, replies));
        })
    })
    .await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open("/test.Test/Late", &[], false);
    client.flush().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let sent: Vec<Vec<u8>> = [10, 20, 20_000, 30, 16_384, 40].iter().map(|len| vec![*len as u8; *len]).collect();
    for message in &sent[..4] {
        client.send(stream, &envelope(message), false);
    }
    client.flush().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    for message in &sent[4..] {
        client.send(stream, &envelope(message), false);
    }
    client.send(stream, b"", true);
    client.flush().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.notify_one();
    let answer = client.answer(stream).await;
    assert_eq!(answer.messages(), sent);
    assert_eq!(answer.status(), 0);
}

/// What lay ready for a call that fails is nobody else's.
#[tokio::test]
async fn a_broken_envelope_leaves_nothing_to_the_next_call() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for _ in 0..10 {
        let (broken, whole) = (client.open(CHAT, &[], false), client.open(CHAT, &[], false));
        client.flush().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        client.send(broken, &[envelope(b"secret"), vec![7; 20]].concat(), false);
        client.send(whole, b"", true);
        let answer = client.answer(broken).await;
        assert_ne!(answer.status(), 0);
        let answer = client.answer(whole).await;
        assert_eq!((answer.status(), answer.messages()), (0, vec![]));
    }
}

/// Long messages travel by another way than short ones, and stay between them.
#[tokio::test]
async fn long_and_short_messages_keep_their_order() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(CHAT, &[], false);
    client.flush().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let sent: Vec<Vec<u8>> = (1..60).map(|n| vec![n as u8; [20_000, 10, 17_000, 16_000][n % 4]]).collect();
    for message in &sent {
        client.send(stream, &envelope(message), false);
    }
    client.send(stream, b"", true);
    assert_eq!(client.answer(stream).await.messages(), sent);
}
