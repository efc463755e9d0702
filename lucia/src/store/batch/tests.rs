//! Batches over a source without a database.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use tokio::sync::Semaphore;

use super::{MAX_BATCH, Queues, Source, find};
use crate::store::{Result, StoreError};

/// A source that knows the numbers below 1,000, and answers when it is let.
pub(super) struct Numbers {
    queues: Queues<Self>,
    /// The keys of each statement.
    statements: Mutex<Vec<Vec<u32>>>,
    /// One permit for each statement that may be answered.
    answers: Semaphore,
    /// Fails every statement that asks for it.
    poisoned: Option<u32>,
    /// How many connections were taken.
    connections: AtomicUsize,
    may_keep: AtomicBool,
}

impl Numbers {
    fn new(poisoned: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            queues: Queues::new(1),
            statements: Mutex::default(),
            answers: Semaphore::new(0),
            poisoned,
            connections: AtomicUsize::new(0),
            may_keep: AtomicBool::new(true),
        })
    }

    fn take(&self, connection: &mut Option<()>) {
        connection.get_or_insert_with(|| {
            self.connections.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// How many connections these lookups take. The first one goes out alone, and the others wait for it.
    async fn connections_of(&self, keys: &[u32]) -> usize {
        let before = self.connections.load(Ordering::Relaxed);
        let mut lookups: Vec<_> = keys.iter().map(|key| Box::pin(find(self, key))).collect();
        for lookup in &mut lookups {
            assert!(poll!(lookup).is_pending());
        }
        self.answers.add_permits(100);
        join_all(lookups).await;
        self.answers.forget_permits(usize::MAX);
        self.connections.load(Ordering::Relaxed) - before
    }

    fn sizes(&self) -> Vec<usize> {
        let statements = self.statements.lock().unwrap();
        statements.iter().map(Vec::len).collect()
    }

    async fn ask(&self, keys: Vec<u32>) -> Result<Vec<u32>> {
        self.statements.lock().unwrap().push(keys.clone());
        self.answers.acquire().await.unwrap().forget();
        if self
            .poisoned
            .is_some_and(|poisoned| keys.contains(&poisoned))
        {
            return Err(StoreError::internal("a row cannot be read"));
        }
        // A database answers with each row once, in its own order.
        let known: BTreeSet<u32> = keys.into_iter().filter(|key| *key < 1000).collect();
        Ok(known.into_iter().rev().collect())
    }
}

impl Source for Numbers {
    type Key = u32;
    type Row = u32;
    type Connection = ();

    fn queues(&self) -> &Queues<Self> {
        &self.queues
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn key(row: &u32) -> &u32 {
        row
    }

    async fn find(&self, connection: &mut Option<()>, key: &u32) -> Result<Option<u32>> {
        self.take(connection);
        Ok(self.ask(vec![*key]).await?.pop())
    }

    async fn find_all(&self, connection: &mut Option<()>, keys: &[&u32]) -> Result<Vec<u32>> {
        self.take(connection);
        self.ask(keys.iter().map(|key| **key).collect()).await
    }

    fn may_keep(&self, (): &()) -> bool {
        self.may_keep.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn lookups_that_arrive_together_share_statements_and_each_gets_its_own_row() {
    let source = Numbers::new(None);
    source.answers.add_permits(Semaphore::MAX_PERMITS);
    // Some twice, some unknown.
    let keys: Vec<u32> = (0..300).map(|number| number * 7 % 150 + 900).collect();
    let found = join_all(keys.iter().map(|key| find(&*source, key))).await;
    for (key, found) in keys.iter().zip(found) {
        assert_eq!(found.unwrap(), (*key < 1000).then_some(*key));
    }
}

#[tokio::test]
async fn a_batch_goes_out_when_the_statement_before_it_has_its_answer() {
    let source = Numbers::new(None);
    let keys: Vec<u32> = (0..200).collect();
    let mut lookups: Vec<_> = keys
        .iter()
        .map(|key| Box::pin(find(&*source, key)))
        .collect();
    for lookup in &mut lookups {
        assert!(poll!(lookup).is_pending());
    }
    assert_eq!(source.sizes(), [1]);
    source.answers.add_permits(5);
    let found: Vec<_> = join_all(lookups)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found, keys.iter().copied().map(Some).collect::<Vec<_>>());
    let rest = 199 - 3 * MAX_BATCH;
    assert_eq!(
        source.sizes(),
        [1, MAX_BATCH, MAX_BATCH, MAX_BATCH, rest]
            .into_iter()
            .filter(|size| *size > 0)
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_fails_only_its_own_lookup() {
    let source = Numbers::new(Some(5));
    source.answers.add_permits(Semaphore::MAX_PERMITS);
    let keys: Vec<u32> = (0..20).collect();
    let found = join_all(keys.iter().map(|key| find(&*source, key))).await;
    for (key, found) in keys.iter().zip(found) {
        match found {
            Ok(found) => assert_eq!(found, Some(*key)),
            Err(error) => {
                assert_eq!(*key, 5);
                assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_leader_that_is_dropped_leaves_its_batch_to_a_successor() {
    let source = Numbers::new(None);
    let keys: Vec<u32> = (0..10).collect();
    let mut lookups: Vec<_> = keys
        .iter()
        .map(|key| Box::pin(find(&*source, key)))
        .collect();
    for lookup in &mut lookups {
        assert!(poll!(lookup).is_pending());
    }
    // The first one is in flight alone. The second one leads the others after it.
    source.answers.add_permits(1);
    assert_eq!(lookups.remove(0).await.unwrap(), Some(0));
    assert!(poll!(&mut lookups[0]).is_pending());
    assert_eq!(source.sizes(), [1, 9]);
    drop(lookups.remove(0));
    source.answers.add_permits(1);
    let found: Vec<_> = join_all(lookups)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found, (2..10).map(Some).collect::<Vec<_>>());
    assert_eq!(source.sizes(), [1, 9, 8]);
}

#[tokio::test]
async fn a_connection_stays_with_a_queue_while_it_is_busy() {
    let source = Numbers::new(None);
    let keys: Vec<u32> = (0..200).collect();
    assert_eq!(source.connections_of(&keys).await, 1);
    // It has returned to its pool.
    assert_eq!(source.connections_of(&[1]).await, 1);
}

#[tokio::test]
async fn a_connection_that_may_not_be_kept_is_used_once() {
    let source = Numbers::new(None);
    source.may_keep.store(false, Ordering::Relaxed);
    assert_eq!(source.connections_of(&[1, 2, 3]).await, 2);
}

#[tokio::test]
async fn a_connection_that_has_failed_is_used_once() {
    let source = Numbers::new(Some(5));
    // The first one fails alone, the others by another connection.
    assert_eq!(source.connections_of(&[5, 1, 2]).await, 2);
    // A batch that fails is asked again one by one.
    assert_eq!(source.connections_of(&[1, 5, 2]).await, 1 + 2);
}
