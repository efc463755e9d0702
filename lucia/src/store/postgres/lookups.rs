//! Lookups that meet go out as one statement.
//!
//! While one lookup is on its way, those that arrive wait, and go out together when its answer is
//! there. Nobody waits for company: a lookup that finds none on its way goes out at once and
//! alone. The busier the server, the more lookups share a statement, and the less each costs.
//!
//! **A revocation that has returned is always seen.** A lookup joins the queue when it is called.
//! Its statement is sent after it was taken out of the queue, so after it was called; Postgres
//! takes the snapshot of a statement outside of a transaction when it arrives, whatever isolation is the
//! default, so every change is in it that was committed before the lookup was called. A server that is
//! read-only may be an old primary, which does not have the latest changes: its answer does not count
//! while another server is to be had. No answer is kept for
//! lookups that come later.
//!
//! Lookups meet in *lanes*, each for some of the threads, so that those who share a statement are
//! mostly woken by their own thread. A lane has one *baton*. Who holds it may send; nobody else of
//! the lane does. It passes from lookup to lookup in the order in which they came, and never gets
//! lost: a holder that is dropped, with the request that it belongs to, passes it on, and those who
//! were to share its statement stand in the queue again, in front.
//!
//! A holder that is neither dropped nor goes on holds up nobody for long: whoever has waited for
//! [`PATIENCE`], while the baton has not moved, makes another one in its place, and leads all who wait. So
//! a database that does not answer for a while is not asked by each of them. The earlier holder may still
//! send, for that is harmless, but passes nothing on.
//!
//! A statement that fails for what is in some row is asked again by each of those who shared it, alone:
//! only whose row it is has to live with the error.

mod lane;
mod places;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;

use lane::{Baton, Entered, Lane, Message, Waiter};

use super::Parts;
use super::error::Failure;
use super::sessions::Found;
use crate::session::token::SessionId;
use crate::{Error, Result};

/// How many lookups share a statement at the most. Their rows are in memory at once.
const BATCH: usize = 64;

/// How long a lookup waits before it sees to it that its lane goes on, and twice as long each time after
/// that. Whoever holds the baton may be kept from going on: by the database, by a handler that keeps its
/// thread busy, or because nobody polls it.
const PATIENCE: Duration = Duration::from_millis(250);

thread_local! {
    /// The number of this thread among those that look sessions up.
    static THREAD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

/// The lanes.
pub(super) struct Lookups(Box<[Lane]>);

impl Lookups {
    /// A lane for each core, but so few that half of the pool is left for whatever else is done.
    pub(super) fn over(pool: &Pool) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = cores.min(pool.status().max_size / 2).max(1);
        Self((0..lanes).map(|_| Lane::default()).collect())
    }

    /// The number of the lane of this thread.
    fn of_this_thread(&self) -> usize {
        THREAD.with(|thread| *thread) % self.0.len()
    }
}

/// Finds a session with its user.
pub(super) async fn find(parts: &Arc<Parts>, id: &SessionId) -> Result<Option<Found>> {
    let lane = parts.lookups.of_this_thread();
    let mut entered = Lane::enter(parts, lane, id)?;
    let mut time = parts.timeout;
    let mut patience = PATIENCE;
    let baton = loop {
        let mut told = match entered {
            Entered::Baton(baton) => break baton,
            Entered::Waits(told) => told,
        };
        patience = patience.min(time);
        match tokio::time::timeout(patience, &mut told).await {
            Ok(Ok(Message::Answer(answer))) => return answer,
            Ok(Ok(Message::Baton(baton))) => break baton,
            Ok(Ok(Message::Alone)) => return parts.find_alone(id).await,
            // Every waiter is told or put back into the queue.
            Ok(Err(closed)) => return Err(Error::internal(closed)),
            Err(_) => time -= patience,
        }
        if time.is_zero() {
            return Err(Error::unavailable(Failure::TimedOut(parts.timeout)));
        }
        entered = Lane::enter_again(told, id, patience);
        patience *= 2;
    };
    // Boxed, so that those who wait for others are small.
    Box::pin(lead(baton, id)).await
}

/// Asks for `id` and for all who wait, by one statement.
async fn lead(mut baton: Baton, id: &SessionId) -> Result<Option<Found>> {
    let parts = baton.parts().clone();
    let waiters = baton.lane().take(BATCH - 1);
    // If this is dropped in between, the connection has an answer to come and goes to the pool.
    let mut connection = baton.take_connection();
    if waiters.is_empty() {
        let found = parts.find_one(&mut connection, id).await;
        baton.keep(connection, &found);
        return found;
    }
    let batch = Batch {
        lane: baton.lane_number(),
        parts: parts.clone(),
        waiters,
    };
    let mut ids: Vec<&str> = batch
        .waiters
        .iter()
        .map(|waiter| waiter.id.as_str())
        .collect();
    ids.push(id.as_str());
    let found = parts.find_many(&mut connection, &ids).await;
    baton.keep(connection, &found);
    // The next ones need not wait until these have been told.
    drop(baton);
    if let Err(Error::Internal(_)) = found {
        // It may be of one row only, which is not everybody's.
        batch.part();
        return parts.find_alone(id).await;
    }
    batch.tell(found, id)
}

/// Lookups that share a statement which is on its way.
struct Batch {
    lane: usize,
    parts: Arc<Parts>,
    waiters: Vec<Waiter>,
}

impl Batch {
    /// Has each ask alone.
    fn part(mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            waiter.leave_alone();
        }
    }

    /// Tells everybody, and returns what is said of `own`.
    fn tell(mut self, found: Result<Vec<Found>>, own: &SessionId) -> Result<Option<Found>> {
        let mut waiters = std::mem::take(&mut self.waiters);
        let mut found = match found {
            Ok(found) => found,
            Err(error) => {
                let error = Arc::new(error);
                for waiter in waiters {
                    waiter.tell(Err(Error::shared(&error)));
                }
                return Err(Error::shared(&error));
            }
        };
        let own_answer = found.iter().find(|found| found.session.id == *own).cloned();
        // In the same order, both have to be gone through only once.
        waiters.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        found.sort_by(|one, other| one.session.id.cmp(&other.session.id));
        let mut waiters = waiters.into_iter().peekable();
        for found in found {
            while let Some(waiter) = waiters.next_if(|waiter| waiter.id < found.session.id) {
                waiter.tell(Ok(None));
            }
            let id = found.session.id.clone();
            let mut found = Some(found);
            while let Some(waiter) = waiters.next_if(|waiter| waiter.id == id) {
                let is_last = waiters.peek().is_none_or(|next| next.id != id);
                waiter.tell(Ok(if is_last { found.take() } else { found.clone() }));
            }
        }
        for waiter in waiters {
            waiter.tell(Ok(None));
        }
        Ok(own_answer)
    }
}

/// A statement whose leader went away: those who shared it ask once more, before all others.
impl Drop for Batch {
    fn drop(&mut self) {
        self.parts.lookups.0[self.lane].put_back(&mut self.waiters);
    }
}
