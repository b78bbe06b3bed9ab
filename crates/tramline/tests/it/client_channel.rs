//! Channels: connecting, waiting, losing, coming back, closing.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tramline::client::{BackoffPolicy, ChannelBuilder, ConnectivityState, LoadBalancing};
use tramline::server::Listener;
use tramline::{Channel, Code, Server, Status, in_process};

use crate::client_calls::{CHAT_METHOD, ECHO_METHOD, SLEEP_METHOD, bytes, channel};
use crate::raw_server::RawServer;
use crate::services::{Running, Witness, register, serve, serve_with};

/// Impatient, so that tests are not slow.
const QUICK: BackoffPolicy = BackoffPolicy {
    initial: Duration::from_millis(20),
    multiplier: 1.6,
    max: Duration::from_millis(100),
    jitter: 0.2,
    connect_timeout_min: Duration::from_secs(5),
};

/// An address where nobody listens.
async fn vacant() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn quick(address: std::net::SocketAddr) -> ChannelBuilder {
    Channel::builder(&format!("ipv4:{address}")).backoff(QUICK)
}

async fn echo(channel: &Channel) -> Result<Bytes, Status> {
    channel.unary(&ECHO_METHOD, bytes("m")).await.map(|reply| reply.into_inner())
}

/// A server of the test service at this address.
fn serve_at(address: &str) -> Running {
    let witness = std::sync::Arc::new(Witness::default());
    let of_service = witness.clone();
    let builder = Server::builder().add_routes(move |routes| register(routes, &of_service));
    let server = builder.bind(address).unwrap();
    let address = server.local_addr().unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
    Running { address, handle: server.start().unwrap(), witness }
}

