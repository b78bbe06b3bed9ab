//! Where calls look for a connection: the current picker, and the calls that wait for
//! a better one.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tramline_call::Status;
use tramline_call::mapping::{ConnectFailure, control_plane_status};

use super::balancer::{Pick, PickInfo, Picker, QueuePicker};
use super::call::{Call, Place, Ticket};
use super::control::{Control, Letter};
use super::profile::Profile;
use super::state::ConnectivityState;
use crate::drive::leaf_lock::LeafLock;
use crate::drive::mailbox::Mailbox;

/// What calls see of their channel at one moment.
#[derive(Debug)]
struct Road {
    picker: Arc<dyn Picker>,
    /// Counts pickers, so that a call does not wait for one that has just come.
    version: u64,
    state: ConnectivityState,
    waiting: Vec<Ticket>,
    watchers: Vec<Waker>,
    /// The channel's task, while it runs.
    control: Option<Arc<Mailbox<Letter>>>,
    /// Nobody holds the channel any more: its calls alone keep it.
    is_released: bool,
}

/// One channel, as its calls know it.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) profile: Arc<Profile>,
    road: LeafLock<Road>,
}

/// What a call finds when it looks for a connection.
struct Snapshot {
    picker: Arc<dyn Picker>,
    version: u64,
}

impl Router {
    pub(crate) fn new(profile: Arc<Profile>) -> Arc<Router> {
        let road = Road {
            picker: Arc::new(QueuePicker),
            version: 0,
            state: ConnectivityState::Idle,
            waiting: Vec::new(),
            watchers: Vec::new(),
            control: None,
            is_released: false,
        };
        Arc::new(Router { profile, road: LeafLock::new(road) })
    }

    /// Finds a connection for a call, or lets it wait for one.
    pub(crate) fn submit(self: &Arc<Self>, mut ticket: Ticket) {
        loop {
            let snapshot = match self.snapshot() {
                Ok(snapshot) => snapshot,
                Err(status) => return ticket.fail(status),
            };
            match self.route(ticket, &*snapshot.picker) {
                None => return,
                Some(back) => ticket = back,
            }
            match self.wait(ticket, snapshot.version) {
                None => return,
                Some(back) => ticket = back,
            }
        }
    }

    /// Lets the picker choose. The ticket comes back if it is to wait.
    fn route(&self, ticket: Ticket, picker: &dyn Picker) -> Option<Ticket> {
        let call = ticket.call()?;
        let waits_for_ready = call.head.waits_for_ready;
        let pick = picker.pick(&PickInfo::new(call.head.method.path().as_str(), &call.head.metadata));
        match pick {
            Pick::Subchannel { subchannel, completion } => {
                let mut ticket = ticket;
                ticket.set_completion(completion);
                subchannel.offer(ticket).err()
            }
            Pick::Fail(status) if !waits_for_ready => {
                ticket.fail(control_plane_status(status));
                None
            }
            Pick::Drop(status) => {
                ticket.fail(control_plane_status(status));
                None
            }
            Pick::Fail(_) | Pick::Queue => Some(ticket),
        }
    }

    /// Puts a call among those that wait, unless there is a new picker.
    fn wait(&self, ticket: Ticket, version: u64) -> Option<Ticket> {
        let call = ticket.call().cloned()?;
        if !call.set_place(Place::Pending) {
            ticket.fail(super::call::cancelled());
            return None;
        }
        let control = {
            let mut road = self.road.lock();
            if road.version != version {
                return Some(ticket);
            }
            road.waiting.push(ticket);
            road.control.clone()
        };
        if call.is_cancelled() {
            // Who gave it up meanwhile may have looked for it before it was there.
            self.withdraw(&call);
        }
        if let Some(control) = control {
            control.post(Letter::Waiting);
        }
        None
    }

    /// Takes back a call that waits and that nobody wants any more.
    pub(crate) fn withdraw(&self, call: &Arc<Call>) {
        let withdrawn = {
            let mut road = self.road.lock();
            let is_call = |ticket: &Ticket| ticket.call().is_some_and(|other| Arc::ptr_eq(other, call));
            road.waiting.iter().position(is_call).map(|at| road.waiting.swap_remove(at))
        };
        if let Some(ticket) = withdrawn {
            ticket.fail(super::call::cancelled());
        }
    }

