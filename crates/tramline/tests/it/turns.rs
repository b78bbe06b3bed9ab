//! A streaming handler's turns on its connection's task, and what goes on beside them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tramline::codec::Raw;
use tramline::server::ServerBuilder;
use tramline::{Method, Replies, Status};
use tramline_h2::StreamKey;

use crate::raw_client::{RawClient, envelope};
use crate::services::{CHAT, Calls, Running, serve, serve_with};

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

async fn echo(mut request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
    while let Some(message) = request.get_mut().message().await? {
        replies.send(message).await?;
    }
    Ok(())
}

const TURNS: &str = "/test.Test/Turns";

/// With `handler` behind [`TURNS`].
fn chat<F>(
    handler: impl Fn(Calls, Replies<Bytes>) -> F + Send + Sync + 'static,
) -> impl FnOnce(ServerBuilder) -> ServerBuilder
where
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let method = Method::bidi_streaming(TURNS, Raw);
    |builder| {
        builder.add_routes(|routes| {
            routes.bidi_streaming(method, Arc::new(handler), |handler, request: Calls, replies| {
                handler(request, replies)
            });
        })
    }
}

/// A client with one call, whose handler has had its first turn.
async fn open(server: &Running, path: &str) -> (RawClient, StreamKey) {
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(path, &[], false);
    client.flush().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    (client, stream)
}

/// A handler may hand its half of the call to another task, or read it among other things:
/// whoever waits is woken, and not the handler in its place.
#[tokio::test]
async fn a_stream_is_read_where_the_handler_left_it() {
    const AWAY: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Away", Raw);
    const AMONG: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Among", Raw);
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
    let server = serve_with(chat(relay)).await;
    let mut client = RawClient::connect(server.address).await;
    let stream = client.open(TURNS, &[], false);
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
        echo(request, replies).await
    }
    let gate = Arc::new(Notify::new());
    let of_service = Arc::clone(&gate);
    let server = serve_with(chat(move |request, replies| late(Arc::clone(&of_service), request, replies))).await;
    let (mut client, stream) = open(&server, TURNS).await;
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
    let (mut client, stream) = open(&server, CHAT).await;
    let sent: Vec<Vec<u8>> = (1..60).map(|n| vec![n as u8; [20_000, 10, 17_000, 16_000][n % 4]]).collect();
    for message in &sent {
        client.send(stream, &envelope(message), false);
    }
    client.send(stream, b"", true);
    assert_eq!(client.answer(stream).await.messages(), sent);
}

/// Asks for a message once, and has another thread echo them then. Its next turn takes `pause`.
async fn hand_over(mut request: Calls, replies: Replies<Bytes>, pause: Duration) -> Result<(), Status> {
    std::future::poll_fn(|cx| {
        assert!(request.get_mut().poll_message(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let runtime = tokio::runtime::Handle::current();
    let mut task = tokio::task::spawn_blocking(move || runtime.block_on(echo(request, replies)));
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            std::thread::sleep(pause);
        }
        Pin::new(&mut task).poll(cx)
    })
    .await
    .map_err(|_| Status::internal("the task panicked"))?
}

/// What a handler waited for, it may have another task wait for: that is woken by whatever comes.
#[tokio::test]
async fn a_long_message_wakes_the_task_that_the_handler_gave_its_stream_to() {
    let server = serve_with(chat(|request, replies| hand_over(request, replies, Duration::ZERO))).await;
    for len in [10, 16_384, 16_385, 70_000] {
        let (mut client, stream) = open(&server, TURNS).await;
        client.send(stream, &envelope(&vec![7; len]), false);
        let answered = client.until(stream, |answer| answer.data.len() == 5 + len);
        assert!(tokio::time::timeout(Duration::from_secs(5), answered).await.is_ok(), "nobody read {len} octets");
    }
}

/// Another task sees what came in its order, and no end before all of it, however long the
/// handler's turn is.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stream_does_not_end_elsewhere_before_its_messages() {
    let pause = Duration::from_millis(100);
    let server = serve_with(chat(move |request, replies| hand_over(request, replies, pause))).await;
    for lens in [&[10][..], &[10, 20], &[10, 20_000, 30]] {
        let (mut client, stream) = open(&server, TURNS).await;
        let sent: Vec<Vec<u8>> = lens.iter().map(|len| vec![*len as u8; *len]).collect();
        let octets: Vec<u8> = sent.iter().flat_map(|message| envelope(message)).collect();
        client.send(stream, &octets, true);
        let answer = client.answer(stream).await;
        assert!(answer.messages() == sent, "of {lens:?} came {} octets", answer.data.len());
        assert_eq!(answer.status(), 0);
    }
}

