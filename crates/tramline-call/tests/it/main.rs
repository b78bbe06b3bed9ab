//! The rules of a call, theme by theme.

mod backoff;
mod behaviour;
mod cardinality;
mod code_status;
mod codec;
mod conformance;
mod encoding;
mod envelope;
mod hostile;
mod mapping;
mod metadata;
mod percent;
mod renewed_heads;
mod request;
mod request_faults;
mod response;
mod routing;
mod timeout;
mod tokens;
mod trailers;
mod wire;
mod writing;
