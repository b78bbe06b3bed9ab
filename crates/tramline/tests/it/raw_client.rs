//! A client that speaks HTTP/2 and nothing of gRPC: what it sends and sees is on the wire.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tramline_h2::hpack::Opaque;
use tramline_h2::{Config, Connection, Event, Indexing, Reason, Role, StreamKey};

const PATIENCE: Duration = Duration::from_secs(10);

/// What came on one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) head: HashMap<String, String>,
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: HashMap<String, String>,
    pub(crate) reset: Option<Reason>,
    /// The peer ended its side in order.
    pub(crate) ended: bool,
}

impl Answer {
    /// `grpc-status`, wherever it stands.
    pub(crate) fn status(&self) -> u32 {
        let field = self.trailers.get("grpc-status").or_else(|| self.head.get("grpc-status"));
        field.unwrap_or_else(|| panic!("no grpc-status: {self:?}")).parse().unwrap()
    }

    /// `grpc-message`, wherever it stands.
    pub(crate) fn message(&self) -> &str {
        self.trailers.get("grpc-message").or_else(|| self.head.get("grpc-message")).map_or("", String::as_str)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.reset.is_some()
    }

    /// The messages, uncompressed ones.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let mut rest = &self.data[..];
        let mut all = Vec::new();
        while let [0, a, b, c, d, after @ ..] = rest {
            let (message, after) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            all.push(message.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "{rest:?}");
        all
    }
}

/// A message behind its prefix.
pub(crate) fn envelope(message: &[u8]) -> Vec<u8> {
    let mut octets = vec![0];
    octets.extend_from_slice(&(message.len() as u32).to_be_bytes());
    octets.extend_from_slice(message);
    octets
}