/// A message wakes who asked for it, also if that had a turn since in which it did not ask again.
#[tokio::test]
async fn a_turn_for_something_else_forgets_no_reader() {
    async fn twice(gate: Arc<Notify>, mut request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
        let mut opened = Box::pin(gate.notified());
        let mut was_opened = false;
        let message = std::future::poll_fn(|cx| {
            if !was_opened && opened.as_mut().poll(cx).is_ready() {
                was_opened = true;
                return Poll::Pending;
            }
            request.get_mut().poll_message(cx)
        });
        if let Some(message) = message.await? {
            replies.send(message).await?;
        }
        Ok(())
    }
    let gate = Arc::new(Notify::new());
    let of_service = Arc::clone(&gate);
    let server = serve_with(chat(move |request, replies| twice(Arc::clone(&of_service), request, replies))).await;
    for octets in [envelope(b"asked for"), vec![]] {
        let (mut client, stream) = open(&server, TURNS).await;
        gate.notify_one();
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.send(stream, &octets, octets.is_empty());
        let answered = client.answer(stream);
        let answer = tokio::time::timeout(Duration::from_secs(5), answered).await.expect("nobody was woken");
        assert_eq!((answer.status(), answer.data), (0, octets));
    }
}

/// A handler may run another connection in its turn, on the same thread. Each keeps its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_run_within_a_turn_take_nothing_of_it() {
    async fn talk(len: u8) -> Vec<Vec<u8>> {
        let server = serve().await;
        let mut client = RawClient::connect(server.address).await;
        let stream = client.open(CHAT, &[], false);
        for n in 0..len {
            client.send(stream, &envelope(&[n; 9]), false);
            client.until(stream, |answer| answer.messages().len() == usize::from(n) + 1).await;
        }
        client.send(stream, b"", true);
        client.answer(stream).await.messages()
    }
    fn run_here(len: u8) -> Vec<Vec<u8>> {
        tokio::task::block_in_place(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(talk(len))
        })
    }
    async fn nest(mut request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
        let mut turns = 0;
        std::future::poll_fn(|cx| {
            turns += 1;
            if turns == 1 {
                assert!(request.get_mut().poll_message(cx).is_pending());
                return Poll::Pending;
            }
            // What woke this lies unread meanwhile.
            assert_eq!(run_here(5).len(), 5);
            Poll::Ready(())
        })
        .await;
        while let Some(message) = request.get_mut().message().await? {
            replies.send(message).await?;
            assert_eq!(run_here(2).len(), 2);
        }
        Ok(())
    }
    let server = serve_with(chat(nest)).await;
    let (mut client, stream) = open(&server, TURNS).await;
    client.send(stream, &[envelope(b"one"), envelope(b"two")].concat(), true);
    let answer = client.answer(stream).await;
    assert_eq!((answer.status(), answer.messages()), (0, vec![b"one".to_vec(), b"two".to_vec()]));
}

/// Who writes while the client does not read waits, wherever it is, and is woken when that
/// reads again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_in_a_turn_and_elsewhere_wait_for_the_client() {
    const VOICE_COUNT: usize = 4;
    const MESSAGE_COUNT: usize = 500;
    static SENT: AtomicUsize = AtomicUsize::new(0);
    async fn sing(voice: usize, replies: Replies<Bytes>) -> Result<(), Status> {
        for n in 0..MESSAGE_COUNT {
            replies.send(vec![voice as u8; [5, 1000, 3000, 20_000][n % 4]].into()).await?;
            SENT.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
    async fn conduct(_request: Calls, replies: Replies<Bytes>) -> Result<(), Status> {
        let others = (1..VOICE_COUNT).map(|voice| tokio::spawn(sing(voice, replies.clone())));
        let others: Vec<_> = others.collect();
        sing(0, replies.clone()).await?;
        for other in others {
            other.await.map_err(|_| Status::internal("a voice panicked"))??;
        }
        Ok(())
    }
    let server = serve_with(chat(conduct)).await;
    let mut client = RawClient::connect(server.address).await;
    client.releases = false;
    let stream = client.open(TURNS, &[], true);
    let first = client.until(stream, |answer| answer.data.len() >= 65_535).await.data.len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The window, the engine's queue, the box and the desk.
    let sent_len = SENT.load(Ordering::SeqCst) * 6001;
    assert!(sent_len < first + 4 * 64 * 1024 + VOICE_COUNT * 20_000, "{sent_len} octets were taken");
    client.releases = true;
    client.engine().release_capacity(stream, first);
    let answer = client.answer(stream).await;
    assert_eq!((answer.status(), answer.messages().len()), (0, VOICE_COUNT * MESSAGE_COUNT));
}

/// Window comes back for what another task reads, however small the window is.
#[tokio::test]
async fn a_reader_elsewhere_gives_a_small_window_back() {
    let with_chat = chat(|request, replies| hand_over(request, replies, Duration::ZERO));
    let server = serve_with(|builder| with_chat(builder.http2(|config| config.stream_window_len = 4000))).await;
    let (mut client, stream) = open(&server, TURNS).await;
    // The window ends where a message does.
    for n in 1..=40 {
        client.send(stream, &envelope(&[7; 995]), false);
        if n % 4 == 0 {
            let answered = client.until(stream, |answer| answer.data.len() == n * 1000);
            assert!(tokio::time::timeout(Duration::from_secs(5), answered).await.is_ok(), "stuck at {n}");
        }
    }
}
