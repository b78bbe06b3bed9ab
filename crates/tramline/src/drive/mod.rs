//! What the server's and the client's connection share: the boxes between a
//! connection's owner and everybody else.

pub(crate) mod buffers;
pub(crate) mod desk;
pub(crate) mod driver;
pub(crate) mod exchange;
pub(crate) mod inbound;
pub(crate) mod leaf_lock;
pub(crate) mod mailbox;
pub(crate) mod message_memory;
pub(crate) mod outbound;
pub(crate) mod scope;
pub(crate) mod transfer;
