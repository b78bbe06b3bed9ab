//! The prefix of messages, and putting them together again.

use tramline_call::codec::Frame;
use tramline_call::envelope::{Assembler, PREFIX_LEN, check_sent_len, prefix};
use tramline_call::{Code, Encoding, Status};

const LIMIT: usize = 1 << 20;

fn wire(messages: &[(bool, &[u8])]) -> Vec<u8> {
    let one =
        |&(compressed, message): &(bool, &[u8])| [&prefix(compressed, message.len()).unwrap()[..], message].concat();
    messages.iter().flat_map(one).collect()
}

/// Feeds pieces, and gives what came out.
fn assemble(assembler: &mut Assembler, pieces: &[&[u8]]) -> Result<Vec<(bool, Vec<u8>)>, Status> {
    let mut messages = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(message) = assembler.next(&mut input, Encoding::Gzip, LIMIT)? {
            messages.push((message.compressed, message.frame.contiguous().to_vec()));
        }
        assert!(input.is_empty(), "`None` means that the input is used up");
    }
    Ok(messages)
}

fn owned(messages: &[(bool, &[u8])]) -> Vec<(bool, Vec<u8>)> {
    messages.iter().map(|(compressed, message)| (*compressed, message.to_vec())).collect()
}

const MESSAGES: &[(bool, &[u8])] =
    &[(false, b"hello"), (true, b""), (false, b""), (true, b"a longer message"), (false, b"x")];

#[test]
fn messages_come_out_whole_wherever_the_wire_is_cut() {
    let wire = wire(MESSAGES);
    for first in 0..=wire.len() {
        for second in first..=wire.len() {
            let mut assembler = Assembler::default();
            let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
            assert_eq!(assemble(&mut assembler, &pieces).unwrap(), owned(MESSAGES), "cut at {first} and {second}");
            assert!(assembler.finish().is_ok());
            assert_eq!(assembler.pending_len(), 0);
        }
    }
}

#[test]
fn messages_come_out_whole_octet_by_octet() {
    let wire = wire(MESSAGES);
    let pieces: Vec<&[u8]> = wire.chunks(1).collect();
    let mut assembler = Assembler::default();
    assert_eq!(assemble(&mut assembler, &pieces).unwrap(), owned(MESSAGES));
}

#[test]
fn a_message_in_one_piece_is_not_copied() {
    let wire = wire(&[(false, b"hello")]);
    for cut in 0..=PREFIX_LEN {
        let mut assembler = Assembler::default();
        let (mut first, mut second) = wire.split_at(cut);
        assert!(assembler.next(&mut first, Encoding::Identity, LIMIT).unwrap().is_none());
        let message = assembler.next(&mut second, Encoding::Identity, LIMIT).unwrap().expect("a message");
        assert!(matches!(message.frame, Frame::Slice(b"hello")), "prefix cut at {cut}");
    }
}

#[test]
fn the_end_inside_a_message_is_internal() {
    let wire = wire(&[(false, b"hello")]);
    for cut in 1..wire.len() {
        let mut assembler = Assembler::default();
        assemble(&mut assembler, &[&wire[..cut]]).unwrap();
        let status = assembler.finish().expect_err("the message is cut");
        assert_eq!(status.code(), Code::Internal, "cut at {cut}");
    }
}

#[test]
fn the_end_between_messages_is_in_order() {
    assert!(Assembler::default().finish().is_ok());
    let mut assembler = Assembler::default();
    assemble(&mut assembler, &[&wire(MESSAGES)]).unwrap();
    assert!(assembler.finish().is_ok());
}

#[test]
fn a_length_over_the_limit_fails_before_anything_is_kept() {
    let mut assembler = Assembler::default();
    let mut input = &b"\0\x00\x00\x04\x01abc"[..];
    let status = assembler.next(&mut input, Encoding::Identity, 1024).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("1025") && status.message().contains("1024"), "{status}");
    let mut input = &b"\0\xff\xff\xff\xff"[..];
    assert!(Assembler::default().next(&mut input, Encoding::Identity, 1024).is_err());
}

