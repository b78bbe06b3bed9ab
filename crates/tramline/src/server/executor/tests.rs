//! The executor as a whole, on threads.

use std::future::poll_fn;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn threads(count: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn until(what: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE, "it never was");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An executor whose runners are parked.
fn start(runtime: &Runtime) -> Arc<Executor> {
    let _entered = runtime.enter();
    let executor = Executor::start().unwrap();
    until(|| executor.shards.iter().all(|shard| shard.is_parked()));
    executor
}

#[test]
fn one_thread_needs_no_executor() {
    let runtime = threads(1);
    let _entered = runtime.enter();
    assert!(Executor::start().is_none());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    assert!(Executor::start().is_none());
}

/// Threads outside wake tasks that wake each other, hand over their turn, and block now and
/// then. A wake that was lost would leave the sum short for ever.
#[test]
fn no_wake_is_lost() {
    const SENDER_COUNT: usize = 6;
    const TASK_COUNT: usize = 40;
    const MESSAGE_COUNT: usize = 4000;
    let runtime = threads(5);
    let executor = start(&runtime);
    let (sums, mut summed) = mpsc::unbounded_channel();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..TASK_COUNT).map(|_| mpsc::unbounded_channel::<usize>()).unzip();
    for (task, mut messages) in receivers.into_iter().enumerate() {
        let sums = sums.clone();
        let next = senders.get(task + 1).cloned();
        executor.spawn(async move {
            while let Some(message) = messages.recv().await {
                match message % 1024 {
                    7 => std::thread::sleep(Duration::from_millis(1)),
                    8 => std::thread::sleep(Duration::from_millis(12)),
                    n if n % 16 == 0 => tokio::task::yield_now().await,
                    _ => {}
                }
                // Half of them go on to the next task.
                match next.as_ref().filter(|_| message % 2 == 1) {
                    Some(next) => next.send(message / 2).unwrap(),
                    None => sums.send(()).unwrap(),
                }
            }
        });
    }
    let threads: Vec<_> = (0..SENDER_COUNT)
        .map(|thread| {
            let senders = senders.clone();
            std::thread::spawn(move || {
                for n in 0..MESSAGE_COUNT {
                    senders[(n * 7 + thread) % TASK_COUNT].send(n).unwrap();
                    if n % 64 == 0 {
                        std::thread::sleep(Duration::from_micros(300));
                    }
                }
            })
        })
        .collect();
    drop(senders);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let all = async {
        for _ in 0..SENDER_COUNT * MESSAGE_COUNT {
            summed.recv().await.unwrap();
        }
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await }).expect("a wake was lost");
    drop(executor);
    until(|| runtime.metrics().num_alive_tasks() == 0);
}

/// Rests between single wakes: runners are parked each time, and the monitor sometimes.
#[test]
fn a_wake_after_a_rest_is_not_lost() {
    let runtime = threads(2);
    let executor = start(&runtime);
    let (pings, mut pinged) = mpsc::unbounded_channel::<u32>();
    let (pongs, ponged) = std::sync::mpsc::channel();
    executor.spawn(async move {
        while let Some(ping) = pinged.recv().await {
            pongs.send(ping).unwrap();
        }
    });
    for n in 0..60 {
        pings.send(n).unwrap();
        assert_eq!(ponged.recv_timeout(PATIENCE), Ok(n));
        let rest_ms = if n % 20 == 19 { 150 } else { n % 16 };
        std::thread::sleep(Duration::from_millis(rest_ms.into()));
    }
}

#[test]
fn what_runs_ends_with_its_runtime() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let runtime = threads(4);
    let executor = start(&runtime);
    for n in 0..50 {
        let counted = Counted(Arc::clone(&dropped));
        executor.spawn(async move {
            // Some wait, and others run until the end.
            if n % 5 == 0 {
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::<()>::Pending
                })
                .await;
            }
            std::future::pending::<()>().await;
            drop(counted);
        });
    }
    drop(runtime);
    until(|| dropped.load(Ordering::SeqCst) == 50);
    let late = Counted(Arc::clone(&dropped));
    executor.spawn(async move { drop(late) });
    assert_eq!(dropped.load(Ordering::SeqCst), 51, "nobody would run it");
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn a_panic_ends_one_task() {
    let runtime = threads(2);
    let executor = start(&runtime);
    let (sender, received) = std::sync::mpsc::channel();
    for n in 0..30 {
        let sender = sender.clone();
        executor.spawn(async move {
            let _trap = (n % 3 == 1).then(|| PanicsInDrop);
            tokio::task::yield_now().await;
            assert!(n % 3 != 0, "on purpose");
            sender.send(n).unwrap();
        });
    }
    drop(sender);
    let mut rest: Vec<_> = received.iter().collect();
    rest.sort_unstable();
    assert_eq!(rest, (0..30).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    executor.spawn(async move {
        let _trap = PanicsInDrop;
        std::future::pending::<()>().await;
    });
    drop(executor);
    drop(runtime);
}

/// How many run at once, at most, so far.
#[derive(Default)]
struct Peak {
    running: AtomicUsize,
    peak: AtomicUsize,
}

impl Peak {
    fn run_for(&self, time: Duration) {
        self.peak.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let begun = std::time::Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Each of their turns is short.
#[test]
fn tasks_that_are_always_ready_get_several_threads() {
    let runtime = threads(2);
    let executor = start(&runtime);
    let peak = Arc::new(Peak::default());
    for _ in 0..4 {
        let peak = Arc::clone(&peak);
        let mut polls_left = 1000;
        executor.spawn(poll_fn(move |cx| {
            peak.run_for(Duration::from_micros(20));
            polls_left -= 1;
            cx.waker().wake_by_ref();
            if polls_left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
    drop(executor);
    until(|| runtime.metrics().num_alive_tasks() == 0);
    assert!(peak.peak.load(Ordering::SeqCst) > 1);
}

/// While a task is never through, others have their turn, and so have tokio's own and its timers.
#[test]
fn a_task_that_is_always_ready_leaves_others_their_turn() {
    let runtime = threads(2);
    let executor = start(&runtime);
    let is_over = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let is_over = Arc::clone(&is_over);
        executor.spawn(poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if is_over.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
    let (sender, mut received) = mpsc::unbounded_channel();
    let of_tokio = sender.clone();
    executor.spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        sender.send(()).unwrap();
    });
    runtime.spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        of_tokio.send(()).unwrap();
    });
    let both = async { (received.recv().await, received.recv().await) };
    let both = runtime.block_on(async { tokio::time::timeout(PATIENCE, both).await });
    assert_eq!(both, Ok((Some(()), Some(()))));
    is_over.store(true, Ordering::SeqCst);
    drop(executor);
    until(|| runtime.metrics().num_alive_tasks() == 0);
}
