//! Where handlers run: in place, on tasks of their own, on blocking threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{Clock, Dispatch, Method, Request, Response, Sleep, TimeSource};

use crate::raw_client::RawClient;
use crate::services::{BLOCK, CHAT, COUNT, ECHO, SLEEP, serve, serve_with};

#[tokio::test]
async fn every_policy_answers_every_kind() {
    for dispatch in [Dispatch::Inline, Dispatch::Spawn, Dispatch::Blocking] {
        let settings = |builder: tramline::server::ServerBuilder| {
            [ECHO, SLEEP, COUNT, CHAT].into_iter().fold(builder, |builder, path| builder.dispatch(path, dispatch))
        };
        let server = serve_with(settings).await;
        let mut client = RawClient::connect(server.address).await;
        let stream = client.call(ECHO, &[("x-in", "v")], b"m");
        let answer = client.answer(stream).await;
        assert_eq!(answer.messages(), [b"m"]);
        assert_eq!((answer.head["x-head"].as_str(), answer.trailers["x-trailer"].as_str()), ("v", "v"));
        assert_eq!(client.unary(ECHO, &vec![1; 200_000]).await.messages()[0].len(), 200_000);
        assert_eq!(client.unary(SLEEP, b"5").await.status(), 0);
        assert_eq!(client.unary(COUNT, b"2000 100").await.messages().len(), 2000);
        assert_eq!(client.unary(CHAT, b"hello").await.messages(), [b"hello"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_handler_leaves_its_connection_alone() {
    for dispatch in [Dispatch::Spawn, Dispatch::Blocking] {
        let server = serve_with(|builder| builder.dispatch(BLOCK, dispatch)).await;
        let mut client = RawClient::connect(server.address).await;
        let slow = client.call(BLOCK, &[], b"500");
        client.flush().await;
        let start = Instant::now();
        assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
        assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
        assert_eq!(client.answer(slow).await.status(), 0);
    }
}

/// A method that keeps its thread is found out, and given tasks of its own; then it does
/// not delay its connection any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_method_moves_away_by_itself() {
    let server = serve().await;
    let mut client = RawClient::connect(server.address).await;
    for _ in 0..6 {
        assert_eq!(client.unary(BLOCK, b"5").await.status(), 0);
    }
    let slow = client.call(BLOCK, &[], b"500");
    client.flush().await;
    let start = Instant::now();
    assert_eq!(client.unary(ECHO, b"m").await.status(), 0);
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(client.answer(slow).await.status(), 0);
}

#[tokio::test]
async fn dispatch_of_a_method_that_is_not_there_is_an_error() {
    let error = tramline::Server::builder().dispatch("/a.B/C", Dispatch::Spawn).build().unwrap_err();
    assert!(error.to_string().contains("/a.B/C"), "{error}");
}

/// A thread cannot be interrupted, but its handler, where it waits, can be dropped.
#[tokio::test]
async fn a_blocking_handler_that_waits_ends_with_its_call() {
    let server = serve_with(|builder| builder.dispatch(SLEEP, Dispatch::Blocking)).await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.call(SLEEP, &[("grpc-timeout", "50m")], b"60000");
    assert_eq!(client.answer(stream).await.status(), 4);
    server.until_alive(0).await;
    let stream = client.call(SLEEP, &[], b"60000");
    client.flush().await;
    server.until_alive(1).await;
    drop((client, stream));
    server.until_alive(0).await;
}

/// A clock that only handlers move.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl TimeSource for Hand {
    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, _at: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

/// A handler that others leave no time is woken again and again, and polled once for all of it.
#[tokio::test]
async fn wakes_of_a_handler_that_has_to_wait_do_not_add_up() {
    const BUSY: Method<Bytes, Bytes, Raw> = Method::unary("/test.Test/Busy", Raw);
    const LATE: Method<Bytes, Bytes, Raw> = Method::unary("/test.Test/Late", Raw);
    const TURN_COUNT: usize = 500;
    #[derive(Default)]
    struct Late {
        waker: Mutex<Option<Waker>>,
        poll_count: AtomicUsize,
    }
    let (hand, late) = (Hand::default(), Arc::new(Late::default()));
    let (of_busy, of_late) = ((hand.clone(), Arc::clone(&late)), Arc::clone(&late));
    let server = serve_with(|builder| {
        builder.clock(Clock::custom(hand)).add_routes(|routes| {
            routes.unary(BUSY, Arc::new(of_busy), |shared, request: Request<Bytes>| async move {
                let mut turns = 0;
                std::future::poll_fn(|cx| {
                    // Three of these spend what a batch has, and each is short enough to stay.
                    shared.0.0.fetch_add(90, Ordering::Relaxed);
                    cx.waker().wake_by_ref();
                    if request.get_ref() == "last" {
                        shared.1.waker.lock().unwrap().iter().for_each(Waker::wake_by_ref);
                    }
                    turns += 1;
                    if turns > TURN_COUNT { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                Ok(Response::new(request.into_inner()))
            });
            routes.unary(LATE, of_late, |late, request: Request<Bytes>| async move {
                std::future::poll_fn(|cx| {
                    late.poll_count.fetch_add(1, Ordering::Relaxed);
                    *late.waker.lock().unwrap() = Some(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
                Ok(Response::new(request.into_inner()))
            });
        })
    })
    .await;
    let mut client = RawClient::connect(server.address).await;
    let _waiting = client.call("/test.Test/Late", &[], b"");
    client.flush().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let busy = ["first", "second", "last"].map(|name| client.call("/test.Test/Busy", &[], name.as_bytes()));
    for stream in busy {
        assert_eq!(client.answer(stream).await.status(), 0);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let poll_count = late.poll_count.load(Ordering::Relaxed);
    assert!(poll_count < 20, "it was polled {poll_count} times");
}
