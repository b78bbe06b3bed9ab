//! Calls: how they are made, what carries them, how they end.

mod intercepted;
mod options;
mod reply;
mod requests;
mod shared;
mod streaming;
mod ticket;
mod unary;

pub use reply::Reply;
pub use requests::Requests;
#[cfg(test)]
pub(crate) use shared::CallHead;
pub(crate) use shared::{Call, Place};
pub use streaming::{BidiCall, ClientStreamingCall, ServerStreamingCall};
pub(crate) use ticket::{Outbox, ReplyBody, Ticket, UnaryReply, cancelled};
pub use unary::UnaryCall;
