//! How many messages may come.

use tramline_call::cardinality::MessageCount;
use tramline_call::{Code, MethodKind};

type Count = fn(MethodKind) -> MessageCount;

/// Directions in which exactly one message comes, and those in which any number may.
const ONE: [(Count, MethodKind); 4] = [
    (MessageCount::of_requests, MethodKind::Unary),
    (MessageCount::of_requests, MethodKind::ServerStreaming),
    (MessageCount::of_responses, MethodKind::Unary),
    (MessageCount::of_responses, MethodKind::ClientStreaming),
];
const MANY: [(Count, MethodKind); 4] = [
    (MessageCount::of_requests, MethodKind::ClientStreaming),
    (MessageCount::of_requests, MethodKind::BidiStreaming),
    (MessageCount::of_responses, MethodKind::ServerStreaming),
    (MessageCount::of_responses, MethodKind::BidiStreaming),
];

#[test]
fn one_message_is_neither_none_nor_two() {
    for (count, kind) in ONE {
        let mut count = count(kind);
        assert_eq!(count.handle_end().unwrap_err().code(), Code::Unimplemented, "{kind:?}: none");
        count.handle_message().unwrap();
        count.handle_end().unwrap();
        assert_eq!(count.handle_message().unwrap_err().code(), Code::Unimplemented, "{kind:?}: two");
    }
}

#[test]
fn a_stream_has_any_number() {
    for (count, kind) in MANY {
        let mut count = count(kind);
        count.handle_end().unwrap();
        for _ in 0..3 {
            count.handle_message().unwrap();
        }
        count.handle_end().unwrap();
    }
}
