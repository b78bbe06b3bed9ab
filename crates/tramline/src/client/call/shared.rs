//! What a call's maker and its carrier share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tramline_call::{Encoding, Metadata, MethodInfo, Status};
use tramline_h2::StreamKey;

use super::ticket::UnaryReply;
use crate::client::connection::Letter;
use crate::client::router::Router;
use crate::drive::exchange::{Notice, NoticeBoard};
use crate::drive::leaf_lock::LeafLock;
use crate::drive::mailbox::Mailbox;

/// What a call's head is made of, for as many attempts as it takes.
#[derive(Debug)]
pub(crate) struct CallHead {
    pub(crate) method: MethodInfo,
    pub(crate) metadata: Metadata,
    /// On the channel's clock.
    pub(crate) deadline: Option<Duration>,
    /// What `grpc-encoding` says.
    pub(crate) encoding: Encoding,
    pub(crate) waits_for_ready: bool,
}

impl CallHead {
    /// Of a call that is not sent.
    pub(crate) fn empty(method: MethodInfo) -> Self {
        let (metadata, encoding) = (Metadata::new(), Encoding::Identity);
        CallHead { method, metadata, deadline: None, encoding, waits_for_ready: false }
    }
}

/// Who carries the call.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// It waits in its channel for a connection.
    Pending,
    /// A connection has it.
    Connection(Arc<Mailbox<Letter>>),
    /// It is over.
    Ended,
}

#[derive(Debug)]
struct State {
    place: Place,
    key: Option<StreamKey>,
    outcome: Option<Result<UnaryReply, Status>>,
    waker: Option<Waker>,
}

/// One call. Its maker holds it to wait and to cancel; whoever carries it has a
/// [`Ticket`](super::Ticket).
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) head: CallHead,
    pub(crate) router: Arc<Router>,
    state: LeafLock<State>,
    /// Its maker wants nothing more of it. Written under the lock.
    is_cancelled: AtomicBool,
    /// It is over. Written under the lock.
    has_ended: AtomicBool,
}

impl Call {
    /// `waker` is told of the end of a call with one reply.
    pub(crate) fn new(head: CallHead, router: Arc<Router>, waker: Option<Waker>) -> Arc<Call> {
        let state = State { place: Place::Pending, key: None, outcome: None, waker };
        let (is_cancelled, has_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Call { head, router, state: LeafLock::new(state), is_cancelled, has_ended })
    }

    /// A carrier takes the call. False if nobody wants it any more.
    pub(crate) fn set_place(&self, place: Place) -> bool {
        let mut state = self.state.lock();
        state.key = None;
        state.place = place;
        !self.is_cancelled()
    }

    /// The call has a stream. False if nobody wants it any more.
    pub(crate) fn set_key(&self, key: StreamKey) -> bool {
        let mut state = self.state.lock();
        state.key = Some(key);
        !self.is_cancelled()
    }

    pub(crate) fn key(&self) -> Option<StreamKey> {
        self.state.lock().key
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// The call's maker gives it up.
    pub(crate) fn cancel(self: &Arc<Self>) {
        // The waker is dropped when the lock is not held any more: what it does then is anybody's.
        let (place, _waker) = {
            let mut state = self.state.lock();
            self.is_cancelled.store(true, Ordering::Release);
            (state.place.clone(), state.waker.take())
        };
        match place {
            Place::Pending => self.router.withdraw(self),
            Place::Connection(mailbox) => mailbox.post(Letter::Cancel(Arc::clone(self))),
            Place::Ended => {}
        }
    }

    /// The end of a call with one reply.
    pub(crate) fn poll_outcome(&self, cx: &Context<'_>) -> Poll<Result<UnaryReply, Status>> {
        let _replaced = {
            let mut state = self.state.lock();
            if let Some(outcome) = state.outcome.take() {
                return Poll::Ready(outcome);
            }
            match &state.waker {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                _ => state.waker.replace(cx.waker().clone()),
            }
        };
        Poll::Pending
    }

    /// The call is over; only the first end counts.
    pub(crate) fn end(&self, outcome: Option<Result<UnaryReply, Status>>) {
        let waker = {
            let mut state = self.state.lock();
            if matches!(state.place, Place::Ended) {
                return;
            }
            state.place = Place::Ended;
            self.has_ended.store(true, Ordering::Release);
            state.key = None;
            state.outcome = outcome;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn carrier(&self) -> Option<(Arc<Mailbox<Letter>>, StreamKey)> {
        let state = self.state.lock();
        match (&state.place, state.key) {
            (Place::Connection(mailbox), Some(key)) => Some((Arc::clone(mailbox), key)),
            _ => None,
        }
    }
}

/// The board of a streaming call's boxes: notices go where the call is.
#[derive(Debug)]
pub(crate) struct CallBoard(pub(crate) Arc<Call>);

impl NoticeBoard for CallBoard {
    fn notify(&self, _call: Option<StreamKey>, notice: Notice) {
        if notice == Notice::Dropped {
            return self.0.cancel();
        }
        // Without a stream yet, whoever opens it looks into the boxes.
        if let Some((mailbox, key)) = self.0.carrier() {
            mailbox.post(Letter::Notice(key, notice));
        }
    }
}
