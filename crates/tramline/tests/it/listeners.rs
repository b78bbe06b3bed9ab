//! Where connections come from: addresses, sockets, streams, several at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tramline::server::{Listener, Runtime, ServerBuilder};
use tramline::{Address, ConnectionInfo, ErrorKind, Server};
use tramline_h2::Config;

use crate::raw_client::RawClient;
use crate::services::{ECHO, SLEEP, Witness, register};

fn builder() -> (ServerBuilder, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    let of_service = Arc::clone(&witness);
    (Server::builder().add_routes(move |routes| register(routes, &of_service)), witness)
}

fn last_peer(witness: &Witness) -> ConnectionInfo {
    witness.contexts.lock().unwrap().last().unwrap().connection().clone()
}

#[tokio::test]
async fn several_addresses_at_once() {
    let (builder, witness) = builder();
    let path = std::env::temp_dir().join(format!("tramline-it-{}.sock", std::process::id()));
    let name = format!("unix-abstract:tramline-it-{}", std::process::id());
    let server = builder.bind("127.0.0.1:0").unwrap().bind(&format!("unix:{}", path.display())).unwrap();
    let server = server.bind(&name).unwrap().bind("localhost:0").unwrap();
    let addresses: Vec<_> = server.addresses().cloned().collect();
    let handle = server.start().unwrap();

    let mut tcp = RawClient::connect(addresses[0].ip().unwrap()).await;
    assert_eq!(tcp.unary(ECHO, b"m").await.status(), 0);
    assert_eq!(last_peer(&witness).local(), &addresses[0]);

    let mut unix = RawClient::over(UnixStream::connect(&path).await.unwrap(), Config::default());
    assert_eq!(unix.unary(ECHO, b"m").await.status(), 0);
    let peer = last_peer(&witness);
    assert_eq!((peer.local(), peer.peer()), (&Address::Unix(path.clone()), &Address::UnixUnnamed));
    assert_eq!(peer.credentials().unwrap().pid, Some(std::process::id() as i32));

    let mut other = RawClient::connect(addresses[3].ip().unwrap()).await;
    assert_eq!(other.unary(ECHO, b"m").await.status(), 0);
    handle.abort();
    handle.ended().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_listener_or_a_stream_can_be_given() {
    let (builder, witness) = builder();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let server = builder.listen(listener).unwrap().listen(Listener::from_stream(Accepted(receiver)));
    assert_eq!(server.local_addr(), Some(address));
    server.start().unwrap();
    assert_eq!(RawClient::connect(address).await.unary(ECHO, b"m").await.status(), 0);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (builder, _witness)) = (listener.local_addr().unwrap(), self::builder());
    builder.listen(Listener::try_from(listener).unwrap()).unwrap().start().unwrap();
    assert_eq!(RawClient::connect(address).await.unary(ECHO, b"m").await.status(), 0);

    // Errors of a source end nothing.
    sender.send(Err(io::ErrorKind::ConnectionAborted.into())).await.unwrap();
    sender.send(Err(io::Error::from_raw_os_error(24))).await.unwrap();
    let (near, far) = tokio::io::duplex(1000);
    let info = ConnectionInfo::from_peer(Address::Ip("192.0.2.1:7".parse().unwrap()));
    sender.send(Ok((far, info.clone()))).await.unwrap();
    let mut client = RawClient::over(near, Config::default());
    assert_eq!(client.unary(ECHO, &[3; 50_000]).await.messages()[0].len(), 50_000);
    assert_eq!(last_peer(&witness), info);
}

struct Accepted(tokio::sync::mpsc::Receiver<io::Result<(tokio::io::DuplexStream, ConnectionInfo)>>);

impl futures_core::Stream for Accepted {
    type Item = io::Result<(tokio::io::DuplexStream, ConnectionInfo)>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test]
async fn one_runtime_for_each_core() {
    let (builder, _witness) = builder();
    let server = builder.runtime(Runtime::PerCore { threads: 2 }).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let handle = server.start().unwrap();
    let calls = (0..20).map(|_| {
        tokio::spawn(async move {
            let mut client = RawClient::connect(address).await;
            assert_eq!(client.unary(SLEEP, b"5").await.status(), 0);
            assert_eq!(client.unary(ECHO, b"m").await.messages(), [b"m"]);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    handle.drain(Duration::from_secs(5)).await;
    assert!(TcpStream::connect(address).await.is_err());
}

/// A listener that cannot be used is an error, and the ones before it do not go on alone.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_starts_whole_or_not_at_all() {
    for runtime in [Runtime::Shared, Runtime::PerCore { threads: 1 }] {
        let no_socket = std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let (builder, _witness) = builder();
        let server = builder.runtime(runtime).bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let error = server.listen(std::net::TcpListener::from(no_socket)).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Bind);
        let refused = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), refused).await.expect("still listening");
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = builder().0.bind(&taken.local_addr().unwrap().to_string()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bind);
    assert!(error.to_string().contains("cannot listen on"), "{error}");
}

#[tokio::test]
async fn a_method_registered_twice_is_an_error() {
    let (builder, witness) = builder();
    let error = builder.add_routes(move |routes| register(routes, &witness)).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// A listener that waits for a connection takes no place of the others.
#[tokio::test]
async fn places_are_shared_by_all_listeners() {
    let (builder, _witness) = builder();
    let server = builder.connections_max(1).bind("127.0.0.1:0").unwrap().bind("127.0.0.1:0").unwrap();
    let addresses: Vec<_> = server.addresses().filter_map(Address::ip).collect();
    server.start().unwrap();
    for address in addresses.into_iter().rev() {
        let mut client = RawClient::connect(address).await;
        let answer = tokio::time::timeout(Duration::from_secs(5), client.unary(ECHO, b"m")).await;
        assert_eq!(answer.expect("no place").status(), 0);
    }
}

/// A source that fails without end leaves the other tasks of its thread their time.
#[tokio::test]
async fn a_source_that_always_fails_does_not_spin() {
    struct Broken(Arc<AtomicUsize>);

    impl futures_core::Stream for Broken {
        type Item = io::Result<(tokio::io::DuplexStream, ConnectionInfo)>;

        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            // The test ends even if nobody else ever runs.
            let is_over = self.0.fetch_add(1, Ordering::Relaxed) > 100_000;
            std::task::Poll::Ready((!is_over).then(|| Err(io::Error::other("broken"))))
        }
    }

    let asked = Arc::new(AtomicUsize::new(0));
    let (builder, _witness) = builder();
    let server = builder.bind("127.0.0.1:0").unwrap().listen(Listener::from_stream(Broken(Arc::clone(&asked))));
    let address = server.local_addr().unwrap();
    let handle = server.start().unwrap();
    assert_eq!(RawClient::connect(address).await.unary(ECHO, b"m").await.status(), 0);
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked < 100, "{asked}");
    handle.drain(Duration::from_secs(5)).await;
}
