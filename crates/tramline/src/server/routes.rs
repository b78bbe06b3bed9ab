//! Methods and their handlers, folded into one table when the server is built.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tramline_call::codec::{Decode, Encode, Raw};
use tramline_call::{Method, MethodInfo, Status};

use super::intercepted::{EndFuture, Intercepted, OnceHandler, Passing, ReplyFuture, StreamHandler, encode_reply};
use super::load::Load;
use super::replies::Replies;
use super::slot::{BoxSlot, CallSlot, Opening, Start, StreamingSlot, UnarySlot};
use crate::drive::transfer::{self, DecodeFn};
use crate::http_door::{HttpHandler, respond};
use crate::interceptor::{CallHooks, Interceptors};
use crate::request::Request;
use crate::response::Response;
use crate::streaming::{Streaming, raw};

/// Routes that no path names. (No service can be called so: these are not names of
/// protobuf, and nobody may register them.)
const FALLBACK: &str = "/*/*";
const HTTP: &str = "/*/http";

/// A service that can be added to a server; generated code implements it.
pub trait Service {
    /// The full name, `package.Service`.
    fn name(&self) -> &'static str;
    /// Adds its methods.
    fn register(self, routes: &mut Routes);
}

/// Where a handler's future runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Dispatch {
    /// On the connection's task, as long as its polls are short; a method that runs long
    /// is given tasks of its own until it has been short for a while.
    #[default]
    Inline,
    /// On a task of its own, always.
    Spawn,
    /// On a thread of the blocking pool, always: for handlers that block.
    Blocking,
}

/// One method of a server.
pub(crate) struct Route {
    pub(crate) method: Arc<MethodInfo>,
    dispatch: Dispatch,
    pub(crate) load: Load,
    new_slot: Box<dyn Fn() -> BoxSlot + Send + Sync>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("method", &self.method).field("dispatch", &self.dispatch).finish_non_exhaustive()
    }
}

impl Route {
    pub(crate) fn slot(&self) -> BoxSlot {
        (self.new_slot)()
    }

    /// The response is one message, not a stream.
    pub(crate) fn replies_once(&self) -> bool {
        self.method.kind().replies_once()
    }

    /// Where a handler goes now. `is_busy`: the connection's task has had its time.
    pub(crate) fn placement(&self, is_busy: bool) -> Dispatch {
        match self.dispatch {
            Dispatch::Inline if is_busy || self.load.is_long() => Dispatch::Spawn,
            dispatch => dispatch,
        }
    }
}

/// The methods of a server, by exact path.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    by_path: HashMap<Box<[u8]>, u32, BuildHasherDefault<PathHasher>>,
    services: Vec<&'static str>,
    /// The first path that was registered twice.
    duplicate: Option<String>,
    /// What takes calls of methods that are not registered.
    fallback: Option<u32>,
    /// What takes requests that are not gRPC.
    http: Option<u32>,
    chain: Option<Arc<Interceptors>>,
}

impl Routes {
    /// Adds a unary method.
    pub fn unary<S, Req, Res, C, H, F>(&mut self, method: Method<Req, Res, C>, service: Arc<S>, handler: H)
    where
        S: Send + Sync + 'static,
        C: Decode<Req> + Encode<Res> + Default,
        H: Fn(Arc<S>, Request<Req>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response<Res>, Status>> + Send + 'static,
        Req: Send + 'static,
        Res: Send + 'static,
    {
        let decode = transfer::decode_fn::<Req, C>();
        if self.is_intercepted() {
            return self.add_intercepted_once(method.info(), move |mut passing, _hooks| {
                let message = passing.message(decode)?;
                let response = handler(service.clone(), passing.request(message));
                Ok(Box::pin(async move { encode_reply::<Res, C>(response.await?) }))
            });
        }
        let begin = Arc::new(move |start: Start<'_>| {
            let message = one_message(&start, decode)?;
            let was_compressed = start.came_compressed();
            let request = Start::request(start.metadata, start.context, message).compressed(was_compressed);
            Ok(handler(service.clone(), request))
        });
        let encode = transfer::encode_fn::<Res, C>();
        self.add(method.info(), move || Box::pin(UnarySlot::new(begin.clone(), encode)));
    }

