//! One bad stream among ninety-nine good ones, as behind a proxy that shares a connection:
//! only the bad one suffers (CVE-2023-32732 and CVE-2023-1428 of C-core).

use tramline_h2::{Reason, StreamKey};

use crate::raw_client::{Answer, RawClient, envelope};
use crate::services::{CHAT, ECHO, PANIC, serve_with};

const GOOD_COUNT: usize = 99;

/// How a bad stream ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Status(u32),
    Reset(Reason),
    /// The client ended it itself.
    Own,
}

type Bad = (&'static str, fn(&mut RawClient) -> (StreamKey, Vec<u8>), End);

fn with_fields(client: &mut RawClient, own: &[(&str, &str)]) -> (StreamKey, Vec<u8>) {
    (client.call(ECHO, own, b"bad"), Vec::new())
}

fn with_octets(client: &mut RawClient, encoding: &str, octets: &[u8]) -> (StreamKey, Vec<u8>) {
    let stream = client.open(ECHO, &[("grpc-encoding", encoding)], false);
    client.send(stream, octets, true);
    (stream, Vec::new())
}

/// A frame that the client's own engine would not send.
fn frame(kind: u8, flags: u8, stream: StreamKey, payload: &[u8]) -> Vec<u8> {
    let mut octets = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    octets.extend([kind, flags]);
    octets.extend(stream.id().to_be_bytes());
    octets.extend(payload);
    octets
}

fn bad_streams() -> Vec<Bad> {
    let protocol_error = || End::Reset(Reason::PROTOCOL_ERROR);
    vec![
        ("base64", |client| with_fields(client, &[("x-bin", "*!")]), End::Status(13)),
        ("te", |client| with_fields(client, &[("te", "chunked")]), protocol_error()),
        ("connection", |client| with_fields(client, &[("connection", "close")]), protocol_error()),
        ("capitals", |client| with_fields(client, &[("X-Upper", "1")]), protocol_error()),
        ("line break", |client| with_fields(client, &[("x-break", "a\r\nb: c")]), protocol_error()),
        ("pseudo", |client| with_fields(client, &[(":unknown", "1")]), protocol_error()),
        ("length", |client| with_fields(client, &[("content-length", "2")]), protocol_error()),
        ("two hosts", |client| with_fields(client, &[("host", "elsewhere")]), End::Status(13)),
        ("timeout", |client| with_fields(client, &[("grpc-timeout", "1x")]), End::Status(13)),
        ("late", |client| with_fields(client, &[("grpc-timeout", "0n")]), End::Status(4)),
        ("long head", |client| with_fields(client, &[("x-long", &"x".repeat(20_000))]), End::Status(8)),
        ("encoding", |client| with_fields(client, &[("grpc-encoding", "lzma")]), End::Status(12)),
        ("method", |client| (client.call("/test.Test/Nothing", &[], b"bad"), Vec::new()), End::Status(12)),
        ("no path", |client| (client.call("test.Test/Echo", &[], b"bad"), Vec::new()), End::Status(12)),
        ("panic", |client| (client.call(PANIC, &[], b"late"), Vec::new()), End::Status(13)),
        ("flag", |client| with_octets(client, "identity", &[1, 0, 0, 0, 1, 7]), End::Status(13)),
        ("cut", |client| with_octets(client, "identity", &[0, 0, 0, 0, 9, 7]), End::Status(13)),
        ("announced", |client| with_octets(client, "identity", &[0, 0xff, 0xff, 0xff, 0xff]), End::Status(8)),
        ("behind", |client| with_octets(client, "identity", &[0, 0, 0, 0, 1, 7, 0]), End::Status(12)),
        #[cfg(feature = "gzip")]
        ("gzip", |client| with_octets(client, "gzip", &[1, 0, 0, 0, 4, 0x1f, 0x8b, 8, 0]), End::Status(13)),
        (
            "cancelled",
            |client| {
                let stream = client.call(ECHO, &[], b"bad");
                client.engine().reset(stream, Reason::CANCEL);
                (stream, Vec::new())
            },
            End::Own,
        ),
        (
            "window of nothing",
            |client| {
                let stream = client.open(ECHO, &[], false);
                (stream, frame(8, 0, stream, &[0; 4]))
            },
            protocol_error(),
        ),
        (
            "window overflow",
            |client| {
                let stream = client.open(ECHO, &[], false);
                (stream, frame(8, 0, stream, &0x7fff_ffff_u32.to_be_bytes()))
            },
            End::Reset(Reason::FLOW_CONTROL_ERROR),
        ),
        (
            "headers behind the end",
            |client| {
                let stream = client.open(CHAT, &[], true);
                // `x: y`, not indexed.
                (stream, frame(1, 5, stream, &[0, 1, b'x', 1, b'y']))
            },
            End::Reset(Reason::STREAM_CLOSED),
        ),
    ]
}

fn end_of(answer: &Answer) -> End {
    match answer.reset {
        Some(reason) if !answer.ended => End::Reset(reason),
        _ => End::Status(answer.status()),
    }
}

#[tokio::test]
async fn only_the_bad_stream_suffers() {
    for (name, misbehave, expected) in bad_streams() {
        let server = serve_with(|builder| builder.message_len_max(100_000)).await;
        let mut client = RawClient::connect(server.address).await;
        let good: Vec<StreamKey> = (0..GOOD_COUNT)
            .map(|n| {
                let stream = client.open(CHAT, &[], false);
                client.send(stream, &envelope(format!("{n} before").as_bytes()), false);
                stream
            })
            .collect();
        for stream in &good[..GOOD_COUNT / 2] {
            client.until(*stream, |answer| !answer.data.is_empty()).await;
        }
        let (bad, octets) = misbehave(&mut client);
        client.inject(&octets).await;
        if expected != End::Own {
            let answer = client.answer(bad).await;
            assert_eq!(end_of(&answer), expected, "{name}: {answer:?}");
        }
        for (n, stream) in good.into_iter().enumerate() {
            client.send(stream, &envelope(format!("{n} after").as_bytes()), true);
            let answer = client.answer(stream).await;
            assert_eq!(answer.status(), 0, "{name}");
            let wanted = [format!("{n} before").into_bytes(), format!("{n} after").into_bytes()];
            assert_eq!(answer.messages(), wanted, "{name}");
        }
        assert!(client.goaways.is_empty(), "{name}");
    }
}
