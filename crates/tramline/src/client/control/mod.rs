//! The channel's own task: resolver, balancer, and the subchannels' ups and downs.

mod board;
mod link;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tramline_call::Status;
use tramline_call::backoff::Backoff;
use tramline_call::mapping::{ConnectFailure, control_plane_status};

use super::balancer::{Balancer, QueuePicker};
use super::resolver::{self, Resolution, Resolver};
use super::router::Router;
use super::state::ConnectivityState;
use crate::clock::Timer;
use crate::drive::mailbox::Mailbox;
use board::Board;
pub(crate) use link::{Report, Reporter};

/// Turns of the loop before other tasks get their chance.
const TURN_COUNT_MAX: usize = 32;

/// What is asked of the channel's task.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A call waits for a connection.
    Waiting,
    /// The application wants a connection.
    Connect,
    /// The application knows that the network is back.
    ResetBackoff,
    /// Something happened to a connection.
    Report { subchannel: u64, attempt: u64, report: Report },
    /// Nobody holds the channel any more.
    Released,
    /// The application closed the channel.
    Close { at_once: bool },
}

pub(crate) struct Control {
    router: Arc<Router>,
    mailbox: Arc<Mailbox<Letter>>,
    letters: Vec<Letter>,
    resolver: Option<Box<dyn Resolver>>,
    /// After an error, the resolver is asked again then.
    resolve_at: Option<Duration>,
    resolver_backoff: Backoff,
    balancer: Option<Box<dyn Balancer>>,
    board: Board,
    timer: Timer,
    /// The waker that was left in the mailbox.
    parked: Option<Waker>,
    idle_at: Option<Duration>,
    /// Calls begun when idleness was last looked at.
    idle_mark: usize,
    is_closed: bool,
    has_ended: bool,
}

impl Control {
    pub(crate) fn new(router: Arc<Router>, mailbox: Arc<Mailbox<Letter>>) -> Self {
        let profile = Arc::clone(&router.profile);
        let timer = profile.clock.timer();
        Control {
            board: Board::new(Arc::clone(&profile), Arc::clone(&mailbox)),
            resolver_backoff: Backoff::new(profile.backoff),
            router,
            mailbox,
            letters: Vec::new(),
            resolver: None,
            resolve_at: None,
            balancer: None,
            timer,
            parked: None,
            idle_at: None,
            idle_mark: 0,
            is_closed: false,
            has_ended: false,
        }
    }

