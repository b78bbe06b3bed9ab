//! The client: channels, and the calls made on them.
