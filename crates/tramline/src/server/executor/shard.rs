//! A queue of connections that are ready, and who runs them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::task::Waker;
use std::thread::Thread;

use async_task::{Runnable, Task};

use super::task::Member;
use crate::drive::leaf_lock::LeafLock;

#[derive(Debug)]
pub(super) struct Shard {
    state: LeafLock<State>,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Runnable>,
    runners: Vec<RunnerState>,
    /// Runners that are active.
    active_count: usize,
    /// The monitor, while it does not look here: who becomes active wakes it.
    monitor: Option<Thread>,
    /// Connections that are not over. A task that is dropped is cancelled.
    tasks: HashMap<u64, Task<()>>,
    next_id: u64,
    /// No connection will come.
    is_finishing: bool,
    /// Nothing runs any more.
    is_closed: bool,
    /// A runner drops what there is.
    is_closing: bool,
}

#[derive(Debug)]
struct RunnerState {
    phase: Phase,
    /// Grows whenever the runner moves.
    move_count: u32,
    /// What it was when the monitor looked last.
    seen_count: u32,
}

#[derive(Debug)]
enum Phase {
    /// Waits to be woken.
    Parked(Waker),
    /// Runs, or will soon: it was woken, or has yielded.
    Active,
    /// Active, but did not move for long.
    Stuck,
}

/// What a runner does next.
#[derive(Debug)]
pub(super) enum Next {
    Run(Runnable),
    /// Another runner was called in; lets it run, and what is ready on its thread.
    Share,
    /// Lets run what is ready on its thread.
    StepAside,
    /// Lets I/O and timers have their turn: there is nobody to call.
    Yield,
    Park,
    End,
}

/// What the monitor saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Active,
    /// Nobody is active.
    Idle,
    Ended,
}

/// Who is to be woken when the lock is free.
#[derive(Default)]
#[must_use]
struct Wakes {
    runner: Option<Waker>,
    monitor: Option<Thread>,
}

impl Shard {
    /// A shard of runners that are about to run.
    pub(super) fn new(runner_count: usize) -> Arc<Self> {
        let runners = (0..runner_count).map(|_| RunnerState { phase: Phase::Active, move_count: 1, seen_count: 0 });
        let state = State { runners: runners.collect(), active_count: runner_count, ..State::default() };
        Arc::new(Shard { state: LeafLock::new(state) })
    }

    /// Runs `connection`, or drops it if nothing runs any more.
    pub(super) fn spawn(self: &Arc<Self>, connection: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state.lock();
        if state.is_closed {
            // The guard goes first: what a connection drops may want the lock.
            drop(state);
            return drop(connection);
        }
        let id = state.next_id;
        state.next_id += 1;
        let member = Member::new(connection, Arc::clone(self), id);
        let shard = Arc::clone(self);
        let (runnable, task) = async_task::spawn(member, move |runnable| shard.push(runnable));
        state.tasks.insert(id, task);
        drop(state);
        runnable.schedule();
    }

    /// A connection is ready.
    fn push(&self, runnable: Runnable) {
        let mut state = self.state.lock();
        if state.is_closed && !state.is_closing {
            drop(state);
            return drop(runnable);
        }
        state.ready.push_back(runnable);
        // Who closes drops it: who wakes may hold a lock that an application's drop wants.
        let wakes = if state.is_closing { Wakes::default() } else { state.ensure_active() };
        drop(state);
        wakes.send();
    }

    /// What the runner at `index` does next; `waker` wakes it if it parks.
    pub(super) fn next(&self, index: usize, waker: &Waker, is_round_over: bool) -> Next {
        let mut state = self.state.lock();
        let (next, wakes) = state.next(index, waker, is_round_over);
        drop(state);
        wakes.send();
        next
    }

    /// What a runner does whose connection is ready again: it lets others run, and calls another
    /// runner in if it has been busy for long with more than this connection.
    pub(super) fn step_aside(&self, is_long_busy: bool) -> Next {
        let mut state = self.state.lock();
        let is_shared = is_long_busy && state.ready.len() > 1;
        let wakes = if is_shared { state.activate() } else { Wakes::default() };
        drop(state);
        let next = if wakes.runner.is_some() { Next::Share } else { Next::StepAside };
        wakes.send();
        next
    }

