//! Calls with interceptors around them: they begin once every interceptor has let them pass.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::task::AbortHandle;
use tramline_call::codec::Frame;
use tramline_call::{Encoding, Status, mapping};
use tramline_h2::StreamKey;

use super::shared::{Call, CallBoard, CallHead};
use super::ticket::{Outbox, Ticket, cancelled};
use crate::client::builder::STREAM_WINDOW_LEN_MIN;
use crate::client::router::{Router, no_runtime};
use crate::drive::exchange::{Exchange, Notice, NoticeBoard};
use crate::drive::leaf_lock::LeafLock;
use crate::drive::scope;
use crate::drive::transfer;
use crate::interceptor::{CallHooks, CallSide, CallStart, LateHooks, Verdict};
use crate::request::Extensions;
use crate::response::Response;

#[derive(Default)]
struct LateCall {
    call: Option<Arc<Call>>,
    is_cancelled: bool,
    /// Where interceptors take their time.
    task: Option<AbortHandle>,
}

/// The board of a call that is there before it begins.
#[derive(Default)]
pub(super) struct LateBoard {
    state: LeafLock<LateCall>,
}

impl LateBoard {
    /// The call begins. False if nobody wants it any more.
    fn attach(&self, call: &Arc<Call>) -> bool {
        let mut state = self.state.lock();
        state.call = Some(Arc::clone(call));
        !state.is_cancelled
    }

    /// The interceptors go on in a task, which ends with its call.
    fn set_task(&self, task: AbortHandle) {
        let mut state = self.state.lock();
        if state.is_cancelled {
            drop(state);
            return task.abort();
        }
        state.task = Some(task);
    }
}

impl NoticeBoard for LateBoard {
    fn notify(&self, stream: Option<StreamKey>, notice: Notice) {
        let is_dropped = notice == Notice::Dropped;
        let (call, task) = {
            let mut state = self.state.lock();
            state.is_cancelled |= is_dropped;
            (state.call.clone(), if is_dropped { state.task.take() } else { None })
        };
        match (call, task) {
            (Some(call), _) => CallBoard(call).notify(stream, notice),
            (None, Some(task)) => task.abort(),
            (None, None) => {}
        }
    }
}

/// A call on its way past the interceptors.
pub(super) struct Opening {
    router: Arc<Router>,
    head: CallHead,
    extensions: Extensions,
    /// The one message of the request, encoded.
    message: Option<Bytes>,
    exchange: Arc<Exchange>,
    board: Arc<LateBoard>,
    hooks: LateHooks,
}

impl Opening {
    pub(super) fn new(router: Arc<Router>, head: CallHead, extensions: Extensions, message: Option<Bytes>) -> Self {
        let board = Arc::new(LateBoard::default());
        let exchange =
            Exchange::new(Arc::clone(&board) as Arc<dyn NoticeBoard>, None, Encoding::Identity, STREAM_WINDOW_LEN_MIN);
        Opening { router, head, extensions, message, exchange, board, hooks: LateHooks::default() }
    }

    /// The call's boxes, and what the interceptors will keep of it.
    pub(super) fn parts(&self) -> (Arc<Exchange>, LateHooks) {
        (Arc::clone(&self.exchange), Arc::clone(&self.hooks))
    }