#[test]
fn a_length_at_the_limit_passes() {
    let wire = wire(&[(false, &[7; 1024])]);
    let mut input = &wire[..];
    let message = Assembler::default().next(&mut input, Encoding::Identity, 1024).unwrap().expect("a message");
    assert_eq!(message.frame.len(), 1024);
}

#[test]
fn the_limit_is_on_the_decompressed_message() {
    let announce = |compressed, len| {
        let wire = prefix(compressed, len).unwrap();
        Assembler::default().next(&mut &wire[..], Encoding::Gzip, 64 * 1024).map(drop)
    };
    assert!(announce(true, 64 * 1024 + 1024).is_ok(), "what cannot be compressed grows a little");
    let status = announce(true, 80 * 1024).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("81920") && status.message().contains("65536"), "{status}");
    assert!(announce(false, 64 * 1024 + 1).is_err());
}

#[test]
fn flags_other_than_0_and_1_are_internal() {
    for flag in 2..=u8::MAX {
        let wire = [flag, 0, 0, 0, 0];
        let status = Assembler::default().next(&mut &wire[..], Encoding::Gzip, LIMIT).unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{flag}");
    }
}

#[test]
fn a_compressed_message_without_an_encoding_is_internal() {
    let wire = wire(&[(true, b"x")]);
    let status = Assembler::default().next(&mut &wire[..], Encoding::Identity, LIMIT).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

#[test]
fn memory_follows_what_came_and_not_what_was_announced() {
    let mut assembler = Assembler::default();
    let mut head = &prefix(false, 1 << 30).unwrap()[..];
    assert!(assembler.next(&mut head, Encoding::Identity, usize::MAX).unwrap().is_none());
    assert_eq!(assembler.capacity(), 0, "nothing before the first octet");
    let mut received = 0;
    for len in [1, 10, 100, 1000, 16 * 1024, 16 * 1024, 64 * 1024] {
        let piece = vec![1; len];
        assert!(assembler.next(&mut &piece[..], Encoding::Identity, usize::MAX).unwrap().is_none());
        received += len;
        assert_eq!(assembler.pending_len(), received);
        assert!(assembler.capacity() <= 2 * received, "{} for {received}", assembler.capacity());
    }
    assert_eq!(assembler.announced_len(), Some(1 << 30));
    assembler.reset();
    assert_eq!((assembler.pending_len(), assembler.capacity()), (0, 0));
}

#[test]
fn a_long_message_grows_to_its_length_and_no_further() {
    let message = vec![3; 100_000];
    let wire = wire(&[(false, &message)]);
    let mut assembler = Assembler::default();
    let mut assembled = None;
    for mut piece in wire.chunks(1024) {
        assembled = assembler.next(&mut piece, Encoding::Identity, LIMIT).unwrap();
        assert!(assembler.capacity() <= message.len());
    }
    assert!(matches!(&assembled.expect("a message").frame, Frame::Shared(octets) if octets[..] == message[..]));
}

#[test]
fn prefixes_hold_lengths_of_32_bits() {
    assert_eq!(prefix(false, 0).unwrap(), [0; 5]);
    assert_eq!(prefix(true, 0x0102_0304).unwrap(), [1, 1, 2, 3, 4]);
    assert_eq!(prefix(false, u32::MAX as usize).unwrap(), [0, 255, 255, 255, 255]);
    assert_eq!(prefix(false, u32::MAX as usize + 1).unwrap_err().code(), Code::ResourceExhausted);
}

#[test]
fn limits_name_both_lengths() {
    assert!(check_sent_len(10, 10).is_ok());
    let status = check_sent_len(11, 10).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("11") && status.message().contains("10"), "{status}");
}