async fn until_state(channel: &Channel, wanted: ConnectivityState) {
    let mut state = channel.state(true).unwrap();
    while state != wanted {
        state = tokio::time::timeout(Duration::from_secs(5), channel.wait_for_state_change(state)).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_fails_fast_where_nobody_listens_and_says_why() {
    let address = vacant().await;
    let channel = quick(address).build().unwrap();
    let status = echo(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains(&address.to_string()), "{status:?}");
    assert!(status.message().to_lowercase().contains("refused"), "{status:?}");
    assert_eq!(channel.state(false).unwrap(), ConnectivityState::TransientFailure);
    assert_eq!(echo(&channel).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_call_that_waits_for_ready_has_its_deadline_and_the_last_error() {
    let channel = quick(vacant().await).build().unwrap();
    let start = Instant::now();
    let call = channel.unary(&ECHO_METHOD, bytes("m")).wait_for_ready(true).timeout(Duration::from_millis(150));
    let status = call.await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().to_lowercase().contains("refused"), "{status:?}");
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn calls_that_wait_for_ready_go_when_the_server_comes() {
    let address = vacant().await;
    let channel = quick(address).wait_for_ready(true).build().unwrap();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { echo(&channel).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _server = serve_at(&address.to_string());
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "m");
    }
}

#[tokio::test]
async fn a_channel_comes_back_with_its_server() {
    let server = serve().await;
    let address = server.address;
    let channel = quick(address).build().unwrap();
    for _ in 0..3 {
        echo(&channel).await.unwrap();
    }
    server.handle.drain(Duration::from_secs(1)).await;
    let status = echo(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let _server = serve_at(&address.to_string());
    let reply = channel.unary(&ECHO_METHOD, bytes("m")).wait_for_ready(true).timeout(Duration::from_secs(5)).await;
    assert_eq!(reply.unwrap().into_inner(), "m");
    assert_eq!(channel.state(false).unwrap(), ConnectivityState::Ready);
}

#[tokio::test]
async fn no_call_is_lost_while_servers_drain_and_come_back() {
    let first = serve().await;
    let address = first.address;
    let channel = quick(address).wait_for_ready(true).build().unwrap();
    echo(&channel).await.unwrap();
    let mut server = first;
    for _ in 0..3 {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let channel = channel.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        channel.unary(&SLEEP_METHOD, bytes("1")).await.unwrap();
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.handle.drain(Duration::from_secs(5)).await;
        server = serve_at(&address.to_string());
        for caller in callers {
            caller.await.unwrap();
        }
    }
}

#[tokio::test]
async fn reset_backoff_ends_a_pause() {
    let address = vacant().await;
    let slow = BackoffPolicy { initial: Duration::from_secs(100), max: Duration::from_secs(100), ..QUICK };
    let channel = Channel::builder(&format!("ipv4:{address}")).backoff(slow).build().unwrap();
    echo(&channel).await.unwrap_err();
    let _server = serve_at(&address.to_string());
    let waiting = channel.unary(&ECHO_METHOD, bytes("m")).wait_for_ready(true);
    let resetting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        channel.reset_backoff();
    };
    let (reply, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), waiting), resetting);
    assert_eq!(reply.unwrap().unwrap().into_inner(), "m");
}

#[tokio::test]
async fn calls_queue_behind_the_servers_stream_limit() {
    let server = serve_with(|builder| builder.concurrent_streams_max(2)).await;
    let channel = channel(&server);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { channel.unary(&SLEEP_METHOD, bytes("10")).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_queued_call_has_its_deadline_and_can_be_dropped() {
    let server = serve_with(|builder| builder.concurrent_streams_max(1)).await;
    let channel = channel(&server);
    let mut blocker = Box::pin(channel.unary(&SLEEP_METHOD, bytes("400")));
    assert!(futures_poll(&mut blocker).await);
    server.until_alive(1).await;
    let status = channel.unary(&ECHO_METHOD, bytes("m")).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("waited for a stream"), "{status:?}");
    let mut dropped = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")));
    assert!(futures_poll(&mut dropped).await);
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(dropped);
    blocker.await.unwrap();
    echo(&channel).await.unwrap();
    assert_eq!(server.witness.started.load(Ordering::SeqCst), 2, "neither of the two was sent");
}

/// Polls once; true if it is not ready.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn states_follow_the_connection() {
    let server = serve().await;
    let channel = channel(&server);
    assert_eq!(channel.state(false).unwrap(), ConnectivityState::Idle);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(channel.state(false).unwrap(), ConnectivityState::Idle, "lazy");
    until_state(&channel, ConnectivityState::Ready).await;
    server.handle.abort();
    assert_eq!(channel.wait_for_state_change(ConnectivityState::Ready).await, ConnectivityState::Idle);
    channel.close();
    assert_eq!(channel.state(true).unwrap(), ConnectivityState::Shutdown);
    assert_eq!(echo(&channel).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn an_idle_channel_lets_its_connection_go_and_wakes_for_the_next_call() {
    let server = serve().await;
    let target = format!("ipv4:{}", server.address);
    let channel = Channel::builder(&target).idle_timeout(Some(Duration::from_secs(1))).build().unwrap();
    echo(&channel).await.unwrap();
    until_state(&channel, ConnectivityState::Ready).await;
    let state = tokio::time::timeout(Duration::from_secs(4), channel.wait_for_state_change(ConnectivityState::Ready));
    assert_eq!(state.await.unwrap(), ConnectivityState::Idle);
    echo(&channel).await.unwrap();
}

#[tokio::test]
async fn a_call_in_flight_keeps_a_channel_from_idling() {
    let server = serve().await;
    let target = format!("ipv4:{}", server.address);
    let channel = Channel::builder(&target).idle_timeout(Some(Duration::from_secs(1))).build().unwrap();
    channel.unary(&SLEEP_METHOD, bytes("3000")).await.unwrap();
}

#[tokio::test]
async fn shutting_down_lets_calls_finish_and_closing_does_not() {
    for at_once in [false, true] {
        let server = serve().await;
        let channel = channel(&server);
        let call = tokio::spawn({
            let channel = channel.clone();
            async move { channel.unary(&SLEEP_METHOD, bytes("200")).await }
        });
        server.until_alive(1).await;
        if at_once {
            channel.close()
        } else {
            channel.shut_down()
        }
        let status = echo(&channel).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("shut down"), "{status:?}");
        match call.await.unwrap() {
            Ok(_) => assert!(!at_once),
            Err(status) => assert!(at_once && status.code() == Code::Unavailable, "{status:?}"),
        }
        server.until_alive(0).await;
        // The connection is gone, too: a drain has nothing to wait for.
        tokio::time::timeout(Duration::from_secs(3), server.handle.drain(Duration::from_secs(10))).await.unwrap();
    }
}

#[tokio::test]
async fn dropping_the_last_handle_closes_behind_the_last_call() {
    let server = serve().await;
    let channel = channel(&server);
    echo(&channel).await.unwrap();
    let call = channel.unary(&SLEEP_METHOD, bytes("100"));
    drop(channel);
    call.await.unwrap();
    tokio::time::timeout(Duration::from_secs(3), server.handle.drain(Duration::from_secs(10))).await.unwrap();
}

#[test]
fn a_channel_in_a_static_moves_to_another_runtime() {
    static ADDRESS: LazyLock<(std::net::SocketAddr, tokio::runtime::Runtime)> = LazyLock::new(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(serve());
        (server.address, runtime)
    });
    static CHANNEL: LazyLock<Channel> = LazyLock::new(|| quick(ADDRESS.0).build().unwrap());
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(echo(&CHANNEL)).unwrap(), "m");
    }
}