    /// A connection is over.
    pub(super) fn forget(&self, id: u64) {
        let mut state = self.state.lock();
        let task = state.tasks.remove(&id);
        let wakes = state.end_if_over();
        drop(state);
        if let Some(task) = task {
            task.detach();
        }
        wakes.send();
    }

    /// No connection will come: runners end with the last one.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        state.is_finishing = true;
        let wakes = state.end_if_over();
        drop(state);
        wakes.send();
    }

    /// The runtime ends, and all connections with it.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.is_closed, true) {
            return;
        }
        state.is_closing = true;
        let ready = std::mem::take(&mut state.ready);
        let tasks = std::mem::take(&mut state.tasks);
        let wakes = state.end_if_over();
        drop(state);
        wakes.send();
        drop(ready);
        // A task that is cancelled is pushed once more.
        drop(tasks);
        while let Some(runnable) = self.take_last() {
            drop(runnable);
        }
    }

    /// What was pushed while connections were dropped. None ends the closing.
    fn take_last(&self) -> Option<Runnable> {
        let mut state = self.state.lock();
        let runnable = state.ready.pop_front();
        state.is_closing = runnable.is_some();
        runnable
    }

    /// The monitor, which is this thread, looks whether the runners move, and makes another one
    /// active in the place of those that do not. If it `may_rest` and nobody is active, who becomes
    /// it wakes this thread.
    pub(super) fn look(&self, may_rest: bool) -> Look {
        let mut state = self.state.lock();
        if state.is_over() {
            return Look::Ended;
        }
        let Movement { has_some, has_stuck } = state.take_movement();
        let wakes = if has_stuck { state.ensure_active() } else { Wakes::default() };
        let is_idle = !has_some && state.active_count == 0;
        if is_idle && may_rest {
            state.monitor = Some(std::thread::current());
        }
        drop(state);
        wakes.send();
        if is_idle { Look::Idle } else { Look::Active }
    }
}

#[cfg(test)]
impl Shard {
    pub(super) fn is_parked(&self) -> bool {
        self.state.lock().active_count == 0
    }
}

/// What happened between two looks.
#[derive(Default)]
struct Movement {
    /// A runner moved.
    has_some: bool,
    /// A runner that should have moved did not.
    has_stuck: bool,
}

impl State {
    fn next(&mut self, index: usize, waker: &Waker, is_round_over: bool) -> (Next, Wakes) {
        if self.ready.is_empty() && self.is_over() {
            return (Next::End, self.activate());
        }
        if self.ready.is_empty() {
            self.park(index, waker);
            return (Next::Park, Wakes::default());
        }
        let resumed = self.resume(index);
        if is_round_over {
            let called = self.activate();
            let next = if called.runner.is_some() { Next::Share } else { Next::Yield };
            return (next, Wakes { monitor: resumed.monitor.or(called.monitor), ..called });
        }
        (self.ready.pop_front().map_or(Next::Yield, Next::Run), resumed)
    }

    /// The runner at `index` runs.
    fn resume(&mut self, index: usize) -> Wakes {
        let Some(runner) = self.runners.get_mut(index) else { return Wakes::default() };
        runner.move_count = runner.move_count.wrapping_add(1);
        if let Phase::Active = runner.phase {
            return Wakes::default();
        }
        runner.phase = Phase::Active;
        self.active_count += 1;
        Wakes { runner: None, monitor: self.monitor.take() }
    }

    fn park(&mut self, index: usize, waker: &Waker) {
        let Some(runner) = self.runners.get_mut(index) else { return };
        runner.move_count = runner.move_count.wrapping_add(1);
        if let Phase::Active = std::mem::replace(&mut runner.phase, Phase::Parked(waker.clone())) {
            self.active_count -= 1;
        }
    }

    /// Somebody is to be active.
    fn ensure_active(&mut self) -> Wakes {
        if self.active_count > 0 { Wakes::default() } else { self.activate() }
    }

    /// Makes a parked runner active, if there is one: the first, so that the same ones run.
    fn activate(&mut self) -> Wakes {
        for runner in &mut self.runners {
            if let Phase::Parked(waker) = &mut runner.phase {
                let waker = std::mem::replace(waker, Waker::noop().clone());
                runner.phase = Phase::Active;
                runner.move_count = runner.move_count.wrapping_add(1);
                self.active_count += 1;
                return Wakes { runner: Some(waker), monitor: self.monitor.take() };
            }
        }
        Wakes::default()
    }