pub(crate) struct RawClient<T = TcpStream> {
    io: T,
    engine: Connection<Opaque>,
    carry: Vec<u8>,
    start: Instant,
    answers: HashMap<u32, Answer>,
    pub(crate) goaways: Vec<(u32, Reason)>,
    /// What the last GOAWAY said in words.
    pub(crate) farewell: String,
    /// PINGs that came back.
    pub(crate) pong_count: usize,
    /// Window is given back as data arrives.
    pub(crate) releases: bool,
    pub(crate) is_closed: bool,
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> RawClient {
        let io = TcpStream::connect(address).await.unwrap();
        io.set_nodelay(true).unwrap();
        let mut client = RawClient::over(io, Config::default());
        client.settle().await;
        client
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> RawClient<T> {
    pub(crate) fn over(io: T, config: Config) -> RawClient<T> {
        RawClient {
            io,
            engine: Connection::new(Role::Client, config, Opaque, Duration::ZERO),
            carry: Vec::new(),
            start: Instant::now(),
            answers: HashMap::new(),
            goaways: Vec::new(),
            farewell: String::new(),
            pong_count: 0,
            releases: true,
            is_closed: false,
        }
    }

    /// Waits for the server's SETTINGS.
    pub(crate) async fn settle(&mut self) {
        while !self.engine.is_settled() {
            assert!(self.receive().await, "the server closed before its SETTINGS");
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn engine(&mut self) -> &mut Connection<Opaque> {
        &mut self.engine
    }

    /// Opens a stream with an ordinary gRPC head and some fields of the test's own,
    /// which replace ordinary ones of the same name.
    pub(crate) fn open(&mut self, path: &str, own: &[(&str, &str)], end_stream: bool) -> StreamKey {
        let ordinary = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ];
        let kept = ordinary.iter().filter(|(name, _)| own.iter().all(|(other, _)| name != other));
        let pseudo_first = |fields: Vec<(&str, &str)>| -> Vec<(String, String)> {
            let (pseudo, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name.starts_with(':'));
            pseudo.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let fields = pseudo_first(kept.chain(own).copied().collect());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        self.open_as_is(&fields, end_stream)
    }

    /// Opens a stream with these fields alone.
    pub(crate) fn open_as_is(&mut self, fields: &[(&str, &str)], end_stream: bool) -> StreamKey {
        let now = self.now();
        let stream = self.engine.send_request(now, end_stream, |writer| {
            fields
                .iter()
                .for_each(|(name, value)| writer.field(name.as_bytes(), value.as_bytes(), Indexing::Incremental));
        });
        stream.unwrap()
    }

    pub(crate) fn send(&mut self, stream: StreamKey, octets: &[u8], end_stream: bool) {
        self.engine.send_data(stream, octets.to_vec().into(), end_stream).unwrap();
    }

    /// A unary request, on its way with the next flush.
    pub(crate) fn call(&mut self, path: &str, own: &[(&str, &str)], message: &[u8]) -> StreamKey {
        let stream = self.open(path, own, false);
        self.send(stream, &envelope(message), true);
        stream
    }

    pub(crate) async fn flush(&mut self) {
        loop {
            let now = self.now();
            let output = self.engine.poll_output(now);
            let octets: Vec<u8> = output.slices().flatten().copied().collect();
            if octets.is_empty() {
                return;
            }
            if self.io.write_all(&octets).await.is_err() {
                self.is_closed = true;
            }
            self.engine.advance_output(now, octets.len());
        }
    }

    /// Octets that the engine knows nothing of, behind what it has to say.
    pub(crate) async fn inject(&mut self, octets: &[u8]) {
        self.flush().await;
        self.io.write_all(octets).await.unwrap();
    }

    /// One read and what it brings. False at the end.
    pub(crate) async fn receive(&mut self) -> bool {
        self.flush().await;
        let mut buffer = vec![0; 64 * 1024];
        let len = match tokio::time::timeout(PATIENCE, self.io.read(&mut buffer)).await {
            Ok(Ok(len)) => len,
            Ok(Err(_)) => 0,
            Err(_) => panic!("nothing came for {PATIENCE:?}; so far: {:?}", self.answers),
        };
        if len == 0 {
            self.is_closed = true;
            return false;
        }
        self.carry.extend_from_slice(&buffer[..len]);
        let octets = std::mem::take(&mut self.carry);
        let mut input = &octets[..];
        let now = self.now();
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
                let answer = self.answers.entry(stream.id()).or_default();
                answer.head = fields;
                answer.ended = end_stream;
            }
            Event::Trailers { stream, .. } => {
                let fields = self.engine.fields().iter().map(|f| (text(f.name), text(f.value))).collect();
                let answer = self.answers.entry(stream.id()).or_default();
                answer.trailers = fields;
                answer.ended = true;
            }
            Event::Data { stream, bytes, end_stream } => {
                if self.releases {
                    self.engine.release_capacity(stream, bytes.len());
                }
                let answer = self.answers.entry(stream.id()).or_default();
                answer.data.extend_from_slice(bytes);
                answer.ended = end_stream;
            }
            Event::Reset { stream, reason, .. } => {
                self.answers.entry(stream.id()).or_default().reset = Some(reason);
            }
            Event::GoAway { last_stream_id, reason, debug } => {
                self.goaways.push((last_stream_id, reason));
                self.farewell = text(debug);
            }
            Event::PingAck { .. } => self.pong_count += 1,
            _ => {}
        }
    }

    /// What has come on a stream so far.
    pub(crate) fn seen(&self, stream: StreamKey) -> Answer {
        self.answers.get(&stream.id()).cloned().unwrap_or_default()
    }

    /// Waits until what came on a stream is `enough`.
    pub(crate) async fn until(&mut self, stream: StreamKey, enough: impl Fn(&Answer) -> bool) -> Answer {
        loop {
            let answer = self.seen(stream);
            if enough(&answer) {
                return answer;
            }
            assert!(self.receive().await, "the connection ended; on the stream: {answer:?}");
        }
    }

    /// The whole answer.
    pub(crate) async fn answer(&mut self, stream: StreamKey) -> Answer {
        self.until(stream, Answer::is_over).await
    }

    /// The whole answer to one unary call.
    pub(crate) async fn unary(&mut self, path: &str, message: &[u8]) -> Answer {
        let stream = self.call(path, &[], message);
        self.answer(stream).await
    }

    /// Reads until the server closes.
    pub(crate) async fn until_closed(&mut self) {
        while self.receive().await {}
    }
}
