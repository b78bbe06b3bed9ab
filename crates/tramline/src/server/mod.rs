//! The server: services, listeners, and the calls in between.

mod accept;
mod builder;
mod connection;
mod executor;
mod group;
mod held_reply;
mod intercepted;
mod listener;
mod load;
mod places;
mod replies;
mod routes;
mod serving;
pub(crate) mod settings;
mod slot;

pub use builder::{Runtime, ServerBuilder};
pub use listener::Listener;
pub use replies::Replies;
pub use routes::{Dispatch, Routes, Service};
pub use serving::{Server, ServerHandle};