    /// Adds a method that answers one request with a stream.
    pub fn server_streaming<S, Req, Res, C, H, F>(&mut self, method: Method<Req, Res, C>, service: Arc<S>, handler: H)
    where
        S: Send + Sync + 'static,
        C: Decode<Req> + Encode<Res> + Default,
        H: Fn(Arc<S>, Request<Req>, Replies<Res>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
        Req: Send + 'static,
        Res: Send + 'static,
    {
        let decode = transfer::decode_fn::<Req, C>();
        if self.is_intercepted() {
            return self.add_intercepted_stream(method.info(), move |mut passing, hooks| {
                let message = passing.message(decode)?;
                let replies = passing.replies(transfer::encode_fn::<Res, C>(), hooks)?;
                Ok(Box::pin(handler(service.clone(), passing.request(message), replies)))
            });
        }
        let begin = Arc::new(move |start: Start<'_>| {
            let message = one_message(&start, decode)?;
            let replies = replies::<Res, C>(&start)?;
            let was_compressed = start.came_compressed();
            let request = Start::request(start.metadata, start.context, message).compressed(was_compressed);
            Ok(handler(service.clone(), request, replies))
        });
        self.add(method.info(), move || Box::pin(StreamingSlot::new(begin.clone())));
    }

    /// Adds a method that answers a stream with one reply.
    pub fn client_streaming<S, Req, Res, C, H, F>(&mut self, method: Method<Req, Res, C>, service: Arc<S>, handler: H)
    where
        S: Send + Sync + 'static,
        C: Decode<Req> + Encode<Res> + Default,
        H: Fn(Arc<S>, Request<Streaming<Req>>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response<Res>, Status>> + Send + 'static,
        Req: Send + 'static,
        Res: Send + 'static,
    {
        if self.is_intercepted() {
            return self.add_intercepted_once(method.info(), move |passing, hooks| {
                let messages = passing.messages(transfer::decode_fn::<Req, C>(), hooks)?;
                let response = handler(service.clone(), passing.request(messages));
                Ok(Box::pin(async move { encode_reply::<Res, C>(response.await?) }))
            });
        }
        let begin = Arc::new(move |start: Start<'_>| {
            let messages = messages::<Req, C>(&start)?;
            Ok(handler(service.clone(), Start::request(start.metadata, start.context, messages)))
        });
        let encode = transfer::encode_fn::<Res, C>();
        self.add(method.info(), move || Box::pin(UnarySlot::new(begin.clone(), encode)));
    }

    /// Adds a method that streams both ways.
    pub fn bidi_streaming<S, Req, Res, C, H, F>(&mut self, method: Method<Req, Res, C>, service: Arc<S>, handler: H)
    where
        S: Send + Sync + 'static,
        C: Decode<Req> + Encode<Res> + Default,
        H: Fn(Arc<S>, Request<Streaming<Req>>, Replies<Res>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
        Req: Send + 'static,
        Res: Send + 'static,
    {
        if self.is_intercepted() {
            return self.add_intercepted_stream(method.info(), move |passing, hooks| {
                let messages = passing.messages(transfer::decode_fn::<Req, C>(), hooks)?;
                let replies = passing.replies(transfer::encode_fn::<Res, C>(), hooks)?;
                Ok(Box::pin(handler(service.clone(), passing.request(messages), replies)))
            });
        }
        let begin = Arc::new(move |start: Start<'_>| {
            let messages = messages::<Req, C>(&start)?;
            let replies = replies::<Res, C>(&start)?;
            Ok(handler(service.clone(), Start::request(start.metadata, start.context, messages), replies))
        });
        self.add(method.info(), move || Box::pin(StreamingSlot::new(begin.clone())));
    }

    /// Takes calls of methods that are not registered, of all kinds, as streams of
    /// encoded messages: for proxies. The last one that was set counts.
    pub fn fallback<S, H, F>(&mut self, service: Arc<S>, handler: H)
    where
        S: Send + Sync + 'static,
        H: Fn(Arc<S>, Request<Streaming<Bytes>>, Replies<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        self.bidi_streaming(Method::bidi_streaming(FALLBACK, Raw), service, handler);
        self.fallback = self.by_path.remove(FALLBACK.as_bytes());
    }

