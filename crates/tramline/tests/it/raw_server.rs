//! A server that speaks HTTP/2 and nothing of gRPC: what it answers is what a test says,
//! however wrong.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tramline_h2::hpack::Opaque;
use tramline_h2::{Config, Connection, Event, FieldWriter, Indexing, Reason, Role, StreamKey};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct RawServer {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl RawServer {
    pub(crate) async fn bind() -> RawServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        RawServer { listener, address }
    }

    pub(crate) async fn accept(&self) -> RawPeer {
        self.accept_with(|_| {}).await
    }

    pub(crate) async fn accept_with(&self, change: impl FnOnce(&mut Config)) -> RawPeer {
        let (io, _) = self.listener.accept().await.unwrap();
        io.set_nodelay(true).unwrap();
        let mut config = Config::default();
        change(&mut config);
        RawPeer {
            io,
            engine: Connection::new(Role::Server, config, Opaque, Duration::ZERO),
            carry: Vec::new(),
            start: Instant::now(),
            heads: VecDeque::new(),
            requests: HashMap::new(),
            has_goaway: false,
        }
    }

    /// A connection's octets, without an engine.
    pub(crate) async fn accept_octets(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }
}

/// What came on one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) data: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) reset: Option<Reason>,
}

impl Request {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| &value[..])
    }
}

/// One connection of the client under test.
pub(crate) struct RawPeer {
    io: TcpStream,
    engine: Connection<Opaque>,
    carry: Vec<u8>,
    start: Instant,
    heads: VecDeque<StreamKey>,
    requests: HashMap<u32, Request>,
    pub(crate) has_goaway: bool,
}

fn write(writer: &mut FieldWriter<'_>, fields: &[(&str, &str)]) {
    fields.iter().for_each(|(name, value)| writer.field(name.as_bytes(), value.as_bytes(), Indexing::None));
}

impl RawPeer {
    pub(crate) fn engine(&mut self) -> &mut Connection<Opaque> {
        &mut self.engine
    }

    /// The next request, once its head is there.
    pub(crate) async fn head(&mut self) -> StreamKey {
        while self.heads.is_empty() {
            assert!(self.receive().await, "the client closed");
        }
        self.heads.pop_front().unwrap()
    }

    /// The next request, once all of it is there.
    pub(crate) async fn request(&mut self) -> StreamKey {
        let stream = self.head().await;
        self.until(stream, |request| request.ended).await;
        stream
    }

    pub(crate) fn seen(&self, stream: StreamKey) -> Request {
        self.requests.get(&stream.id()).cloned().unwrap_or_default()
    }

    pub(crate) async fn until(&mut self, stream: StreamKey, enough: impl Fn(&Request) -> bool) -> Request {
        loop {
            let request = self.seen(stream);
            if enough(&request) {
                return request;
            }
            assert!(self.receive().await, "the client closed; on the stream: {request:?}");
        }
    }

    pub(crate) fn send_head(&mut self, stream: StreamKey, fields: &[(&str, &str)], end_stream: bool) {
        self.engine.send_headers(stream, end_stream, |writer| write(writer, fields)).unwrap();
    }

    /// An ordinary head.
    pub(crate) fn send_ok_head(&mut self, stream: StreamKey) {
        self.send_head(stream, &[(":status", "200"), ("content-type", "application/grpc")], false);
    }

    pub(crate) fn send(&mut self, stream: StreamKey, octets: &[u8], end_stream: bool) {
        self.engine.send_data(stream, octets.to_vec().into(), end_stream).unwrap();
    }

    pub(crate) fn send_trailers(&mut self, stream: StreamKey, fields: &[(&str, &str)]) {
        self.engine.send_headers(stream, true, |writer| write(writer, fields)).unwrap();
    }

    /// A whole reply in order, to a request that is there.
    pub(crate) async fn reply(&mut self, stream: StreamKey, message: &[u8]) {
        self.send_ok_head(stream);
        self.send(stream, &crate::raw_client::envelope(message), false);
        self.send_trailers(stream, &[("grpc-status", "0")]);
        self.engine.forget(stream);
        self.flush().await;
    }

    pub(crate) async fn reset(&mut self, stream: StreamKey, reason: Reason) {
        self.engine.reset(stream, reason);
        self.flush().await;
    }

    pub(crate) async fn flush(&mut self) {
        loop {
            let now = self.start.elapsed();
            let output = self.engine.poll_output(now);
            let octets: Vec<u8> = output.slices().flatten().copied().collect();
            if octets.is_empty() {
                return;
            }
            let _ = self.io.write_all(&octets).await;
            self.engine.advance_output(now, octets.len());
        }
    }

    /// Writes octets that are no engine's.
    pub(crate) async fn write_raw(&mut self, octets: &[u8]) {
        self.flush().await;
        self.io.write_all(octets).await.unwrap();
    }

    /// GOAWAY with any last stream.
    pub(crate) async fn go_away(&mut self, last_stream_id: u32, reason: u32) {
        let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&last_stream_id.to_be_bytes());
        frame.extend_from_slice(&reason.to_be_bytes());
        self.write_raw(&frame).await;
    }

    /// One read and what it brings. False at the end.
    pub(crate) async fn receive(&mut self) -> bool {
        self.flush().await;
        let mut buffer = vec![0; 64 * 1024];
        let len = match tokio::time::timeout(PATIENCE, self.io.read(&mut buffer)).await {
            Ok(Ok(len)) => len,
            Ok(Err(_)) => 0,
            Err(_) => panic!("nothing came for {PATIENCE:?}; so far: {:?}", self.requests),
        };
        if len == 0 {
            return false;
        }
        self.carry.extend_from_slice(&buffer[..len]);
        let octets = std::mem::take(&mut self.carry);
        let mut input = &octets[..];
        let now = self.start.elapsed();
        while let Some(event) = self.engine.handle_input(now, &mut input).unwrap() {
            self.handle(event);
        }
        self.carry = input.to_vec();
        self.flush().await;
        true
    }

    fn handle(&mut self, event: Event<'_>) {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        match event {
            Event::Headers { stream, end_stream, .. } => {
                let fields = self.engine.fields().iter().map(|f| (text(f.name), text(f.value))).collect();
                self.requests.insert(stream.id(), Request { fields, ended: end_stream, ..Request::default() });
                self.heads.push_back(stream);
            }
            Event::Data { stream, bytes, end_stream } => {
                self.engine.release_capacity(stream, bytes.len());
                let request = self.requests.entry(stream.id()).or_default();
                request.data.extend_from_slice(bytes);
                request.ended |= end_stream;
            }
            Event::Reset { stream, reason, .. } => {
                self.requests.entry(stream.id()).or_default().reset = Some(reason);
                self.engine.forget(stream);
            }
            Event::GoAway { .. } => self.has_goaway = true,
            _ => {}
        }
    }

    /// Reads until the client closes.
    pub(crate) async fn until_closed(&mut self) {
        while self.receive().await {}
    }
}
