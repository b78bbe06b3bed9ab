//! Methods and their handlers, folded into one table when the server is built.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tramline_call::codec::{Decode, Encode};
use tramline_call::{Method, MethodInfo, Status};

use super::load::Load;
use super::replies::Replies;
use super::slot::{BoxSlot, CallSlot, Start, StreamingSlot, UnarySlot};
use crate::drive::transfer::{self, DecodeFn};
use crate::request::Request;
use crate::response::Response;
use crate::streaming::Streaming;

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
    pub(crate) method: MethodInfo,
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
    by_path: HashMap<Box<[u8]>, u32>,
    services: Vec<&'static str>,
    /// The first path that was registered twice.
    duplicate: Option<String>,
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
        let begin = Arc::new(move |start: Start<'_>| {
            let messages = messages::<Req, C>(&start)?;
            let replies = replies::<Res, C>(&start)?;
            Ok(handler(service.clone(), Start::request(start.metadata, start.context, messages), replies))
        });
        self.add(method.info(), move || Box::pin(StreamingSlot::new(begin.clone())));
    }

    fn add<N, L>(&mut self, method: MethodInfo, new_slot: N)
    where
        N: Fn() -> Pin<Box<L>> + Send + Sync + 'static,
        L: CallSlot + 'static,
    {
        let id = self.routes.len() as u32;
        if self.by_path.insert(method.path().as_bytes().into(), id).is_some() {
            self.duplicate.get_or_insert_with(|| method.path().to_string());
        }
        self.routes.push(Route {
            method,
            dispatch: Dispatch::default(),
            load: Load::default(),
            new_slot: Box::new(move || -> BoxSlot { new_slot() }),
        });
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
    match &start.message {
        Some((frame, compressed)) => transfer::decode(frame.share(), *compressed, start.encoding, start.limits, decode),
        None => Err(Status::internal("a request message is missing")),
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
