//! The server as a peer sees it: a raw HTTP/2 client on the other side of a socket.
//! The client as a peer sees it: a raw server. And both together.

mod cancellation;
mod client_answers;
mod client_calls;
mod client_channel;
mod client_compression;
mod client_deadlines;
mod client_drop;
mod client_interceptors;
mod client_rules;
#[cfg(feature = "tls")]
mod client_tls;
mod dispatch;
mod evasion;
mod executor;
mod http_door;
mod interceptor_roads;
mod interceptors;
mod keepalive;
mod last_octets;
mod limits;
mod listeners;
mod load;
mod names;
mod noisy;
mod orderly_close;
mod own_policies;
mod panics;
mod proxy;
mod raw_client;
mod raw_server;
mod repeated_heads;
mod request_rules;
#[cfg(feature = "tls")]
mod server_tls;
mod services;
mod shutdown;
mod streaming;
mod turns;
mod unary;
