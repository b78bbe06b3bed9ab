//! Methods and their handlers, folded into one table when the server is built.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tramline_call::codec::{Decode, Encode, Frame, Raw};
use tramline_call::{Method, MethodInfo, Status};

use super::intercepted::surround;
use super::load::Load;
use super::replies::{Replies, ReplyFormat};
use super::slot::{BoxSlot, CallSlot, Opening, Start, StreamingSlot, UnarySlot};
use crate::drive::exchange::Exchange;
use crate::drive::transfer::{self, Decoder};
use crate::http_door::{HttpHandler, respond};
use crate::interceptor::{Interceptors, Passage};
use crate::request::Request;
use crate::response::Response;
use crate::streaming::{Format, Streaming};

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

/// Makes slots for one method's handlers.
type NewSlot = Box<dyn Fn() -> BoxSlot + Send + Sync>;

/// One method of a server.
pub(crate) struct Route {
    pub(crate) method: Arc<MethodInfo>,
    dispatch: Dispatch,
    pub(crate) load: Load,
    new_slot: NewSlot,
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
        let begin = Arc::new(move |start: &mut Start<'_, '_>, mut place: Pin<&mut Option<F>>| {
            // A way of its own: where both meet in one message, it goes through memory once more.
            if let Some(octets) = start.plain_message() {
                let message = C::default().decode(Frame::Slice(octets), *start.body.limits)?;
                place.set(Some(handler(service.clone(), start.request(message))));
                return Ok(());
            }
            let message = one_message::<Req, C>(start)?;
            place.set(Some(handler(service.clone(), start.request(message))));
            Ok(())
        });
        self.add(method.info(), move || Box::pin(UnarySlot::<_, _, Res, C>::new(begin.clone())));
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
        let usual = OnceLock::new();
        let begin = Arc::new(move |start: &mut Start<'_, '_>, mut place: Pin<&mut Option<F>>| {
            let message = one_message::<Req, C>(start)?;
            let replies = replies::<Res, C>(start, &usual)?;
            place.set(Some(handler(service.clone(), start.request(message), replies)));
            Ok(())
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
        let format = OnceLock::new();
        let begin = Arc::new(move |start: &mut Start<'_, '_>, mut place: Pin<&mut Option<F>>| {
            let messages = messages::<Req, C>(start, &format)?;
            place.set(Some(handler(service.clone(), start.request(messages))));
            Ok(())
        });
        self.add(method.info(), move || Box::pin(UnarySlot::<_, _, Res, C>::new(begin.clone())));
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
        let (format, usual) = (OnceLock::new(), OnceLock::new());
        let begin = Arc::new(move |start: &mut Start<'_, '_>, mut place: Pin<&mut Option<F>>| {
            let messages = messages::<Req, C>(start, &format)?;
            let replies = replies::<Res, C>(start, &usual)?;
            place.set(Some(handler(service.clone(), start.request(messages), replies)));
            Ok(())
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
        let begin = Arc::new(move |start: &mut Start<'_, '_>, mut place: Pin<&mut Option<_>>| {
            let exchange = exchange_of(start)?;
            let Opening::Http(opening) = std::mem::replace(start.body.opening, Opening::Messages) else {
                return Err(Status::internal("no HTTP request"));
            };
            let format = Arc::new(Format { decoder: Decoder::new::<Raw>(), limits: *start.body.limits });
            let pieces = Streaming::new(Arc::clone(&exchange), format);
            place.set(Some(Box::pin(respond(Arc::clone(&handler), *opening, pieces, exchange))));
            Ok(())
        });
        let method = Method::<Bytes, Bytes, Raw>::bidi_streaming(HTTP, Raw);
        let new_slot: NewSlot = Box::new(move || Box::pin(StreamingSlot::new(begin.clone())));
        self.http = Some(self.push(method.info(), new_slot));
    }

    fn add<N, L>(&mut self, method: MethodInfo, new_slot: N)
    where
        N: Fn() -> Pin<Box<L>> + Send + Sync + 'static,
        L: CallSlot + 'static,
    {
        self.add_slot(method, Box::new(move || -> BoxSlot { new_slot() }));
    }

    fn add_slot(&mut self, method: MethodInfo, handler: NewSlot) {
        let path = method.path().clone();
        let new_slot = match self.chain.clone() {
            None => handler,
            Some(chain) => {
                let replies_once = method.kind().replies_once();
                Box::new(move || surround(&chain, handler(), replies_once))
            }
        };
        let id = self.push(method, new_slot);
        if self.by_path.insert(path.as_bytes().into(), id).is_some() {
            self.duplicate.get_or_insert_with(|| path.to_string());
        }
    }

    fn push(&mut self, method: MethodInfo, new_slot: NewSlot) -> u32 {
        let (dispatch, load) = (Dispatch::default(), Load::default());
        self.routes.push(Route { method: Arc::new(method), dispatch, load, new_slot });
        self.routes.len() as u32 - 1
    }

    /// Interceptors for the methods that are added from now on.
    pub(crate) fn set_interceptors(&mut self, chain: Interceptors) {
        self.chain = (!chain.is_empty()).then(|| Arc::new(chain));
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

#[inline(never)]
fn one_message<T, C: Decode<T> + Default>(start: &Start<'_, '_>) -> Result<T, Status> {
    match &start.body.opening {
        Opening::Message(frame, compressed) => {
            let decode = Decoder::new::<C>().frame;
            transfer::decode(frame.share(), *compressed, start.body.encoding, start.body.limits, decode)
        }
        Opening::Messages | Opening::Http(_) => Err(Status::internal("a request message is missing")),
    }
}

fn exchange_of(start: &Start<'_, '_>) -> Result<Arc<Exchange>, Status> {
    start.body.exchange.cloned().ok_or_else(|| Status::internal("a streaming call without its boxes"))
}

/// `format` is made by the first call: the server's limits come after its methods.
fn messages<T, C: Decode<T> + Default>(
    start: &Start<'_, '_>,
    format: &OnceLock<Arc<Format<T>>>,
) -> Result<Streaming<T>, Status> {
    let format = format.get_or_init(|| Arc::new(Format { decoder: Decoder::new::<C>(), limits: *start.body.limits }));
    let messages = Streaming::new(exchange_of(start)?, Arc::clone(format));
    Ok(match start.hooks().filter(|hooks| hooks.sees_messages()) {
        Some(hooks) => messages.through(Passage::of_request(Arc::clone(hooks))),
        None => messages,
    })
}

/// `usual` is the format of the first call, and of those that are packed like it.
fn replies<T, C: Encode<T> + Default>(
    start: &Start<'_, '_>,
    usual: &OnceLock<Arc<ReplyFormat<T>>>,
) -> Result<Replies<T>, Status> {
    let (encode, packing) = (transfer::encode_fn::<T, C>(), start.body.packing);
    let new = |hooks| Arc::new(ReplyFormat { encode, packing, hooks });
    let usual = usual.get_or_init(|| new(None));
    let format = match start.hooks() {
        None if usual.packing == packing => Arc::clone(usual),
        hooks => new(hooks.cloned()),
    };
    Ok(Replies::new(exchange_of(start)?, format))
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
