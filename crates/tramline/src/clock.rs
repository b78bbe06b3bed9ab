//! Time. No other file names a clock or a timer, so that a simulator can replace both.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How far the epoch lies before the first use: a paused clock may have started earlier.
const EPOCH_AGE: Duration = Duration::from_secs(3600);

static EPOCH: OnceLock<Instant> = OnceLock::new();

fn epoch() -> Instant {
    *EPOCH.get_or_init(|| {
        let now = std::time::Instant::now();
        Instant::from_std(now.checked_sub(EPOCH_AGE).unwrap_or(now))
    })
}

/// A future that is ready at a certain time.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a clock takes its time from: a simulator's, in place of the runtime's.
pub trait TimeSource: Send + Sync + 'static {
    /// Time since an epoch of its own, never decreasing.
    fn now(&self) -> Duration;
    /// Ready when [`now`](Self::now) has reached `at`.
    fn sleep_until(&self, at: Duration) -> Sleep;
}

#[derive(Clone)]
enum Source {
    /// tokio's clock, which tests can pause.
    Runtime,
    /// Behind one pointer: each call has a clock, and few are custom.
    Custom(Arc<Box<dyn TimeSource>>),
}

/// A time in nanoseconds, or none: half as wide as an `Option<Duration>`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(u64);

impl Deadline {
    pub(crate) const NONE: Deadline = Deadline(u64::MAX);

    /// A time too far to be told from none is none: that is in 584 years.
    #[inline]
    pub(crate) fn new(at: Option<Duration>) -> Self {
        at.map_or(Self::NONE, |at| u64::try_from(at.as_nanos()).map_or(Self::NONE, Deadline))
    }

    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Deadline(nanos)
    }

    pub(crate) const fn to_nanos(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn get(self) -> Option<Duration> {
        (self.0 != u64::MAX).then(|| Duration::from_nanos(self.0))
    }
}

/// The time of a server or a channel. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    source: Source,
}

impl Default for Clock {
    /// The clock of the tokio runtime.
    fn default() -> Self {
        Clock { source: Source::Runtime }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

impl Clock {
    /// A clock of the caller's own.
    pub fn custom(source: impl TimeSource) -> Self {
        Clock { source: Source::Custom(Arc::new(Box::new(source))) }
    }

    /// Time since the clock's epoch. All clocks of the runtime share one epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.source {
            Source::Runtime => Instant::now().saturating_duration_since(epoch()),
            Source::Custom(source) => source.now(),
        }
    }

    /// Ready at `at`.
    pub(crate) fn sleep_until(&self, at: Duration) -> Sleep {
        match &self.source {
            // In a task without budget tokio's sleep does not set its timer, and wants to be polled
            // again, which a timer that is set need not be.
            Source::Runtime => Box::pin(tokio::task::unconstrained(tokio::time::sleep_until(epoch() + at))),
            Source::Custom(source) => source.sleep_until(at),
        }
    }

    /// Ready after `duration`.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().saturating_add(duration))
    }

    /// `future`'s output, or `None` if `duration` passes first.
    pub(crate) async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Option<F::Output> {
        let mut sleep = self.sleep(duration);
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    pub(crate) fn timer(&self) -> Timer {
        Timer { clock: self.clone(), armed: None }
    }
}

struct Armed {
    at: Duration,
    sleep: Sleep,
    /// Who is woken.
    waker: Option<Waker>,
}

/// One timer that is set again and again: a connection has one for everything.
///
/// It is armed anew only for an earlier time; for a later one it fires once too often,
/// which is cheaper than a visit to the timer wheel with every call.
pub(crate) struct Timer {
    clock: Clock,
    armed: Option<Armed>,
}

impl Timer {
    /// Whether `at` has passed; if not, the task is woken then.
    #[inline]
    pub(crate) fn poll_at(&mut self, cx: &mut Context<'_>, now: Duration, at: Option<Duration>) -> bool {
        let Some(at) = at else { return false };
        let is_set = |armed: &Armed| {
            armed.at > now && armed.at <= at && armed.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        };
        !self.armed.as_ref().is_some_and(is_set) && self.arm(cx, now, at)
    }

    #[inline(never)]
    fn arm(&mut self, cx: &mut Context<'_>, now: Duration, at: Duration) -> bool {
        if at <= now {
            return true;
        }
        let is_useful = |armed: &&mut Armed| armed.at <= at && armed.at > now;
        let armed = match self.armed.as_mut().filter(is_useful) {
            Some(armed) => armed,
            None => self.armed.insert(Armed { at, sleep: self.clock.sleep_until(at), waker: None }),
        };
        armed.waker = Some(cx.waker().clone());
        armed.sleep.as_mut().poll(cx).is_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_fires_at_its_time_and_can_be_set_earlier() {
        let clock = Clock::default();
        let mut timer = clock.timer();
        let start = clock.now();
        for (first_ms, then_ms) in [(50, 20), (20, 50), (10, 10)] {
            let begin = clock.now();
            let first = begin + Duration::from_millis(first_ms);
            let then = begin + Duration::from_millis(then_ms);
            let mut is_first_poll = true;
            std::future::poll_fn(|cx| {
                if is_first_poll {
                    is_first_poll = false;
                    assert!(!timer.poll_at(cx, clock.now(), Some(first)));
                }
                if timer.poll_at(cx, clock.now(), Some(then)) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let passed = clock.now() - begin;
            assert!(passed >= Duration::from_millis(then_ms), "{passed:?}");
            assert!(passed <= Duration::from_millis(then_ms + 2), "{passed:?}");
        }
        assert!(clock.now() > start);
    }

    /// A connection that has read and written much may have used up its task's budget when it
    /// sets its timer: tokio's own timers would not be set then.
    #[tokio::test(start_paused = true)]
    async fn a_timer_that_a_task_without_budget_sets_fires() {
        let clock = Clock::default();
        let mut timer = clock.timer();
        let at = clock.now() + Duration::from_secs(1);
        let mut is_first_poll = true;
        let waiting = std::future::poll_fn(|cx| {
            if std::mem::take(&mut is_first_poll) {
                while std::pin::pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
            }
            if timer.poll_at(cx, clock.now(), Some(at)) { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(clock.now() < at + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_ends_a_future_that_is_late() {
        let clock = Clock::default();
        assert_eq!(clock.timeout(Duration::from_secs(1), std::future::ready(3)).await, Some(3));
        assert_eq!(clock.timeout(Duration::from_secs(1), std::future::pending::<()>()).await, None);
    }

    #[test]
    fn a_deadline_is_as_narrow_as_a_number() {
        for at in [None, Some(Duration::ZERO), Some(Duration::from_nanos(u64::MAX - 1))] {
            assert_eq!(Deadline::new(at).get(), at);
        }
        assert_eq!(Deadline::new(Some(Duration::from_nanos(u64::MAX))).get(), None);
        assert_eq!(Deadline::new(Some(Duration::MAX)).get(), None);
    }
}
