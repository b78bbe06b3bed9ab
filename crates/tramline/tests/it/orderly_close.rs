//! How a connection that the server ends looks from outside: GOAWAY, then the end of the
//! stream, and no reset in between.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tramline::server::Listener;
use tramline::{ConnectionInfo, Server};

use crate::services::serve;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: u8 = 7;

/// The kinds of the frames that came, and the rest that is none.
fn kinds(octets: &[u8]) -> Vec<u8> {
    let mut rest = octets;
    let mut kinds = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        kinds.push(*kind);
        rest = &after[usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)..];
    }
    assert!(rest.is_empty(), "{rest:?}");
    kinds
}

/// Sends `octets` and reads to the end.
async fn exchange(octets: &[u8]) -> Vec<u8> {
    let server = serve().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(octets).await.unwrap();
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut all)).await.unwrap();
    read.expect("the connection was reset");
    all
}

#[tokio::test]
async fn a_broken_rule_ends_with_goaway_and_the_end_of_the_stream() {
    let data_on_stream_0 = [PREFACE, SETTINGS, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7]].concat();
    let too_long = [PREFACE, SETTINGS, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat();
    for octets in [&data_on_stream_0[..], &too_long, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        assert_eq!(kinds(&exchange(octets).await).last(), Some(&GOAWAY), "{octets:?}");
    }
}

/// Octets that nobody reads would make the kernel answer the close with a reset, which
/// can overtake the GOAWAY.
#[tokio::test]
async fn input_behind_the_error_does_not_reset_the_connection() {
    let octets = [PREFACE, SETTINGS, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7], &vec![0; 300_000]].concat();
    assert_eq!(kinds(&exchange(&octets).await).last(), Some(&GOAWAY));
}

/// A client that has not said all is read, also while what is for it cannot be written.
#[tokio::test]
async fn a_client_that_reads_late_sees_why_it_ended() {
    let (near, mut far) = tokio::io::duplex(16);
    let listener = Listener::from_stream(Once(Some(near)));
    let _server = Server::builder().listen(listener).unwrap().start().unwrap();
    let octets = [PREFACE, SETTINGS, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7], &vec![0; 3000]].concat();
    far.write_all(&octets).await.unwrap();
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.unwrap();
    assert_eq!(kinds(&all).last(), Some(&GOAWAY));
}

/// A peer that sends faster than it is read, until it is no longer listened to.
struct Endless {
    front: Vec<u8>,
    since: Instant,
    _gone: oneshot::Sender<()>,
}

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let front = std::mem::take(&mut self.front);
        if !front.is_empty() {
            buf.put_slice(&front);
        } else if self.since.elapsed() < Duration::from_secs(20) {
            buf.initialize_unfilled();
            buf.set_filled(buf.capacity());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One connection.
struct Once<T>(Option<T>);

impl<T: Unpin> futures_core::Stream for Once<T> {
    type Item = io::Result<(T, ConnectionInfo)>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(|io| Ok((io, ConnectionInfo::default()))))
    }
}

#[tokio::test]
async fn a_peer_that_never_stops_sending_is_not_read_for_ever() {
    let (gone, is_gone) = oneshot::channel();
    let front = [PREFACE, SETTINGS, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7]].concat();
    let since = Instant::now();
    let listener = Listener::from_stream(Once(Some(Endless { front, since, _gone: gone })));
    let _server = Server::builder().listen(listener).unwrap().start().unwrap();
    is_gone.await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}