#[test]
fn calls_on_a_runtime_that_ends_fail_elsewhere() {
    let first = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let second = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = second.block_on(serve());
    let channel = channel(&server);
    first.block_on(echo(&channel)).unwrap();
    let call = second.spawn({
        let channel = channel.clone();
        async move { channel.unary(&SLEEP_METHOD, bytes("5000")).await }
    });
    second.block_on(server.until_alive(1));
    drop(first);
    let status = second.block_on(call).unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    second.block_on(echo(&channel)).unwrap();
}

#[test]
fn a_call_without_a_runtime_says_so() {
    let channel = Channel::new("ipv4:127.0.0.1:1").unwrap();
    let mut call = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(status)) = call.as_mut().poll(&mut cx) else { panic!() };
    assert!(status.message().contains("tokio runtime"), "{status:?}");
}

#[tokio::test]
async fn pick_first_goes_on_to_an_address_that_answers() {
    let server = serve().await;
    let target = format!("ipv4:{},{}", vacant().await, server.address);
    let channel = Channel::builder(&target).build().unwrap();
    echo(&channel).await.unwrap();
}

#[tokio::test]
async fn round_robin_uses_all_servers_and_leaves_out_the_dead() {
    let servers = [serve().await, serve().await, serve().await];
    let addresses: Vec<String> = servers.iter().map(|server| server.address.to_string()).collect();
    let channel = Channel::builder(&format!("ipv4:{}", addresses.join(",")))
        .load_balancing(LoadBalancing::RoundRobin)
        .backoff(QUICK)
        .build()
        .unwrap();
    for _ in 0..50 {
        echo(&channel).await.unwrap();
    }
    // All are connected by now; the first calls went to those that were there first.
    let before: Vec<usize> = servers.iter().map(|server| server.witness.started.load(Ordering::SeqCst)).collect();
    for _ in 0..60 {
        echo(&channel).await.unwrap();
    }
    for (server, before) in servers.iter().zip(before) {
        assert_eq!(server.witness.started.load(Ordering::SeqCst) - before, 20);
    }
    servers[0].handle.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..20 {
        echo(&channel).await.unwrap();
    }
}