    /// Takes requests that are not gRPC.
    pub(crate) fn set_http(&mut self, handler: HttpHandler) {
        let begin = Arc::new(move |start: Start<'_>| {
            let exchange = exchange_of(&start)?;
            let Opening::Http(opening) = start.opening else { return Err(Status::internal("no HTTP request")) };
            let pieces = Streaming::new(Arc::clone(&exchange), raw, start.limits);
            Ok(Box::pin(respond(Arc::clone(&handler), *opening, pieces, exchange)))
        });
        let method = Method::<Bytes, Bytes, Raw>::bidi_streaming(HTTP, Raw);
        self.http = Some(self.push(method.info(), move || Box::pin(StreamingSlot::new(begin.clone()))));
    }

    fn add<N, L>(&mut self, method: MethodInfo, new_slot: N)
    where
        N: Fn() -> Pin<Box<L>> + Send + Sync + 'static,
        L: CallSlot + 'static,
    {
        let path = method.path().clone();
        let id = self.push(method, new_slot);
        if self.by_path.insert(path.as_bytes().into(), id).is_some() {
            self.duplicate.get_or_insert_with(|| path.to_string());
        }
    }

    fn push<N, L>(&mut self, method: MethodInfo, new_slot: N) -> u32
    where
        N: Fn() -> Pin<Box<L>> + Send + Sync + 'static,
        L: CallSlot + 'static,
    {
        self.routes.push(Route {
            method: Arc::new(method),
            dispatch: Dispatch::default(),
            load: Load::default(),
            new_slot: Box::new(move || -> BoxSlot { new_slot() }),
        });
        self.routes.len() as u32 - 1
    }

    /// Interceptors for the methods that are added from now on.
    pub(crate) fn set_interceptors(&mut self, chain: Interceptors) {
        self.chain = (!chain.is_empty()).then(|| Arc::new(chain));
    }

    fn is_intercepted(&self) -> bool {
        self.chain.is_some()
    }

    fn add_intercepted_once<H>(&mut self, method: MethodInfo, handler: H)
    where
        H: Fn(Passing, &Arc<CallHooks>) -> Result<ReplyFuture, Status> + Send + Sync + 'static,
    {
        let Some(chain) = self.chain.clone() else { return };
        let intercepted: Arc<Intercepted<OnceHandler>> = Arc::new(Intercepted { chain, handler: Box::new(handler) });
        let begin = Arc::new(move |start: Start<'_>| intercepted.begin(start));
        let encode = transfer::encode_fn::<Bytes, Raw>();
        self.add(method, move || Box::pin(UnarySlot::new(begin.clone(), encode)));
    }

    fn add_intercepted_stream<H>(&mut self, method: MethodInfo, handler: H)
    where
        H: Fn(Passing, &Arc<CallHooks>) -> Result<EndFuture, Status> + Send + Sync + 'static,
    {
        let Some(chain) = self.chain.clone() else { return };
        let intercepted: Arc<Intercepted<StreamHandler>> = Arc::new(Intercepted { chain, handler: Box::new(handler) });
        let begin = Arc::new(move |start: Start<'_>| intercepted.begin(start));
        self.add(method, move || Box::pin(StreamingSlot::new(begin.clone())));
    }

    /// Adds all methods of a service.
    pub fn add_service<S: Service>(&mut self, service: S) {
        self.services.push(service.name());
        service.register(self);
    }

    /// A path that was registered twice.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        self.duplicate.as_deref()
    }

    /// Where the handlers of `path` run.
    pub(crate) fn set_dispatch(&mut self, path: &str, dispatch: Dispatch) -> bool {
        let Some(id) = self.find(path.as_bytes()) else { return false };
        self.routes.get_mut(id as usize).map(|route| route.dispatch = dispatch).is_some()
    }

    /// The method of exactly this path: no normalisation, nothing in between.
    pub(crate) fn find(&self, path: &[u8]) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// What takes calls of methods that are not registered.
    pub(crate) fn fallback_id(&self) -> Option<u32> {
        self.fallback
    }

    /// What takes requests that are not gRPC.
    pub(crate) fn http_id(&self) -> Option<u32> {
        self.http
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Route> {
        self.routes.get(id as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Names of the services, in the order of their registration.
    pub fn services(&self) -> &[&'static str] {
        &self.services
    }
}

fn one_message<T>(start: &Start<'_>, decode: DecodeFn<T>) -> Result<T, Status> {
    match &start.opening {
        Opening::Message(frame, compressed) => {
            transfer::decode(frame.share(), *compressed, start.encoding, start.limits, decode)
        }
        Opening::Messages | Opening::Http(_) => Err(Status::internal("a request message is missing")),
    }
}

fn exchange_of(start: &Start<'_>) -> Result<Arc<crate::drive::exchange::Exchange>, Status> {
    start.exchange.clone().ok_or_else(|| Status::internal("a streaming call without its boxes"))
}

fn messages<T, C: Decode<T> + Default>(start: &Start<'_>) -> Result<Streaming<T>, Status> {
    Ok(Streaming::new(exchange_of(start)?, transfer::decode_fn::<T, C>(), start.limits))
}

fn replies<T, C: Encode<T> + Default>(start: &Start<'_>) -> Result<Replies<T>, Status> {
    Ok(Replies::new(exchange_of(start)?, transfer::encode_fn::<T, C>(), start.packing))
}

/// A quick hash for the table of paths. Its keys are the server's own, so nobody outside
/// can fill it with collisions.
#[derive(Debug, Default)]
struct PathHasher(u64);

impl PathHasher {
    fn mix(&mut self, word: u64) {
        // The golden ratio's bits spread a word over all of the product (Fibonacci hashing).
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for PathHasher {
    fn write(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.mix(u64::from_le_bytes(last));
    }

    fn write_usize(&mut self, len: usize) {
        self.mix(len as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
