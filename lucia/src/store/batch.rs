//! Lookups that arrive together share a statement of Postgres, or a pipeline of Redis.
//!
//! While one lookup is in flight, those that arrive wait in a queue, and go out together, as one
//! batch, when it has its answer. This is the group commit of databases, for reads. No lookup waits for
//! company: one that finds no other in flight goes out alone and at once. The busier the server, the
//! larger the batches, and the less each lookup costs.
//!
//! **A revocation that has returned is always seen.** A lookup joins the queue when it is called.
//! Its statement is sent after it was taken out of the queue, so after it was called. Postgres
//! takes the snapshot of a statement outside of a transaction when the statement arrives, whatever
//! isolation level is the default, so the snapshot has every change that was committed before the lookup
//! was called. Redis, too, runs a command when it arrives. A read-only server of Postgres may be an old
//! primary, which lacks the latest changes: its answer does not count while another server can be
//! reached. No answer is kept for later lookups.
//!
//! There are several queues, each for some of the threads, so that the lookups of a batch are mostly
//! woken by their own thread. Each queue has one *leader* at a time, and only the leader sends. It is
//! succeeded by the lookup that has waited longest. Leadership is never lost: a leader that is
//! dropped, with the request that it belongs to, appoints its successor, and the lookups of its batch
//! return to the front of the queue.
//!
//! A leader that is neither dropped nor makes progress holds up no lookup for long: a lookup that has
//! waited for [`LEADER_TIMEOUT`] with the same leader begins a new term as the leader, and leads all that
//! wait. So a database that does not answer for a while is not asked by each of them. The earlier leader
//! may still send, which is harmless, but appoints no successor.
//!
//! A statement that fails because of one row is repeated by each lookup of the batch alone, so that only
//! the lookup of that row fails.

mod queue;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use queue::{Entered, Leader, Message, Queue, Waiter};

use crate::measure::Count;
use crate::store::{Result, StoreError};
use crate::time_limit::within;

/// The most lookups of one batch. Their rows are in memory at once.
const MAX_BATCH: usize = 64;

/// How long a lookup waits for the leader of its queue to make progress, before it takes over. Each
/// further wait is twice as long. A leader can be held up by the database, by a handler that blocks its
/// thread, or because its future is not polled.
const LEADER_TIMEOUT: Duration = Duration::from_millis(250);

thread_local! {
    /// The number of this thread among those that look something up.
    static THREAD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

/// What is looked up in batches, and how.
pub(super) trait Source: Sized + Send + Sync + 'static {
    type Key: Clone + Ord + Send + Sync;
    type Row: Clone + Send;
    /// What a leader hands to its successor.
    type Connection: Send;

    fn queues(&self) -> &Queues<Self>;

    /// How long a lookup may wait in a queue.
    fn timeout(&self) -> Duration;

    fn key(row: &Self::Row) -> &Self::Key;

    /// Finds one row. It takes a connection where it gets none, and leaves it for the next batch.
    fn find(
        &self,
        connection: &mut Option<Self::Connection>,
        key: &Self::Key,
    ) -> impl Future<Output = Result<Option<Self::Row>>> + Send;

    /// Finds the rows of these keys, in any order, by one statement for all.
    fn find_all(
        &self,
        connection: &mut Option<Self::Connection>,
        keys: &[&Self::Key],
    ) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;

    /// Whether the next batch may use this connection as well.
    fn may_keep(&self, connection: &Self::Connection) -> bool;
}

/// The queues of a source.
pub(super) struct Queues<S: Source> {
    queues: Box<[Arc<Queue<S>>]>,
    /// The statements that were sent, and the lookups that they answer.
    statements: Count,
    lookups: Count,
}

impl<S: Source> Queues<S> {
    /// A queue for each core, but at most `limit`.
    pub(super) fn new(limit: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let queues = cores.min(limit).max(1);
        Self {
            queues: (0..queues).map(|_| Arc::default()).collect(),
            statements: Count::default(),
            lookups: Count::default(),
        }
    }

    fn of_this_thread(&self) -> &Arc<Queue<S>> {
        &self.queues[THREAD.with(|thread| *thread) % self.queues.len()]
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self, store: &str) {
        crate::measure::batches(store, &self.statements, &self.lookups);
    }

    /// How many lookups wait.
    #[cfg(feature = "metrics")]
    pub(super) fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.len()).sum()
    }
}

