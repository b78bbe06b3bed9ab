//! What a call sends, and what must come back.

use bytes::Bytes;

/// Round trips on one stream of the ping-pong before it is ended and another opened.
const ROUND_COUNT: usize = 1000;

/// One kind of call.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) path: &'static str,
    /// A request message in its envelope.
    pub(crate) request: Bytes,
    /// A reply message in its envelope.
    pub(crate) reply: Bytes,
    /// Reply messages of one call.
    pub(crate) reply_count: usize,
    /// Whether each reply is answered with the next request, or one request is all.
    pub(crate) is_ping_pong: bool,
}

impl Script {
    pub(crate) fn hello() -> Self {
        Script {
            path: "/helloworld.Greeter/SayHello",
            request: envelope(&field(b"world")),
            reply: envelope(&field(b"Hello, world!")),
            reply_count: 1,
            is_ping_pong: false,
        }
    }

    pub(crate) fn echo(len: usize) -> Self {
        let message = envelope(&field(&pattern(len)));
        Script {
            path: "/bench.BenchmarkService/Echo",
            request: message.clone(),
            reply: message,
            reply_count: 1,
            is_ping_pong: false,
        }
    }

    pub(crate) fn stream(count: usize, len: usize) -> Self {
        let mut request = Vec::new();
        put_number(&mut request, 0x08, count);
        put_number(&mut request, 0x10, len);
        Script {
            path: "/bench.BenchmarkService/Stream",
            request: envelope(&request),
            reply: envelope(&field(&vec![0; len])),
            reply_count: count,
            is_ping_pong: false,
        }
    }

    pub(crate) fn ping_pong(len: usize) -> Self {
        let message = envelope(&field(&pattern(len)));
        Script {
            path: "/bench.BenchmarkService/PingPong",
            request: message.clone(),
            reply: message,
            reply_count: ROUND_COUNT,
            is_ping_pong: true,
        }
    }

    /// What one call counts for: a call, a message of a stream, a round trip.
    pub(crate) fn unit(&self) -> &'static str {
        match (self.is_ping_pong, self.reply_count) {
            (true, _) => "round trip",
            (false, 1) => "call",
            (false, _) => "message",
        }
    }

    /// Octets of all replies of one call.
    pub(crate) fn reply_len(&self) -> usize {
        self.reply.len() * self.reply_count
    }

    /// Whether `octets` are what a reply has at `offset`.
    pub(crate) fn matches(&self, mut offset: usize, mut octets: &[u8]) -> bool {
        if offset + octets.len() > self.reply_len() {
            return false;
        }
        while !octets.is_empty() {
            let expected = &self.reply[offset % self.reply.len()..];
            let len = expected.len().min(octets.len());
            if octets[..len] != expected[..len] {
                return false;
            }
            octets = &octets[len..];
            offset += len;
        }
        true
    }
}

/// A payload in which a lost or moved octet shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n.wrapping_mul(31) >> 3) as u8).collect()
}

/// Field 1 of wire type 2; nothing if empty, as proto3 has it.
fn field(content: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    if !content.is_empty() {
        put_number(&mut message, 0x0a, content.len());
        message.extend_from_slice(content);
    }
    message
}

fn put_number(out: &mut Vec<u8>, tag: u8, mut number: usize) {
    out.push(tag);
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn envelope(message: &[u8]) -> Bytes {
    let mut out = vec![0];
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_at_every_offset_and_nowhere_else() {
        let script = Script::stream(3, 4);
        let whole = script.reply.repeat(3);
        for start in 0..whole.len() {
            assert!(script.matches(start, &whole[start..]));
        }
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(!script.matches(0, &wrong));
        assert!(!script.matches(1, &whole));
    }

    #[test]
    fn messages_are_protobuf() {
        assert_eq!(&Script::hello().request[..], b"\0\0\0\0\x07\x0a\x05world");
        assert_eq!(&Script::stream(1000, 100).request[..], b"\0\0\0\0\x05\x08\xe8\x07\x10\x64");
        assert_eq!(Script::echo(1024).request.len(), 5 + 3 + 1024);
    }
}