    /// Shows the call to the interceptors: here if that takes no time, else on a task.
    pub(super) fn begin(self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return self.exchange.abort(&no_runtime());
        }
        let board = Arc::clone(&self.board);
        let mut passing = Box::pin(self.pass());
        if passing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            board.set_task(scope::spawn(passing).abort_handle());
        }
    }

    async fn pass(mut self) {
        let (exchange, hooks) = self.parts();
        let mut ending = Ending { exchange, hooks, outcome: None };
        ending.outcome = Some(self.pass_in_time().await);
    }

    /// The deadline is there before any connection that would keep it.
    async fn pass_in_time(&mut self) -> Result<(), Status> {
        let Some(deadline) = self.head.deadline else { return self.pass_start().await };
        let clock = self.router.profile.clock.clone();
        let time = deadline.saturating_sub(clock.now());
        clock.timeout(time, self.pass_start()).await.unwrap_or_else(|| Err(mapping::deadline_exceeded()))
    }

    async fn pass_start(&mut self) -> Result<(), Status> {
        let profile = Arc::clone(&self.router.profile);
        let method = self.head.method.clone();
        let start = CallStart::new(CallSide::Client, &method, &mut self.head.metadata, &mut self.extensions, None);
        let mut hooks = CallHooks::new(Arc::clone(&profile.interceptors));
        let verdict = hooks.start(start).await;
        let hooks = Arc::new(hooks);
        let _ = self.hooks.set(Some(Arc::clone(&hooks)));
        match verdict {
            Verdict::Refuse(status) => Err(status),
            Verdict::Reply(response) => self.answer(response),
            Verdict::Continue => self.send(&hooks).await,
        }
    }

    /// Every interceptor let the call pass.
    async fn send(&mut self, hooks: &CallHooks) -> Result<(), Status> {
        if let Some(message) = self.message.take() {
            let message = hooks.request_message(message).await?;
            let packing = self.router.profile.packing(self.head.encoding);
            self.exchange.push(|out, splices| transfer::wrap_into(out, splices, packing, message))?;
            self.exchange.finish();
        }
        let empty = CallHead::empty(self.head.method.clone());
        let head = std::mem::replace(&mut self.head, empty);
        let call = Call::new(head, Arc::clone(&self.router), None);
        let is_wanted = self.board.attach(&call);
        let ticket = Ticket::new(call, Some(Arc::clone(&self.exchange)), Outbox::default());
        if is_wanted {
            self.router.submit(ticket);
        } else {
            ticket.fail(cancelled());
        }
        Ok(())
    }

    /// An interceptor answered in the server's place.
    fn answer(&self, response: Response<Vec<Bytes>>) -> Result<(), Status> {
        let (messages, metadata, trailers) = response.into_parts();
        if self.head.method.kind().replies_once() && messages.len() != 1 {
            let count = messages.len();
            return Err(Status::internal(format!(
                "an interceptor answered with {count} messages, and the method has one"
            )));
        }
        self.exchange.set_received_head(metadata, Encoding::Identity);
        for message in messages {
            // Nothing of it came by the wire: no window is owed.
            let _ = self.exchange.push_message(false, Frame::Shared(message), 0);
        }
        self.exchange.close_outbound(Status::cancelled("the call is over: an interceptor answered it"));
        self.exchange.finish_inbound(Ok(trailers));
        Ok(())
    }
}

/// The end of a call's way past the interceptors, also when that is cut short by a panic,
/// or with the runtime: whoever waits for the call hears of it.
struct Ending {
    exchange: Arc<Exchange>,
    hooks: LateHooks,
    outcome: Option<Result<(), Status>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        match self.outcome.take() {
            Some(Ok(())) => {}
            Some(Err(status)) => self.exchange.abort(&status),
            None => self.exchange.abort(&Status::internal(
                "an interceptor of the call panicked, or the runtime that it ran on has shut down",
            )),
        }
        // Nobody waits for hooks that will not come.
        let _ = self.hooks.set(None);
    }
}

/// Takes a message of a stream of requests past the interceptors. One that does not pass
/// ends its call.
pub(super) async fn pass_request(hooks: &LateHooks, exchange: &Exchange, octets: Bytes) -> Result<Bytes, Status> {
    let Some(hooks) = hooks.wait().await else { return Ok(octets) };
    if !hooks.sees_messages() {
        return Ok(octets);
    }
    hooks.request_message(octets).await.inspect_err(|status| {
        exchange.abort(status);
        exchange.abandon();
    })
}
