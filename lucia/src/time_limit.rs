//! Time limits that share timers.
//!
//! `tokio::time::timeout` registers a timer for each call. One that is the earliest of its runtime wakes
//! the thread that waits for I/O, by a system call, although the limit of a lookup almost never passes.
//! So a thread keeps the timer of a limit that did not pass, and the next limit of the same length moves it
//! to a later moment. The runtime notes that without a system call, and looks at it when the earlier moment
//! comes: about once per limit, however many lookups there are. A timer that no limit used meanwhile wakes
//! the task of its last one then, which finds nothing to do.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a limit lasts that is too long for the clock.
const FAR_FUTURE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How many timers a thread keeps at most: as many as it has limits at once where it is busy.
const KEPT: usize = 256;

/// A future that took longer than its limit.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(crate) struct Elapsed(Duration);

/// Waits for `future` until `limit` has passed since it was pending for the first time.
///
/// # Panics
///
/// Outside of a tokio runtime with a timer, and after this has shut down.
pub(crate) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            if let Some(timer) = timer.take() {
                Timer::keep(timer);
            }
            return Poll::Ready(Ok(output));
        }
        let timer = timer.get_or_insert_with(|| Timer::set(limit));
        // A future that is never done with its work has a limit, too.
        let over = pin!(unconstrained(timer.sleep.as_mut())).poll(context);
        over.map(|()| Err(Elapsed(limit)))
    })
    .await
}

/// The timer of one future that is pending.
struct Timer {
    limit: Duration,
    runtime: Id,
    sleep: Pin<Box<Sleep>>,
}

thread_local! {
    /// Timers of this thread that no limit uses. They are of one runtime: a thread that has come to another
    /// one starts anew.
    static SPARE: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
}

impl Timer {
    fn set(limit: Duration) -> Self {
        let runtime = Handle::current().id();
        let now = Instant::now();
        let ends = now.checked_add(limit).unwrap_or(now + FAR_FUTURE);
        // Dropped outside of the closure: a timer may hold the last handle to a future with a limit.
        let (spare, _former) = SPARE.with_borrow_mut(|spare| {
            if spare.last().is_some_and(|timer| timer.runtime != runtime) {
                return (None, std::mem::take(spare));
            }
            // One of another length would be moved to an earlier moment.
            let at = spare.iter().rposition(|timer| timer.limit == limit);
            (at.map(|at| spare.swap_remove(at)), Vec::new())
        });
        match spare {
            Some(mut timer) => {
                timer.sleep.as_mut().reset(ends);
                timer
            }
            None => Self {
                limit,
                runtime,
                sleep: Box::pin(sleep_until(ends)),
            },
        }
    }

    /// Keeps it for the next limit of this thread.
    fn keep(self) {
        let _superfluous = SPARE.with_borrow_mut(|spare| {
            let is_of_another = |timer: &Self| timer.runtime != self.runtime;
            if spare.last().is_some_and(is_of_another) {
                return Some(self);
            }
            spare.push(self);
            // The first one is the least likely to be used again.
            (spare.len() > KEPT).then(|| spare.swap_remove(0))
        });
    }
}

#[cfg(test)]
mod tests;