/// Connections that a server ended right behind its SETTINGS, within half a second.
/// And the channel's state after them.
async fn count_short_connections(policy: LoadBalancing, goes_away: bool) -> (usize, ConnectivityState) {
    let server = RawServer::bind().await;
    let channel = Channel::builder(&format!("ipv4:{}", server.address)).load_balancing(policy).build().unwrap();
    channel.state(true).unwrap();
    let mut count = 0;
    let accepting = async {
        loop {
            let mut peer = server.accept().await;
            count += 1;
            assert!(peer.receive().await);
            if goes_away {
                peer.go_away(0, 0).await;
                peer.until_closed().await;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), accepting).await;
    (count, channel.state(false).unwrap())
}

/// The backoff starts anew with a connection that was of use, not with SETTINGS alone.
#[tokio::test]
async fn a_server_that_closes_behind_its_settings_is_not_asked_again_without_a_pause() {
    let cases = [
        (LoadBalancing::RoundRobin, ConnectivityState::TransientFailure),
        (LoadBalancing::PickFirst, ConnectivityState::Idle),
    ];
    for (policy, state) in cases {
        for goes_away in [false, true] {
            assert_eq!(count_short_connections(policy, goes_away).await, (1, state), "{policy:?} {goes_away}");
        }
    }
}

#[tokio::test]
async fn names_are_looked_up() {
    let server = serve().await;
    let port = server.address.port();
    for target in [format!("dns:///localhost:{port}"), format!("localhost:{port}"), format!("http://localhost:{port}")]
    {
        echo(&Channel::new(&target).unwrap()).await.unwrap();
    }
    let status = echo(&Channel::new("dns:///nonsense.invalid:1").unwrap()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("nonsense.invalid"), "{status:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets_by_path_and_by_name() {
    let path = std::env::temp_dir().join(format!("tramline-client-{}.sock", std::process::id()));
    let mut targets = vec![format!("unix:{}", path.display())];
    if cfg!(target_os = "linux") {
        targets.push(format!("unix-abstract:tramline-client-{}", std::process::id()));
    }
    for target in targets {
        let server = serve_at(&target);
        echo(&Channel::new(&target).unwrap()).await.unwrap();
        server.handle.abort();
    }
    let _ = std::fs::remove_file(path);
}

#[tokio::test]
async fn a_server_in_this_process_needs_no_socket() {
    let (connector, listener) = in_process();
    let witness = std::sync::Arc::new(Witness::default());
    let server = Server::builder().add_routes(move |routes| register(routes, &witness));
    let handle = server.listen(Listener::from(listener)).unwrap().start().unwrap();
    let channel = Channel::in_process(&connector).unwrap();
    for _ in 0..10 {
        echo(&channel).await.unwrap();
    }
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    requests.send(Bytes::from(vec![1; 300_000])).await.unwrap();
    assert_eq!(replies.message().await.unwrap().unwrap().len(), 300_000);
    handle.abort();
    assert_eq!(replies.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_connector_of_the_applications_own() {
    let server = serve().await;
    let address = server.address;
    let channel = Channel::builder("ipv4:127.0.0.1:1")
        .connector(move |_| async move { tokio::net::TcpStream::connect(address).await })
        .build()
        .unwrap();
    echo(&channel).await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_speaks_is_given_up() {
    let server = RawServer::bind().await;
    let policy = BackoffPolicy { connect_timeout_min: Duration::from_millis(200), ..QUICK };
    let channel = Channel::builder(&format!("ipv4:{}", server.address)).backoff(policy).build().unwrap();
    let (status, _held) = tokio::join!(echo(&channel), server.accept_octets());
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("SETTINGS"), "{status:?}");
}

#[tokio::test]
async fn a_server_that_speaks_http1_is_told_apart() {
    use tokio::io::AsyncWriteExt;
    let server = RawServer::bind().await;
    let channel = quick(server.address).build().unwrap();
    let answering = async {
        let mut octets = server.accept_octets().await;
        octets.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.unwrap();
        octets
    };
    let (status, _held) = tokio::join!(echo(&channel), answering);
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn settings_contradict_and_errors_say_so() {
    let wrong = Channel::builder("dns:///a").authority("a/b").build().unwrap_err();
    assert!(wrong.to_string().contains("a/b"), "{wrong}");
    assert!(Channel::new("xds:///a").unwrap_err().to_string().contains("xds"));
}

/// A connection that has used three quarters of its stream identifiers makes room for a new
/// one, and no call notices (RFC 9113 §5.1.1).
#[tokio::test]
async fn a_connection_rolls_over_before_its_stream_identifiers_run_out() {
    let server = serve().await;
    let first = (0x7fff_ffff / 4 * 3 - 40) | 1;
    let channel = quick(server.address).http2(|config| config.first_stream_id = first).build().unwrap();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    channel.unary(&SLEEP_METHOD, bytes("1")).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let contexts = server.witness.contexts.lock().unwrap();
    let peers: std::collections::HashSet<_> =
        contexts.iter().map(|context| context.connection().peer().to_string()).collect();
    let count = peers.len();
    assert!(count >= 8, "200 calls, about 20 on each connection, went over {count}");
}
