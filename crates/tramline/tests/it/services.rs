//! Services for the tests, of plain bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::server::{Routes, ServerBuilder, ServerHandle};
use tramline::{CallContext, Method, Replies, Request, Response, Server, Status, Streaming};

pub(crate) const ECHO: &str = "/test.Test/Echo";
pub(crate) const SLEEP: &str = "/test.Test/Sleep";
pub(crate) const FAIL: &str = "/test.Test/Fail";
pub(crate) const PANIC: &str = "/test.Test/Panic";
pub(crate) const BLOCK: &str = "/test.Test/Block";
pub(crate) const COUNT: &str = "/test.Test/Count";
pub(crate) const SUM: &str = "/test.Test/Sum";
pub(crate) const CHAT: &str = "/test.Test/Chat";

pub(crate) type Calls = Request<Streaming<Bytes>>;

/// What the tests look at from outside.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Handlers alive now.
    pub(crate) alive: AtomicUsize,
    pub(crate) started: AtomicUsize,
    pub(crate) contexts: std::sync::Mutex<Vec<CallContext>>,
}

/// Counts a handler while it is alive.
pub(crate) struct Alive(Arc<Witness>);

impl Alive {
    pub(crate) fn new(witness: &Arc<Witness>, context: Option<&CallContext>) -> Alive {
        witness.alive.fetch_add(1, Ordering::SeqCst);
        witness.started.fetch_add(1, Ordering::SeqCst);
        witness.contexts.lock().unwrap().extend(context.cloned());
        Alive(Arc::clone(witness))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn method(path: &'static str) -> Method<Bytes, Bytes, Raw> {
    Method::unary(path, Raw)
}

fn millis(message: &Bytes) -> Duration {
    Duration::from_millis(String::from_utf8_lossy(message).parse().unwrap_or(0))
}

/// Adds the test service.
pub(crate) fn register(routes: &mut Routes, witness: &Arc<Witness>) {
    routes.unary(method(ECHO), Arc::clone(witness), |witness, request: Request<Bytes>| async move {
        let _alive = Alive::new(&witness, request.context());
        let mut response = Response::new(request.get_ref().clone());
        if let Some(value) = request.metadata().get("x-in") {
            response.metadata_mut().insert("x-head", value).unwrap();
            response.trailers_mut().insert("x-trailer", value).unwrap();
        }
        Ok(response)
    });
    routes.unary(method(SLEEP), Arc::clone(witness), |witness, request: Request<Bytes>| async move {
        let _alive = Alive::new(&witness, request.context());
        tokio::time::sleep(millis(request.get_ref())).await;
        Ok(Response::new(request.into_inner()))
    });
    routes.unary(method(FAIL), Arc::clone(witness), |_, request: Request<Bytes>| async move {
        let message = String::from_utf8_lossy(request.get_ref()).into_owned();
        let mut status = Status::not_found(message).with_details(Bytes::from_static(b"why"));
        status.metadata_mut().insert("x-trailer", "late").unwrap();
        if request.metadata().get("x-early").is_some() {
            let context = request.context().unwrap();
            context.with_initial_metadata(|head| head.insert("x-head", "early")).unwrap();
        }
        Err::<Response<Bytes>, _>(status)
    });
    routes.unary(method(PANIC), Arc::clone(witness), |_, request: Request<Bytes>| async move {
        if request.get_ref().starts_with(b"late") {
            tokio::task::yield_now().await;
        }
        assert!(request.get_ref().is_empty(), "a panic on purpose");
        Ok(Response::new(Bytes::new()))
    });
    routes.unary(method(BLOCK), Arc::clone(witness), |witness, request: Request<Bytes>| async move {
        let _alive = Alive::new(&witness, request.context());
        std::thread::sleep(millis(request.get_ref()));
        Ok(Response::new(Bytes::from(format!("{:?}", std::thread::current().id()))))
    });
    register_streaming(routes, witness);
}

fn register_streaming(routes: &mut Routes, witness: &Arc<Witness>) {
    let count = Method::server_streaming(COUNT, Raw);
    routes.server_streaming(
        count,
        Arc::clone(witness),
        |witness, request: Request<Bytes>, replies: Replies<Bytes>| async move {
            let _alive = Alive::new(&witness, request.context());
            // `count len`: that many messages of that length.
            let text = String::from_utf8_lossy(request.get_ref()).into_owned();
            let (count, len) = text.split_once(' ').unwrap_or((&text, "1"));
            let (count, len): (usize, usize) = (count.parse().unwrap(), len.parse().unwrap());
            for n in 0..count {
                replies.send(Bytes::from(vec![n as u8; len])).await?;
            }
            replies.with_trailers(|trailers| trailers.insert("x-sent", &text)).unwrap();
            Ok(())
        },
    );
    let sum = Method::client_streaming(SUM, Raw);
    routes.client_streaming(sum, Arc::clone(witness), |witness, mut request: Calls| async move {
        let _alive = Alive::new(&witness, request.context());
        let mut sum = 0;
        while let Some(message) = request.get_mut().message().await? {
            sum += message.len();
        }
        Ok(Response::new(Bytes::from(sum.to_string())))
    });
    let chat = Method::bidi_streaming(CHAT, Raw);
    routes.bidi_streaming(
        chat,
        Arc::clone(witness),
        |witness, mut request: Calls, replies: Replies<Bytes>| async move {
            let _alive = Alive::new(&witness, request.context());
            while let Some(message) = request.get_mut().message().await? {
                if message.starts_with(b"fail") {
                    return Err(Status::aborted("as asked"));
                }
                replies.send(message).await?;
            }
            Ok(())
        },
    );
}

/// A server with the test service, running.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    pub(crate) witness: Arc<Witness>,
}

impl Running {
    /// Waits until `enough` holds of the witness.
    pub(crate) async fn until(&self, enough: impl Fn(&Witness) -> bool) {
        for _ in 0..2000 {
            if enough(&self.witness) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let witness = &self.witness;
        panic!("it never was: {:?} alive, {:?} started", witness.alive, witness.started);
    }

    pub(crate) async fn until_alive(&self, count: usize) {
        self.until(|witness| witness.alive.load(Ordering::SeqCst) == count).await;
    }
}

pub(crate) async fn serve() -> Running {
    serve_with(|builder| builder).await
}

pub(crate) async fn serve_with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Running {
    let witness = Arc::new(Witness::default());
    let of_service = Arc::clone(&witness);
    let builder = Server::builder().add_routes(move |routes| register(routes, &of_service));
    let server = settings(builder).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    Running { address, handle: server.start().unwrap(), witness }
}
