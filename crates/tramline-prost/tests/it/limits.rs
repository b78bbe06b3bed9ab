//! What one message may cost, as far as the library bounds it.

use tramline_call::{Code, codec::Limits};

use crate::{decoded, encoded, messages::Shape};

#[test]
fn nesting_stops_at_a_hundred() {
    let nested = |depth: usize| {
        let mut shape = Shape::default();
        for _ in 1..depth {
            shape = Shape { below: Some(Box::new(shape)), ..Default::default() };
        }
        encoded(&shape).0
    };
    assert!(decoded::<Shape>(&nested(101), Limits::default()).is_ok());
    assert_eq!(decoded::<Shape>(&nested(102), Limits::default()).unwrap_err().code(), Code::Internal);
}

#[test]
fn a_message_over_the_limit_is_refused_whoever_delivers_it() {
    let limits = Limits { message_len_max: 9, ..Limits::default() };
    let octets = encoded(&Shape { name: "12345678".into(), ..Default::default() }).0;
    let status = decoded::<Shape>(&octets, limits).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}
