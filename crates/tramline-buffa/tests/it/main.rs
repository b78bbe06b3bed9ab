//! The codec over generated messages.

mod cost;
mod limits;
mod round_trip;

/// What generated code expects of the crate `tramline`, which cannot be named here: it depends on this one.
mod runtime {
    pub(crate) mod codec {
        pub(crate) use tramline_buffa::buffa;
    }

    pub(crate) mod codegen {
        pub(crate) const fn assert_version(version: u32) {
            assert!(version == 1);
        }
    }
}

#[allow(missing_docs, dead_code, reason = "generated code")]
mod messages {
    include!("messages/shapes.rs");
}

use bytes::Bytes;
use tramline_buffa::Buffa;
use tramline_call::{
    Decode, Encode, Frame, Status,
    codec::{Limits, Sink},
};

/// The octets that a message becomes, and how many of its pieces were passed on without a copy.
fn encoded<T>(message: &T) -> (Vec<u8>, usize)
where
    Buffa: Encode<T>,
{
    let (mut tail, mut splices) = (Vec::new(), Vec::new());
    Buffa.encode(message, &mut Sink::new(&mut tail, &mut splices)).unwrap();
    let mut octets = Vec::new();
    let mut done = 0;
    for (at, piece) in &splices {
        octets.extend_from_slice(&tail[done..*at]);
        octets.extend_from_slice(piece);
        done = *at;
    }
    octets.extend_from_slice(&tail[done..]);
    (octets, splices.len())
}

fn decoded<T>(octets: &[u8], limits: Limits) -> Result<T, Status>
where
    Buffa: Decode<T>,
{
    let from_slice = Buffa.decode(Frame::Slice(octets), limits);
    let shared = Buffa.decode(Frame::Shared(Bytes::copy_from_slice(octets)), limits);
    assert_eq!(from_slice.as_ref().err().map(Status::code), shared.as_ref().err().map(Status::code));
    from_slice
}
