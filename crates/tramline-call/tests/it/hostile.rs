//! Octets of all kinds, in every place where a peer can put them: nothing panics, and what is
//! claimed to be readable is read. The numbers are drawn from a fixed seed.

use std::time::Duration;

use tramline_call::client_call::{ResponseHead, read_trailers};
use tramline_call::codec::Raw;
use tramline_call::envelope::Assembler;
use tramline_call::field::classify;
use tramline_call::server_call::{Rejection, RequestHead, write_rejection};
use tramline_call::{Code, Encoding, EncodingSet, FieldToken, Method, percent, timeout};

use crate::wire::{Field, Recorder, field, refs};

/// xorshift64*
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn octets(&mut self, alphabet: &[u8], len_max: usize) -> Vec<u8> {
        (0..self.below(len_max + 1)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

const NAMES: [&[u8]; 20] = [
    b":path",
    b":method",
    b":status",
    b":authority",
    b"host",
    b"content-type",
    b"te",
    b"grpc-timeout",
    b"grpc-encoding",
    b"grpc-accept-encoding",
    b"grpc-status",
    b"grpc-message",
    b"grpc-status-details-bin",
    b"grpc-",
    b"x-bin",
    b"-bin",
    b"authorization",
    b"x",
    b"\xff",
    b"",
];

const VALUES: [&[u8]; 16] = [
    b"POST",
    b"200",
    b"503",
    b"0",
    b"13",
    b"application/grpc",
    b"application/grpc+proto",
    b"text/html",
    b"/pkg.Echo/Say",
    b"/a/b",
    b"gzip",
    b"1S",
    b"AA==",
    b"%41%",
    b",,,",
    b"",
];

fn fields(numbers: &mut Numbers) -> Vec<Field> {
    let all: Vec<u8> = (0..=255).collect();
    let one = |numbers: &mut Numbers| {
        let name = numbers.pick(&NAMES);
        let value = if numbers.below(3) == 0 { numbers.octets(&all, 40) } else { numbers.pick(&VALUES).to_vec() };
        field(name, &value)
    };
    (0..numbers.below(12)).map(|_| one(numbers)).collect()
}

#[test]
fn any_fields_are_a_request_or_a_rejection() {
    let mut numbers = Numbers(1);
    let mut head = RequestHead::default();
    for _ in 0..20_000 {
        let fields = fields(&mut numbers);
        match head.read(refs(&fields), EncodingSet::from_list(b"gzip")) {
            Ok(()) => {
                let path = head.path();
                assert!(head.route().is_some() == path.is_empty());
                assert!(head.metadata().iter().all(|(_, value)| !value.is_binary() || value.to_bytes().is_some()));
            }
            Err(Rejection::Http(status)) => assert_eq!(status, 415),
            Err(Rejection::Call(rejected)) => {
                assert_ne!(rejected.status.code(), Code::Ok);
                let lines = Recorder::of(|sink| write_rejection(&rejected, EncodingSet::IDENTITY, sink)).lines();
                assert!(lines.iter().all(|line| line.bytes().all(|octet| matches!(octet, b' '..=b'~'))), "{lines:?}");
            }
        }
    }
}

#[test]
fn any_fields_are_a_response_or_a_status() {
    let mut numbers = Numbers(2);
    let method = Method::<(), (), _>::unary("/pkg.Echo/Say", Raw).info();
    for _ in 0..20_000 {
        let fields = fields(&mut numbers);
        let says_ok = fields.iter().any(|(token, _, _)| *token == FieldToken::GrpcStatus(Some(0)));
        let end_stream = numbers.below(2) == 0;
        match ResponseHead::read(refs(&fields), end_stream, EncodingSet::IDENTITY, &method) {
            Ok(ResponseHead::TrailersOnly(Ok(_))) => assert!(says_ok && end_stream),
            Ok(ResponseHead::TrailersOnly(Err(_))) => assert!(end_stream),
            Ok(ResponseHead::NotGrpc(foreign)) => assert_ne!(foreign.into_status().code(), Code::Ok),
            Ok(ResponseHead::Head { .. }) => assert!(!end_stream),
            Err(status) => assert_eq!(status.code(), Code::Internal),
        }
        assert!(says_ok || read_trailers(refs(&fields)).is_err(), "OK is never made up");
    }
}

#[test]
fn base64_that_passes_the_check_is_read() {
    let mut numbers = Numbers(3);
    for _ in 0..20_000 {
        let list = numbers.octets(b"Ab9+/=, -", 14);
        let (token, _) = classify(b"x-bin", &list, |_| None);
        let mut fields = vec![field(b":method", b"POST"), field(b":path", b"/a/b")];
        fields.push(field(b"content-type", b"application/grpc"));
        fields.push(field(b"x-bin", &list));
        let mut head = RequestHead::default();
        let outcome = head.read(refs(&fields), EncodingSet::IDENTITY);
        assert_eq!(token, FieldToken::Binary { is_valid: outcome.is_ok() }, "{:?}", list.escape_ascii().to_string());
        if outcome.is_ok() {
            let count = list.split(|&octet| octet == b',').count();
            assert_eq!(head.metadata().get_all_bin("x-bin").count(), count, "{:?}", list.escape_ascii().to_string());
        }
    }
}

#[test]
fn any_octets_are_messages_or_an_error() {
    let mut numbers = Numbers(4);
    for _ in 0..20_000 {
        // Mostly small lengths, so that messages end.
        let wire = numbers.octets(b"\0\0\0\0\0\0\x01\x02\x05\xff", 60);
        let whole = messages(&[&wire]);
        let first = numbers.below(wire.len() + 1);
        let second = first + numbers.below(wire.len() - first + 1);
        assert_eq!(messages(&[&wire[..first], &wire[first..second], &wire[second..]]), whole, "{wire:?}");
    }
}

/// What comes out of pieces, and how it ends.
fn messages(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Code>) {
    let mut assembler = Assembler::default();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match assembler.next(&mut input, Encoding::Gzip, 600) {
                Ok(Some(message)) => messages.push(message.frame.contiguous().to_vec()),
                Ok(None) => break,
                Err(status) => return (messages, Some(status.code())),
            }
            assert!(assembler.capacity() <= 2 * 60);
        }
    }
    (messages, assembler.finish().err().map(|status| status.code()))
}

#[test]
fn any_octets_are_a_status_message() {
    let mut numbers = Numbers(5);
    for _ in 0..20_000 {
        let value = numbers.octets(b"%%%%0123aAfFgG\xc3\xbc\xff ~", 24);
        let message = percent::decode(&value);
        assert_eq!(percent::decode(&percent::encode(&message)), message);
    }
}

#[test]
fn any_octets_are_a_timeout_or_none() {
    let mut numbers = Numbers(6);
    for _ in 0..50_000 {
        let value = numbers.octets(b"0123456789HMSmun", 11);
        let Some(timeout) = timeout::decode(&value) else { continue };
        assert!((2..=9).contains(&value.len()));
        match timeout::encode(timeout) {
            Some(text) => assert!(timeout::decode(text.as_bytes()).is_some_and(|read| read >= timeout)),
            None => assert_eq!(timeout, Duration::ZERO),
        }
    }
}