    fn take_movement(&mut self) -> Movement {
        let mut movement = Movement::default();
        for runner in &mut self.runners {
            let has_moved = std::mem::replace(&mut runner.seen_count, runner.move_count) != runner.move_count;
            movement.has_some |= has_moved;
            if !has_moved && matches!(runner.phase, Phase::Active) {
                runner.phase = Phase::Stuck;
                self.active_count -= 1;
                movement.has_stuck = true;
            }
        }
        movement
    }

    fn is_over(&self) -> bool {
        self.is_closed || (self.is_finishing && self.tasks.is_empty())
    }

    /// Runners and monitor are to learn that there is nothing left; each runner that ends
    /// wakes the next.
    fn end_if_over(&mut self) -> Wakes {
        if !self.is_over() {
            return Wakes::default();
        }
        Wakes { monitor: self.monitor.take(), ..self.activate() }
    }
}

impl Wakes {
    fn send(self) {
        if let Some(runner) = self.runner {
            runner.wake();
        }
        if let Some(monitor) = self.monitor {
            monitor.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::Wake;
    use std::time::{Duration, Instant};

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A shard whose runners are played by the test.
    struct Stage {
        shard: Arc<Shard>,
        bells: Vec<Arc<Bell>>,
    }

    impl Stage {
        /// With runners that are parked.
        fn new(runner_count: usize) -> Self {
            let stage =
                Stage { shard: Shard::new(runner_count), bells: (0..runner_count).map(|_| Arc::default()).collect() };
            for index in 0..runner_count {
                assert!(matches!(stage.next(index, false), Next::Park));
            }
            stage
        }

        fn next(&self, index: usize, is_round_over: bool) -> Next {
            self.shard.next(index, &Waker::from(Arc::clone(&self.bells[index])), is_round_over)
        }

        fn run(&self, index: usize) {
            let Next::Run(runnable) = self.next(index, false) else { panic!("nothing to run") };
            runnable.run();
        }

        fn make_ready(&self) {
            self.shard.spawn(std::future::pending());
        }

        fn look(&self) -> Look {
            self.shard.look(true)
        }

        /// How often each runner was woken.
        fn wakes(&self) -> Vec<usize> {
            self.bells.iter().map(|bell| bell.0.load(Ordering::Relaxed)).collect()
        }
    }

    #[test]
    fn one_runner_is_woken_for_all_that_is_ready() {
        let stage = Stage::new(2);
        (0..3).for_each(|_| stage.make_ready());
        assert_eq!(stage.wakes(), [1, 0]);
        (0..3).for_each(|_| stage.run(0));
        assert!(matches!(stage.next(0, true), Next::Park), "nothing is left that another could take");
        stage.make_ready();
        assert_eq!(stage.wakes(), [2, 0]);
    }

    #[test]
    fn a_runner_whose_round_is_over_calls_others_in() {
        let stage = Stage::new(2);
        (0..4).for_each(|_| stage.make_ready());
        stage.run(0);
        assert!(matches!(stage.next(0, true), Next::Share));
        assert_eq!(stage.wakes(), [1, 1]);
        assert!(matches!(stage.next(0, true), Next::Yield), "there is nobody left to call");
        stage.run(1);
        stage.run(0);
        stage.run(1);
        assert!(matches!(stage.next(0, false), Next::Park));
        stage.make_ready();
        assert_eq!(stage.wakes(), [1, 1], "the other one is still there");
        stage.run(1);
    }

    #[test]
    fn who_runs_what_is_always_ready_calls_others_in() {
        let stage = Stage::new(2);
        stage.make_ready();
        assert!(matches!(stage.shard.step_aside(true), Next::StepAside), "one alone keeps one runner busy");
        stage.make_ready();
        assert!(matches!(stage.shard.step_aside(false), Next::StepAside));
        assert!(matches!(stage.shard.step_aside(true), Next::Share));
        assert_eq!(stage.wakes(), [1, 1]);
        assert!(matches!(stage.shard.step_aside(true), Next::StepAside), "there is nobody left to call");
    }

    #[test]
    fn who_does_not_move_is_replaced() {
        let stage = Stage::new(2);
        stage.make_ready();
        assert_eq!((stage.look(), stage.wakes()), (Look::Active, vec![1, 0]), "it has just been woken");
        assert_eq!((stage.look(), stage.wakes()), (Look::Active, vec![1, 1]));
        stage.run(1);
        assert!(matches!(stage.next(1, false), Next::Park));
        stage.make_ready();
        assert_eq!(stage.wakes(), [1, 2], "who is stuck does not count");
        stage.run(1);
        assert!(matches!(stage.next(1, false), Next::Park));
        stage.make_ready();
        stage.make_ready();
        stage.run(0);
        stage.run(0);
        assert!(matches!(stage.next(1, false), Next::Park));
        stage.make_ready();
        assert_eq!(stage.wakes(), [1, 3], "who moves again counts again");
        stage.run(0);
    }

    #[test]
    fn who_runs_something_else_each_time_is_not_stuck() {
        let stage = Stage::new(2);
        for _ in 0..10 {
            (0..2).for_each(|_| stage.make_ready());
            stage.run(0);
            assert_eq!(stage.look(), Look::Active);
            stage.run(0);
        }
        assert_eq!(stage.wakes(), [1, 0]);
    }

    #[test]
    fn when_all_are_stuck_the_first_that_moves_goes_on() {
        let stage = Stage::new(2);
        (0..2).for_each(|_| stage.make_ready());
        (0..3).for_each(|_| assert_eq!(stage.look(), Look::Active));
        assert_eq!((stage.look(), stage.wakes()), (Look::Idle, vec![1, 1]), "there is nobody to look after");
        stage.make_ready();
        (0..3).for_each(|_| stage.run(1));
        assert_eq!(stage.look(), Look::Active);
        assert!(matches!(stage.next(1, false), Next::Park));
    }

    #[test]
    fn the_monitor_rests_while_nobody_is_active() {
        let stage = Stage::new(1);
        assert_eq!((stage.look(), stage.look()), (Look::Active, Look::Idle));
        assert!(stage.shard.state.lock().monitor.is_some());
        stage.make_ready();
        // This thread, which is the monitor, was unparked.
        let start = Instant::now();
        std::thread::park_timeout(Duration::from_secs(60));
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(stage.shard.state.lock().monitor.is_none());
        stage.run(0);
        assert!(matches!(stage.next(0, false), Next::Park));
        assert_eq!((stage.look(), stage.look()), (Look::Active, Look::Idle));
    }

    /// Says when it is dropped, and waits for leave to go on.
    struct SlowDrop(mpsc::Sender<()>, mpsc::Receiver<()>);

    impl Drop for SlowDrop {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            self.1.recv().unwrap();
        }
    }

    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// It may hold a lock that an application's drop waits for.
    #[test]
    fn who_wakes_a_connection_while_the_runtime_ends_does_not_drop_it() {
        let stage = Stage::new(1);
        let (wakers, woken) = mpsc::channel();
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&dropped));
        stage.shard.spawn(std::future::poll_fn(move |cx| {
            let _ = &counted;
            wakers.send(cx.waker().clone()).unwrap();
            std::task::Poll::Pending
        }));
        stage.run(0);
        let (begun, begins) = mpsc::channel();
        let (leave, may_go) = mpsc::channel();
        let slow = SlowDrop(begun, may_go);
        stage.shard.spawn(async move {
            let _slow = slow;
            std::future::pending::<()>().await;
        });
        let shard = Arc::clone(&stage.shard);
        let closing = std::thread::spawn(move || shard.close());
        begins.recv().unwrap();
        woken.recv().unwrap().wake();
        assert_eq!(dropped.load(Ordering::SeqCst), 0, "dropped by who woke it");
        leave.send(()).unwrap();
        closing.join().unwrap();
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert_eq!(stage.look(), Look::Ended);
    }

    #[test]
    fn a_monitor_that_may_not_rest_is_not_woken() {
        let stage = Stage::new(1);
        assert_eq!((stage.shard.look(false), stage.shard.look(false)), (Look::Active, Look::Idle));
        assert!(stage.shard.state.lock().monitor.is_none());
    }

    #[test]
    fn the_end_comes_with_the_last_connection() {
        let stage = Stage::new(2);
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        stage.shard.spawn(async { receiver.await.unwrap_or_default() });
        stage.run(0);
        stage.shard.finish();
        assert!(matches!(stage.next(0, false), Next::Park));
        sender.send(()).unwrap();
        assert_eq!(stage.wakes(), [2, 0]);
        stage.run(0);
        assert_eq!(stage.wakes(), [2, 1]);
        assert!(matches!((stage.next(0, false), stage.next(1, false)), (Next::End, Next::End)));
        assert_eq!(stage.look(), Look::Ended);
    }
}
