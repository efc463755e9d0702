//! Which connection of the pool a statement goes over.
//!
//! A connection is worked by the runtime that it was made on, and web servers such as actix-web have
//! a runtime for each thread: a statement over a connection of another one goes to its thread and
//! back. So a statement takes a connection of its own thread where the pool has one at hand.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError, StatementCache, Timeouts};
use tokio::runtime::{Handle, RuntimeFlavor};

/// How many distant connections are given back at the most for one that is near.
const DISTANT: usize = 3;

thread_local! {
    /// The connections that were made on this thread, each known by its cache of statements.
    static MADE_HERE: RefCell<Vec<Weak<StatementCache>>> = const { RefCell::new(Vec::new()) };
}

/// A connection of the pool: a near one, if that takes no waiting.
pub(super) async fn take_near(pool: &Pool) -> Result<Object, PoolError> {
    let (connection, was_at_hand) = take(pool).await?;
    if !was_at_hand || !has_near() || is_near(&connection) {
        return Ok(connection);
    }
    Ok(swap_for_near(pool, connection).await)
}

/// A connection of the pool, and whether it was at hand. If not, it was made just now, or somebody
/// had to give it back, or the pool has asked the server.
async fn take(pool: &Pool) -> Result<(Object, bool), PoolError> {
    let mut getting = pin!(pool.get());
    let at_once = poll_fn(|context| Poll::Ready(getting.as_mut().poll(context))).await;
    let (connection, was_at_hand) = match at_once {
        Poll::Ready(connection) => (connection?, true),
        Poll::Pending => (getting.await?, false),
    };
    note(&connection);
    Ok((connection, was_at_hand))
}

/// A near one of the connections that are at hand, or else one of them.
async fn swap_for_near(pool: &Pool, mut connection: Object) -> Object {
    let at_once = Timeouts {
        wait: Some(Duration::ZERO),
        create: Some(Duration::ZERO),
        ..pool.timeouts()
    };
    // They are given back at the end: one that went back at once could be the next one.
    let mut distant = Vec::new();
    while !is_near(&connection) && distant.len() < DISTANT && pool.status().available > 0 {
        let Ok(another) = pool.timeout_get(&at_once).await else {
            break;
        };
        note(&another);
        distant.push(std::mem::replace(&mut connection, another));
    }
    connection
}

/// Whether there is a near connection at all.
fn has_near() -> bool {
    MADE_HERE.with_borrow(|made| made.iter().any(|made| made.strong_count() > 0))
}

/// Remembers that a connection was made here, if it was: the pool has just given it for the first
/// time.
fn note(connection: &Object) {
    if Object::metrics(connection).recycle_count > 0 {
        return;
    }
    MADE_HERE.with_borrow_mut(|made| {
        made.retain(|cache| cache.strong_count() > 0);
        made.push(Arc::downgrade(&connection.statement_cache));
    });
}

/// Whether the runtime of this thread works the connection.
pub(super) fn is_near(connection: &Object) -> bool {
    let is_shared = |runtime: Handle| runtime.runtime_flavor() != RuntimeFlavor::CurrentThread;
    if Handle::try_current().is_ok_and(is_shared) {
        // Any of its threads may have made it.
        return true;
    }
    let cache = Arc::as_ptr(&connection.statement_cache);
    MADE_HERE.with_borrow(|made| made.iter().any(|made| made.as_ptr() == cache))
}