/// Finds the row of a key.
pub(super) async fn find<S: Source>(source: &S, key: &S::Key) -> Result<Option<S::Row>> {
    let mut entered = source.queues().of_this_thread().enter(key)?;
    let mut time_left = source.timeout();
    let mut patience = LEADER_TIMEOUT;
    let leader = loop {
        let mut waiting = match entered {
            Entered::Leads(leader) => break leader,
            Entered::Waits(waiting) => waiting,
        };
        patience = patience.min(time_left);
        match within(patience, &mut waiting).await {
            Ok(Ok(Message::Answer(answer))) => return answer,
            Ok(Ok(Message::Lead(leader))) => break leader,
            Ok(Ok(Message::Alone)) => return find_alone(source, key).await,
            // Every waiter gets a message or returns to the queue.
            Ok(Err(closed)) => return Err(StoreError::internal(closed)),
            Err(_) => time_left -= patience,
        }
        if time_left.is_zero() {
            let limit = source.timeout().as_millis();
            return Err(StoreError::unavailable(format!(
                "no answer within {limit} ms"
            )));
        }
        entered = waiting.enter_again(key, patience);
        patience *= 2;
    };
    // Boxed, so that waiting lookups are small.
    Box::pin(lead(source, leader, key)).await
}

/// Finds the row of a key past the queue. Boxed, since it is rare.
fn find_alone<'a, S: Source>(
    source: &'a S,
    key: &'a S::Key,
) -> Pin<Box<impl Future<Output = Result<Option<S::Row>>> + Send + 'a>> {
    Box::pin(async { source.find(&mut None, key).await })
}

/// Looks up `key` and the keys of all waiting lookups, by one statement.
async fn lead<S: Source>(
    source: &S,
    mut leader: Leader<S>,
    key: &S::Key,
) -> Result<Option<S::Row>> {
    let waiters = leader.queue().take(MAX_BATCH - 1);
    source.queues().statements.add(1);
    source.queues().lookups.add(1 + waiters.len());
    // If this future is dropped before the answer comes, the connection returns to its pool.
    let mut connection = leader.take_connection();
    if waiters.is_empty() {
        let found = source.find(&mut connection, key).await;
        leader.keep(source, connection, &found);
        return found;
    }
    let batch = Batch {
        queue: leader.queue().clone(),
        waiters,
    };
    let mut keys: Vec<&S::Key> = batch.waiters.iter().map(|waiter| &waiter.key).collect();
    keys.push(key);
    let found = source.find_all(&mut connection, &keys).await;
    leader.keep(source, connection, &found);
    // The next batch need not wait until this one has its answers.
    drop(leader);
    if let Err(StoreError::Internal(_)) = found {
        // One row may be the reason.
        batch.split_up();
        return find_alone(source, key).await;
    }
    batch.answer(found, key)
}

/// Lookups that share a statement in flight.
struct Batch<S: Source> {
    queue: Arc<Queue<S>>,
    waiters: Vec<Waiter<S>>,
}

impl<S: Source> Batch<S> {
    /// Has each lookup ask alone.
    fn split_up(mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            waiter.leave_alone();
        }
    }

    /// Answers all lookups, and returns the answer of the leader's own key.
    fn answer(mut self, found: Result<Vec<S::Row>>, own: &S::Key) -> Result<Option<S::Row>> {
        let mut waiters = std::mem::take(&mut self.waiters);
        let mut rows = match found {
            Ok(rows) => rows,
            Err(error) => {
                let error = Arc::new(error);
                for waiter in waiters {
                    waiter.answer(Err(StoreError::shared(&error)));
                }
                return Err(StoreError::shared(&error));
            }
        };
        // Both are sorted by key, so that one pass joins them.
        waiters.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        rows.sort_unstable_by(|one, other| S::key(one).cmp(S::key(other)));
        let mut waiters = waiters.into_iter().peekable();
        let mut own_row = None;
        for row in rows {
            while let Some(waiter) = waiters.next_if(|waiter| waiter.key < *S::key(&row)) {
                waiter.answer(Ok(None));
            }
            let is_own = S::key(&row) == own;
            // The last one gets the row itself.
            let mut last: Option<Waiter<S>> = None;
            while let Some(waiter) = waiters.next_if(|waiter| waiter.key == *S::key(&row)) {
                if let Some(earlier) = last.replace(waiter) {
                    earlier.answer(Ok(Some(row.clone())));
                }
            }
            match last {
                Some(last) => {
                    if is_own {
                        own_row = Some(row.clone());
                    }
                    last.answer(Ok(Some(row)));
                }
                None if is_own => own_row = Some(row),
                None => {}
            }
        }
        for waiter in waiters {
            waiter.answer(Ok(None));
        }
        Ok(own_row)
    }
}

/// If the leader is dropped with its batch unanswered, the lookups of the batch return to the front of
/// the queue.
impl<S: Source> Drop for Batch<S> {
    fn drop(&mut self) {
        self.queue.put_back(&mut self.waiters);
    }
}

#[cfg(test)]
mod tests;