    /// The picker of this moment; starts the channel's task if it does not run.
    fn snapshot(self: &Arc<Self>) -> Result<Snapshot, Status> {
        let fresh = {
            let mut road = self.road.lock();
            if road.control.is_some() || road.state == ConnectivityState::Shutdown {
                return Ok(Snapshot { picker: Arc::clone(&road.picker), version: road.version });
            }
            if tokio::runtime::Handle::try_current().is_err() {
                return Err(no_runtime());
            }
            let mailbox = Arc::new(Mailbox::default());
            road.control = Some(Arc::clone(&mailbox));
            mailbox
        };
        // Not under the lock: a runtime that is shutting down drops the task at once.
        tokio::spawn(Control::new(Arc::clone(self), fresh));
        let road = self.road.lock();
        Ok(Snapshot { picker: Arc::clone(&road.picker), version: road.version })
    }

    /// Writes to the channel's task, which starts if it does not run.
    pub(crate) fn tell(self: &Arc<Self>, letter: Letter) -> Result<(), Status> {
        self.snapshot()?;
        self.tell_running(letter);
        Ok(())
    }

    /// Writes to the channel's task if it runs.
    pub(crate) fn tell_running(&self, letter: Letter) {
        let control = self.road.lock().control.clone();
        if let Some(control) = control {
            control.post(letter);
        }
    }

    pub(crate) fn state(&self) -> ConnectivityState {
        self.road.lock().state
    }

    /// Ready once the state is another than `last`.
    pub(crate) fn poll_state_change(&self, cx: &Context<'_>, last: ConnectivityState) -> Poll<ConnectivityState> {
        let mut road = self.road.lock();
        if road.state != last {
            return Poll::Ready(road.state);
        }
        if !road.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
            road.watchers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// No calls from now on; those in flight end, or go on if it is not `at_once`.
    pub(crate) fn shut_down(&self, at_once: bool) {
        let (waiting, watchers) = {
            let mut road = self.road.lock();
            road.state = ConnectivityState::Shutdown;
            road.picker = Arc::new(ClosedPicker);
            road.version += 1;
            (std::mem::take(&mut road.waiting), std::mem::take(&mut road.watchers))
        };
        watchers.into_iter().for_each(Waker::wake);
        for ticket in waiting {
            ticket.fail(shut_down());
        }
        self.tell_running(Letter::Close { at_once });
    }

    /// The last handle of the channel is gone.
    pub(crate) fn release(&self) {
        self.road.lock().is_released = true;
        self.tell_running(Letter::Released);
    }

    // The side of the channel's task.

    pub(crate) fn is_released(&self) -> bool {
        self.road.lock().is_released
    }

    /// The channel's task wants to end. False if calls wait.
    pub(crate) fn try_end(&self) -> bool {
        let mut road = self.road.lock();
        let is_unused = road.waiting.is_empty();
        if is_unused {
            road.control = None;
            // A call that saw the task running, and is about to wait for it, looks again.
            road.version += 1;
        }
        is_unused
    }

    /// A new picker: everybody who waits looks again.
    pub(crate) fn publish(self: &Arc<Self>, state: ConnectivityState, picker: Arc<dyn Picker>) {
        let (waiting, watchers) = {
            let mut road = self.road.lock();
            if road.state == ConnectivityState::Shutdown {
                return;
            }
            road.picker = picker;
            road.version += 1;
            let has_changed = std::mem::replace(&mut road.state, state) != state;
            let watchers = if has_changed { std::mem::take(&mut road.watchers) } else { Vec::new() };
            (std::mem::take(&mut road.waiting), watchers)
        };
        watchers.into_iter().for_each(Waker::wake);
        for ticket in waiting {
            self.submit(ticket);
        }
    }

    /// Whether calls wait for a connection.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.road.lock().waiting.is_empty()
    }

