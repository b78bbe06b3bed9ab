//! The channel: what users hold.

use std::sync::Arc;

use tramline_call::codec::{Decode, Encode};
use tramline_call::{Method, Status};

use super::balancer::{BalancerFactory, PickFirst};
use super::builder::ChannelBuilder;
use super::call::{BidiCall, ClientStreamingCall, ServerStreamingCall, UnaryCall};
use super::control::Letter;
use super::profile::Profile;
use super::router::Router;
use super::state::ConnectivityState;
use crate::error::Error;
use crate::io::InProcessConnector;
use crate::request::Request;

/// The last of a channel's clones to be dropped lets go of the connections, once the
/// calls on them are over.
#[derive(Debug)]
struct Handle {
    router: Arc<Router>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.router.release();
    }
}

/// A client's way to a service: names, connections and their balancing, behind one handle.
///
/// A channel is lazy: it connects when the first call is made, connects again after
/// failures with growing pauses, and lets its connections go when it is idle. It is cheap
/// to clone, `Send` and `Sync`, and one is enough for a whole program; it may live in a
/// static. It runs on the tokio runtime that makes its first call; if that is gone, the
/// next call moves it to its own.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use tramline::codec::Raw;
/// use tramline::{Channel, Method};
///
/// const ECHO: Method<Bytes, Bytes, Raw> = Method::unary("/pkg.Echo/Say", Raw);
///
/// let channel = Channel::new("dns:///localhost:50051")?;
/// let call = channel.unary(&ECHO, Bytes::from("hello")).timeout(Duration::from_secs(1));
/// println!("{:?}", call.await?.into_inner());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Channel {
    handle: Arc<Handle>,
}

impl Channel {
    /// A channel to `target`, with default settings: see [`Target`](super::Target) for what
    /// can be written. `https://` speaks TLS and trusts the system's roots; everything else
    /// is plaintext.
    ///
    /// # Errors
    /// The target cannot be read; for `https://`, the system has no root certificates.
    pub fn new(target: &str) -> Result<Channel, Error> {
        ChannelBuilder::new(target).build()
    }

    /// A channel with settings of its own.
    #[must_use]
    pub fn builder(target: &str) -> ChannelBuilder {
        ChannelBuilder::new(target)
    }

    /// A channel to a server inside this process.
    ///
    /// # Errors
    /// None at present.
    pub fn in_process(connector: &InProcessConnector) -> Result<Channel, Error> {
        ChannelBuilder::in_process(connector).build()
    }

    pub(super) fn from_profile(profile: Profile) -> Channel {
        Channel { handle: Arc::new(Handle { router: Router::new(Arc::new(profile)) }) }
    }

    fn router(&self) -> Arc<Router> {
        Arc::clone(&self.handle.router)
    }

    /// A call with one message each way. It is sent when the returned future is first polled.
    pub fn unary<Req, Res, C>(
        &self,
        method: &Method<Req, Res, C>,
        request: impl Into<Request<Req>>,
    ) -> UnaryCall<Req, Res, C>
    where
        C: Encode<Req> + Decode<Res> + Default,
    {
        UnaryCall::new(self.router(), method, request.into())
    }

    /// A call that is answered with a stream. It is sent when the returned future is first
    /// polled.
    pub fn server_streaming<Req, Res, C>(
        &self,
        method: &Method<Req, Res, C>,
        request: impl Into<Request<Req>>,
    ) -> ServerStreamingCall<Req, Res, C>
    where
        C: Encode<Req> + Decode<Res> + Default,
    {
        ServerStreamingCall::new(self.router(), method, request.into())
    }

    /// A call that takes a stream and answers with one message.
    pub fn client_streaming<Req, Res, C>(&self, method: &Method<Req, Res, C>) -> ClientStreamingCall<Req, Res, C>
    where
        C: Encode<Req> + Decode<Res> + Default,
    {
        ClientStreamingCall::new(self.router(), method)
    }

    /// A call that streams both ways.
    pub fn bidi_streaming<Req, Res, C>(&self, method: &Method<Req, Res, C>) -> BidiCall<Req, Res, C>
    where
        C: Encode<Req> + Decode<Res> + Default,
    {
        BidiCall::new(self.router(), method)
    }

    /// How the channel is connected. With `try_to_connect`, an idle one begins to.
    ///
    /// # Errors
    /// It should connect, and there is no tokio runtime to do it on.
    pub fn state(&self, try_to_connect: bool) -> Result<ConnectivityState, Status> {
        let state = self.handle.router.state();
        if try_to_connect && state == ConnectivityState::Idle {
            self.handle.router.tell(Letter::Connect)?;
        }
        Ok(state)
    }

    /// Waits until the state is another than `last`, and returns it.
    pub async fn wait_for_state_change(&self, last: ConnectivityState) -> ConnectivityState {
        std::future::poll_fn(|cx| self.handle.router.poll_state_change(cx, last)).await
    }

    /// Forgets how often connecting has failed: the next attempt is made at once. For
    /// applications that know that the network is back.
    pub fn reset_backoff(&self) {
        self.handle.router.tell_running(Letter::ResetBackoff);
    }

    /// Takes no more calls: they fail with UNAVAILABLE. Those in flight go on, and the
    /// connections close behind them.
    pub fn shut_down(&self) {
        self.handle.router.shut_down(false);
    }

    /// Closes the channel at once: calls in flight fail with UNAVAILABLE.
    pub fn close(&self) {
        self.handle.router.shut_down(true);
    }
}

/// How calls are spread over the addresses of a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum LoadBalancing {
    /// All calls go to the first address that answers.
    #[default]
    PickFirst,
    /// Calls go to all addresses in turn.
    RoundRobin,
}

impl LoadBalancing {
    pub(super) fn factory(self) -> Arc<dyn BalancerFactory> {
        match self {
            LoadBalancing::PickFirst => Arc::new(PickFirst::new),
            LoadBalancing::RoundRobin => Arc::new(super::balancer::RoundRobin::new),
        }
    }
}
