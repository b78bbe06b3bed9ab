//! What a server sent before its end of the connection was gone is a reply all the same,
//! however much of it is still to be read, and whatever of ours cannot be written any more.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tramline::{Address, Channel, Code, Response, Status};

use crate::client_calls::{ECHO_METHOD, SUM_METHOD, bytes};

const PATIENCE: Duration = Duration::from_secs(10);
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection as the client sees it. A test writes what comes, and says what becomes of the
/// rest, in one step that the client cannot see half of.
#[derive(Default)]
struct Octets {
    incoming: Vec<u8>,
    has_ended: bool,
    outgoing: Vec<u8>,
    is_broken: bool,
    reader: Option<Waker>,
}

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Octets>>);

impl Wire {
    fn octets(&self) -> MutexGuard<'_, Octets> {
        self.0.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Octets)) {
        let mut octets = self.octets();
        change(&mut octets);
        if let Some(reader) = octets.reader.take() {
            reader.wake();
        }
    }

    /// Waits until what the client wrote is `enough`.
    async fn until(&self, enough: impl Fn(&[u8]) -> bool) {
        let waiting = async {
            while !enough(&self.octets().outgoing) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut octets = self.octets();
        if octets.incoming.is_empty() && !octets.has_ended {
            octets.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = octets.incoming.len().min(buf.remaining());
        buf.put_slice(&octets.incoming.drain(..len).collect::<Vec<u8>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut octets = self.octets();
        if octets.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        bufs.iter().for_each(|buf| octets.outgoing.extend_from_slice(buf));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A channel whose first connections are these.
fn channel<const COUNT: usize>(wires: [&Wire; COUNT]) -> Channel {
    let wires = Mutex::new(wires.into_iter().rev().cloned().collect::<Vec<_>>());
    let connect = move |_: Address| {
        let wire = wires.lock().unwrap().pop().ok_or_else(|| io::ErrorKind::ConnectionRefused.into());
        async move { wire }
    };
    Channel::builder("ipv4:192.0.2.1:1").connector(connect).build().unwrap()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS; with a limit of streams at once, if one is given.
fn settings(stream_count_max: Option<u32>) -> Vec<u8> {
    let pair = stream_count_max.map(|count| [&[0, 3][..], &count.to_be_bytes()].concat());
    frame(4, 0, 0, &pair.unwrap_or_default())
}

/// Literals that enter no table.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let literal = |(name, value): &(&str, &str)| {
        [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
    };
    fields.iter().flat_map(literal).collect()
}

fn head(stream: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    let fields = [&[0x88][..], &fields(&[("content-type", "application/grpc")]), &fields(more)].concat();
    frame(1, flags | END_HEADERS, stream, &fields)
}

/// A whole reply of `len` octets.
fn reply(stream: u32, len: usize) -> Vec<u8> {
    let message = [&[0][..], &(len as u32).to_be_bytes(), &vec![7; len]].concat();
    let data = message.chunks(16_384).flat_map(|chunk| frame(0, 0, stream, chunk));
    let trailers = frame(1, END_STREAM | END_HEADERS, stream, &fields(&[("grpc-status", "0")]));
    [head(stream, 0, &[]), data.collect(), trailers].concat()
}

fn ping() -> Vec<u8> {
    frame(6, 0, 0, &[1; 8])
}

/// Whether a unary request for this message is all there.
fn has_request(octets: &[u8], message: &str) -> bool {
    octets.ends_with(&[&(message.len() as u32).to_be_bytes(), message.as_bytes()].concat())
}

/// More PINGs than are answered before the answers are written pause the reading, with the
/// status behind them in our hands. The write that ends the pause makes room for the request's
/// rest, too, and nothing is left to read but the end.
#[tokio::test]
async fn a_status_that_was_held_is_there_before_the_end() {
    let wire = Wire::default();
    let channel = channel([&wire]);
    wire.change(|octets| octets.incoming = settings(None));
    let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
    let answering = async {
        requests.send(Bytes::from(vec![7; 140_000])).await.unwrap();
        wire.until(|octets| octets.len() > 65_535).await;
        let more_window = |stream| frame(8, 0, stream, &1_000_000_u32.to_be_bytes());
        let status = head(1, END_STREAM, &[("grpc-status", "8"), ("grpc-message", "enough")]);
        wire.change(|octets| {
            octets.incoming = [more_window(0), more_window(1), ping().repeat(101), status].concat();
            octets.has_ended = true;
        });
    };
    let (outcome, ()) = tokio::join!(reply, answering);
    let status = outcome.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "enough"));
}

/// What comes of a unary call whose server sends `octets`, and takes none from then on.
async fn outcome_behind(octets: Vec<u8>, has_ended: bool) -> Result<Response<Bytes>, Status> {
    let wire = Wire::default();
    let channel = channel([&wire]);
    wire.change(|octets| octets.incoming = settings(None));
    let answering = async {
        wire.until(|octets| has_request(octets, "m")).await;
        wire.change(|wire| {
            wire.incoming = [ping(), octets].concat();
            wire.has_ended = has_ended;
            wire.is_broken = true;
        });
    };
    let (outcome, ()) = tokio::join!(async { channel.unary(&ECHO_METHOD, bytes("m")).await }, answering);
    outcome
}

/// A server that is gone resets what is written to it. What it sent before that can be read.
#[tokio::test]
async fn a_reply_is_read_to_its_end_when_nothing_can_be_written() {
    let outcome = outcome_behind(reply(1, 200_000), true).await;
    assert_eq!(outcome.unwrap().into_inner().len(), 200_000);
}

/// The same, where the server does not end what it sends: nothing more will come.
#[tokio::test]
async fn a_call_ends_when_nothing_can_be_written_and_nothing_comes() {
    let outcome = outcome_behind(reply(1, 200_000)[..150_000].to_vec(), false).await;
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

/// Calls that the server has not processed, by its GOAWAY's word or because they waited for a
/// stream, go elsewhere.
#[tokio::test]
async fn calls_that_were_not_processed_go_elsewhere_when_nothing_can_be_written() {
    let go_away = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    for (stream_count_max, farewell) in [(None, go_away), (Some(1), Vec::new())] {
        let [first, second] = [(); 2].map(|()| Wire::default());
        let channel = channel([&first, &second]);
        first.change(|octets| octets.incoming = settings(stream_count_max));
        second.change(|octets| octets.incoming = settings(None));
        let answering = async {
            let is_last = |octets: &[u8]| has_request(octets, if stream_count_max.is_none() { "other" } else { "one" });
            first.until(is_last).await;
            first.change(|octets| {
                octets.incoming = [ping(), reply(1, 200_000), farewell].concat();
                octets.has_ended = true;
                octets.is_broken = true;
            });
            second.until(|octets| has_request(octets, "other")).await;
            second.change(|octets| octets.incoming = reply(1, 3));
        };
        let one = async { channel.unary(&ECHO_METHOD, bytes("one")).await };
        let other = async { channel.unary(&ECHO_METHOD, bytes("other")).await };
        let (one, other, ()) = tokio::join!(one, other, answering);
        assert_eq!(one.unwrap().into_inner().len(), 200_000);
        assert_eq!(other.unwrap().into_inner().len(), 3);
    }
}