    /// The earliest deadline of a call that waits.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let road = self.road.lock();
        road.waiting.iter().filter_map(|ticket| ticket.call()?.head.deadline).min()
    }

    /// Fails the waiting calls whose deadline has passed. `reason` says what they waited for.
    pub(crate) fn handle_deadlines(&self, now: Duration, reason: Option<&Status>) {
        let is_due = |ticket: &mut Ticket| {
            ticket.call().and_then(|call| call.head.deadline).is_some_and(|deadline| deadline <= now)
        };
        let due: Vec<Ticket> = self.road.lock().waiting.extract_if(.., is_due).collect();
        for ticket in due {
            ticket.fail(match reason {
                Some(reason) => Status::deadline_exceeded(format!(
                    "the deadline passed while the call waited for a connection: {}",
                    reason.message()
                )),
                None => Status::deadline_exceeded("the deadline passed while the call waited for a connection"),
            });
        }
    }

    /// The channel's task ended with its runtime: the next call starts another.
    pub(crate) fn handle_control_lost(&self, mailbox: &Arc<Mailbox<Letter>>) {
        let (waiting, watchers) = {
            let mut road = self.road.lock();
            if !road.control.as_ref().is_some_and(|control| Arc::ptr_eq(control, mailbox)) {
                return;
            }
            road.control = None;
            road.version += 1;
            if road.state != ConnectivityState::Shutdown {
                road.picker = Arc::new(QueuePicker);
                road.state = ConnectivityState::Idle;
            }
            (std::mem::take(&mut road.waiting), std::mem::take(&mut road.watchers))
        };
        watchers.into_iter().for_each(Waker::wake);
        for ticket in waiting {
            ticket.fail(Status::unavailable("the runtime that the channel ran on has shut down"));
        }
    }
}

/// The channel was closed.
#[derive(Debug)]
struct ClosedPicker;

impl Picker for ClosedPicker {
    fn pick(&self, _info: &PickInfo<'_>) -> Pick {
        Pick::Drop(shut_down())
    }
}

fn shut_down() -> Status {
    ConnectFailure::Shutdown.status("it was closed on this side")
}

pub(super) fn no_runtime() -> Status {
    Status::internal(
        "the channel has no tokio runtime to run on: make its first call inside one (`#[tokio::main]`, `Runtime::block_on`)",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use bytes::Bytes;
    use tramline_call::Method;
    use tramline_call::codec::Raw;

    use super::super::builder::ChannelBuilder;
    use super::super::call::{CallHead, Outbox};
    use super::*;

    /// Between a call's look at the picker and its decision to wait, the channel's task
    /// may end. Nobody would ever look after that call.
    #[tokio::test]
    async fn a_call_does_not_wait_for_a_task_that_has_ended() {
        let router = Router::new(Arc::new(ChannelBuilder::new("ipv4:127.0.0.1:1").into_profile().unwrap()));
        let method = Method::<Bytes, Bytes, Raw>::unary("/test.Test/Echo", Raw).info();
        let call = Call::new(CallHead::empty(method), Arc::clone(&router), None);
        let seen = router.snapshot().unwrap();
        assert!(router.try_end());
        let back = router.wait(Ticket::new(call, None, Outbox::default()), seen.version);
        assert!(back.is_some_and(|ticket| ticket.call().is_some()), "it waits");
    }

    /// A call that is given up while it begins to wait would stay until there is another picker.
    #[test]
    fn a_call_that_is_given_up_does_not_wait() {
        let router = Router::new(Arc::new(ChannelBuilder::new("ipv4:127.0.0.1:1").into_profile().unwrap()));
        let method = Method::<Bytes, Bytes, Raw>::unary("/test.Test/Echo", Raw).info();
        let next = std::sync::Mutex::new(None::<Arc<Call>>);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if let Some(call) = next.lock().unwrap().take() {
                        call.cancel();
                        drop(call);
                    }
                }
            });
            let mut left = 0;
            let end = Instant::now() + Duration::from_secs(1);
            for round in (0..20_000).take_while(|_| Instant::now() < end) {
                let call = Call::new(CallHead::empty(method.clone()), Arc::clone(&router), None);
                let ticket = Ticket::new(Arc::clone(&call), None, Outbox::default());
                *next.lock().unwrap() = Some(Arc::clone(&call));
                (0..round % 128).for_each(|_| std::hint::spin_loop());
                router.wait(ticket, 0);
                // Who cancels it is done when it has let go of it.
                while Arc::strong_count(&call) > 1 + usize::from(router.has_waiting()) || next.lock().unwrap().is_some()
                {
                    std::thread::yield_now();
                }
                if router.has_waiting() {
                    left += 1;
                    router.withdraw(&call);
                }
            }
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(left, 0);
        });
    }
}