    fn turns(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN_COUNT_MAX {
            let now = self.board.advance();
            let mut has_progress = self.take_letters(now);
            has_progress |= self.poll_resolver(cx, now);
            has_progress |= self.handle_due(now);
            has_progress |= self.notify();
            if self.check_end() {
                return Poll::Ready(());
            }
            let next = self.next_timeout();
            if !has_progress && !self.timer.poll_at(cx, now, next) && self.mailbox.park(cx, &mut self.parked) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_letters(&mut self, now: Duration) -> bool {
        let mut letters = std::mem::take(&mut self.letters);
        self.mailbox.take(&mut letters);
        let has_some = !letters.is_empty();
        for letter in letters.drain(..) {
            match letter {
                Letter::Waiting | Letter::Connect => self.exit_idle(now),
                Letter::ResetBackoff => self.reset_backoff(),
                Letter::Report { subchannel, attempt, report } => self.board.handle_report(subchannel, attempt, report),
                Letter::Released => {}
                Letter::Close { at_once } => self.close(at_once),
            }
        }
        self.letters = letters;
        has_some
    }

    /// Somebody wants a connection.
    fn exit_idle(&mut self, now: Duration) {
        if self.is_closed {
            return;
        }
        if let Some(balancer) = &mut self.balancer {
            balancer.exit_idle(&mut self.board);
            return;
        }
        let profile = Arc::clone(&self.router.profile);
        self.resolver = Some(match &profile.resolver {
            Some(factory) => factory.resolver(&profile.target, &profile.clock),
            None => resolver::builtin(&profile.target, &profile.clock),
        });
        self.balancer = Some(profile.balancer.balancer());
        self.resolve_at = None;
        self.idle_at = profile.idle_timeout.map(|timeout| now + timeout);
        self.router.publish(ConnectivityState::Connecting, Arc::new(QueuePicker));
    }

    /// Without calls for a while, nothing is held open (gRPC: channel idleness).
    fn enter_idle(&mut self) {
        self.balancer = None;
        self.resolver = None;
        self.resolve_at = None;
        self.idle_at = None;
        self.board.remove_all();
        self.router.publish(ConnectivityState::Idle, Arc::new(QueuePicker));
    }

    fn close(&mut self, at_once: bool) {
        self.is_closed = true;
        self.enter_idle();
        if at_once {
            self.board.abort_all();
        }
    }

    fn reset_backoff(&mut self) {
        self.board.reset_backoff();
        self.resolver_backoff.reset();
        if self.resolve_at.take().is_some() {
            self.request_resolution();
        }
    }

    fn request_resolution(&mut self) {
        if let Some(resolver) = &mut self.resolver {
            resolver.request_resolution();
        }
    }

    fn poll_resolver(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let mut has_progress = false;
        while let Some(resolver) = &mut self.resolver {
            let Poll::Ready(result) = resolver.poll_resolution(cx) else { break };
            self.handle_resolution(result, now);
            has_progress = true;
        }
        has_progress
    }

    fn handle_resolution(&mut self, result: Result<Resolution, Status>, now: Duration) {
        let Some(balancer) = &mut self.balancer else { return };
        let accepted = match result {
            Ok(resolution) => balancer.handle_resolution(&resolution, &mut self.board),
            Err(status) => {
                let status = ConnectFailure::Resolve.status(control_plane_status(status).message());
                balancer.handle_resolution_error(&status, &mut self.board);
                Err(status)
            }
        };
        match accepted {
            Ok(()) => {
                self.resolve_at = None;
                self.resolver_backoff.reset();
            }
            Err(status) => {
                tracing::debug!(target = %self.router.profile.target, %status, "name resolution failed");
                self.board.set_last_error(status);
                let attempt = self.resolver_backoff.begin_attempt(now, self.board.random_unit());
                self.resolve_at = Some(attempt.retry_at);
            }
        }
    }

    fn handle_due(&mut self, now: Duration) -> bool {
        let mut has_progress = self.board.handle_due();
        if self.router.next_deadline().is_some_and(|at| at <= now) {
            self.router.handle_deadlines(now, self.board.last_error());
            has_progress = true;
        }
        if self.resolve_at.is_some_and(|at| at <= now) {
            self.resolve_at = None;
            self.request_resolution();
            has_progress = true;
        }
        if let Some(balancer) = self.balancer.as_mut().filter(|b| b.poll_timeout().is_some_and(|at| at <= now)) {
            balancer.handle_timeout(&mut self.board);
            has_progress = true;
        }
        if self.idle_at.is_some_and(|at| at <= now) {
            self.check_idle(now);
            has_progress = true;
        }
        has_progress
    }

    fn check_idle(&mut self, now: Duration) {
        let (started, active) = self.board.load();
        if active == 0 && started == self.idle_mark && !self.router.has_waiting() {
            return self.enter_idle();
        }
        self.idle_mark = started;
        self.idle_at = self.router.profile.idle_timeout.map(|timeout| now + timeout);
    }

    /// Tells the balancer what happened, and calls what it decided.
    fn notify(&mut self) -> bool {
        let mut has_progress = false;
        while let Some((subchannel, state, error)) = self.board.next_notice() {
            has_progress = true;
            if let Some(balancer) = &mut self.balancer {
                balancer.handle_subchannel(&subchannel, state, error.as_ref(), &mut self.board);
            }
        }
        if self.board.take_resolution_wish() {
            self.request_resolution();
            has_progress = true;
        }
        if let Some((state, picker)) = self.board.take_update() {
            has_progress = true;
            self.router.publish(state, picker);
        }
        has_progress
    }

    fn next_timeout(&self) -> Option<Duration> {
        let balancer = self.balancer.as_ref().and_then(|balancer| balancer.poll_timeout());
        [self.board.next_timeout(), self.router.next_deadline(), self.resolve_at, balancer, self.idle_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// A channel that nobody holds, or that was closed, ends with its last connection.
    fn check_end(&mut self) -> bool {
        if !self.is_closed && !self.router.is_released() {
            return false;
        }
        if self.balancer.is_some() && !self.router.has_waiting() {
            self.enter_idle();
        }
        self.has_ended = self.board.is_empty() && self.balancer.is_none() && self.router.try_end();
        self.has_ended
    }
}

impl Future for Control {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.turns(cx)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if !self.has_ended {
            self.router.handle_control_lost(&self.mailbox);
        }
    }
}
