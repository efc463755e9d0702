//! Time limits that share a timer.
//!
//! `tokio::time::timeout` registers a timer for each call. One that is the earliest of its runtime wakes
//! the thread that waits for I/O, by a system call, although the limit of a lookup almost never passes.
//! So a thread has one timer for all of its limits. It stays where it is while limits come and go, and is
//! set again when it fires: about once per limit, however many lookups there are.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a limit lasts that is too long for the clock.
const FAR_FUTURE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A future that took longer than its limit.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(crate) struct Elapsed(Duration);

/// Waits for `future` until `limit` has passed since it was pending for the first time.
///
/// # Panics
///
/// Outside of a tokio runtime with a timer.
pub(crate) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut alarm = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        match &alarm {
            None => alarm = Some(Alarm::set(limit, context.waker())),
            Some(alarm) if alarm.is_over(context) => return Poll::Ready(Err(Elapsed(limit))),
            Some(_) => {}
        }
        Poll::Pending
    })
    .await
}

/// The limit of one future that is pending.
struct Alarm {
    timer: Arc<Timer>,
    key: usize,
}

/// The timer of a thread's limits, which a task waits for.
#[derive(Default)]
struct Timer {
    state: Mutex<State>,
    /// A limit ends before the moment that the task waits for.
    sooner: Notify,
    /// Whether the task has ended before its limits, as it does when its runtime shuts down.
    is_dead: AtomicBool,
}

#[derive(Default)]
struct State {
    limits: Slab<Limit>,
    /// The moment that the task waits for. `None` where there is no task.
    until: Option<Instant>,
}

struct Limit {
    ends: Instant,
    waker: Waker,
}

thread_local! {
    /// The timer of this thread, and the runtime that its task belongs to.
    static TIMER: RefCell<Option<(Id, Arc<Timer>)>> = const { RefCell::new(None) };
}

impl Alarm {
    fn set(limit: Duration, waker: &Waker) -> Self {
        let timer = Timer::of_this_thread();
        let now = Instant::now();
        let ends = now.checked_add(limit).unwrap_or(now + FAR_FUTURE);
        let mut state = timer.lock();
        let key = state.limits.insert(Limit {
            ends,
            waker: waker.clone(),
        });
        let until = state.until;
        if until.is_none_or(|until| ends < until) {
            state.until = Some(ends);
        }
        drop(state);
        // It was stopped before the limit was there to be woken.
        if timer.is_dead.load(Ordering::Relaxed) {
            waker.wake_by_ref();
        }
        match until {
            Some(until) if until <= ends => {}
            Some(_) => timer.sooner.notify_one(),
            // Without the lock: a runtime that shuts down drops the task at once.
            None => {
                let task = Task {
                    timer: timer.clone(),
                    is_done: false,
                };
                drop(tokio::spawn(Timer::run(task)));
            }
        }
        Self { timer, key }
    }

    /// Whether the limit has passed. If not, the task of `context` is woken when it has.
    fn is_over(&self, context: &Context<'_>) -> bool {
        let mut state = self.timer.lock();
        let limit = &mut state.limits[self.key];
        let ends = limit.ends;
        // A waker is dropped without the lock: it may be the last handle to a future with a limit.
        let _former = (!limit.waker.will_wake(context.waker()))
            .then(|| mem::replace(&mut limit.waker, context.waker().clone()));
        drop(state);
        ends <= Instant::now() || self.timer.is_dead.load(Ordering::Relaxed)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let _limit = self.timer.lock().limits.remove(self.key);
    }
}

impl Timer {
    /// The timer of this thread. A thread that has come to another runtime gets a new one, since the
    /// former runtime may no longer run.
    fn of_this_thread() -> Arc<Self> {
        let runtime = Handle::current().id();
        TIMER.with_borrow_mut(|timer| match timer {
            Some((of, timer)) if *of == runtime && !timer.is_dead.load(Ordering::Relaxed) => {
                timer.clone()
            }
            _ => timer.insert((runtime, Arc::default())).1.clone(),
        })
    }

    /// Wakes futures whose limits have passed, until there are none left.
    async fn run(mut task: Task) {
        while let Some(until) = task.timer.ring(Instant::now()) {
            // Either may be the reason to look again.
            let _ = timeout_at(until, task.timer.sooner.notified()).await;
        }
        // From here on, a limit that another thread sets has another task.
        task.is_done = true;
    }

    /// Wakes futures whose limits have passed at `now`. Returns when the next one passes.
    fn ring(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let limits = state.limits.iter().map(|(_, limit)| limit);
        let next = limits
            .clone()
            .map(|limit| limit.ends)
            .filter(|ends| *ends > now)
            .min();
        let over = limits.filter(|limit| limit.ends <= now);
        let wakers: Vec<_> = over.map(|limit| limit.waker.clone()).collect();
        state.until = next;
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of a timer.
struct Task {
    timer: Arc<Timer>,
    /// Whether it has ended because no limit was left.
    is_done: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        // Without the task, no limit would ever pass.
        self.timer.is_dead.store(true, Ordering::Relaxed);
        let state = self.timer.lock();
        let limits = state.limits.iter().map(|(_, limit)| limit.waker.clone());
        let wakers: Vec<_> = limits.collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests;
