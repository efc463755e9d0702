//! Which connection of the pool a statement goes over.
//!
//! A connection is worked by the runtime that it was made on, and web servers such as actix-web have
//! a runtime for each thread: a statement over a connection of another one goes to its thread and
//! back. So a statement takes a connection of its own thread where the pool has one at hand.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use deadpool_postgres::{Metrics, Object, Pool, PoolError, StatementCache, Timeouts};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use super::error::Failure;
use super::pooler::Routes;

/// How many distant connections are given back at the most for one that is near.
const DISTANT: usize = 3;

thread_local! {
    /// The connections that were made on this thread, each known by its cache of statements.
    static MADE_HERE: RefCell<Vec<Weak<StatementCache>>> = const { RefCell::new(Vec::new()) };
}

/// How often all connections may be given away at the most, in microseconds. Where all servers are
/// read-only, as during maintenance, new ones do not help.
const PAUSE: u64 = 1_000_000;

/// How long a write over a connection that is lost may still take. It may have been under way when its server
/// became read-only.
const GRACE: Duration = Duration::from_millis(500);

/// Which connections of a pool may lead to a server that takes writes.
///
/// After a failover, those from before lead to a server that is read-only, if they live on: to an old
/// primary, or to a standby. The first that is found out gives all away that were made before that
/// moment, since each of them would cost one more request, and lookups over them would go on to be
/// answered by data that is not written any more.
#[derive(Debug)]
pub(super) struct WriteAccess {
    begin: Instant,
    /// Connections from before are lost. In microseconds since `begin`.
    lost_before: AtomicU64,
    /// How many younger ones may go, too. Those that were just being made at that moment may lead to the
    /// old server as well.
    allowance: AtomicUsize,
    /// Tells the writes that are under way when connections are lost.
    losing: Notify,
}

impl WriteAccess {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            lost_before: AtomicU64::new(0),
            allowance: AtomicUsize::new(0),
            losing: Notify::new(),
        }
    }

    /// Whether the connection is not to be used any more.
    pub(super) fn is_lost(&self, connection: &Object) -> bool {
        let lost_before = self.lost_before.load(Ordering::Relaxed);
        self.is_too_old(Object::metrics(connection), lost_before)
    }

    /// Notes that a connection is read-only. Returns whether it is to be closed, and another one is worth
    /// a try.
    pub(super) fn lose(&self, pool: &Pool, connection: &Object) -> bool {
        let lost_before = self.lost_before.load(Ordering::Relaxed);
        if self.is_too_old(Object::metrics(connection), lost_before) {
            return true;
        }
        // One that is made in this microsecond is lost, too.
        let now = self.micros(Instant::now()) + 1;
        if lost_before > 0 && now < lost_before.saturating_add(PAUSE) {
            let less = |left: usize| left.checked_sub(1);
            let allowance = &self.allowance;
            let used = allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            return used.is_ok();
        }
        let most = pool.status().max_size;
        self.allowance.store(most, Ordering::Relaxed);
        self.lost_before.fetch_max(now, Ordering::Relaxed);
        self.losing.notify_waiters();
        // Those that are in use go when they are used next.
        drop(pool.retain(|_, metrics| !self.is_too_old(&metrics, now)));
        true
    }

    /// The answer of a write over a connection, unless that is lost and the answer does not come soon.
    ///
    /// A primary that lives on after its standby was promoted waits for that standby before it acknowledges
    /// a commit, and no one tells it that this is in vain.
    pub(super) async fn unless_lost<T>(
        &self,
        connection: &Object,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let lost = async {
            loop {
                let mut losing = pin!(self.losing.notified());
                losing.as_mut().enable();
                if self.is_lost(connection) {
                    return tokio::time::sleep(GRACE).await;
                }
                losing.await;
            }
        };
        match select(pin!(answer), pin!(lost)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                let text = "the server has become read-only, and does not say what it wrote";
                Err(Failure::Connection(text.to_owned()))
            }
        }
    }

    fn is_too_old(&self, metrics: &Metrics, lost_before: u64) -> bool {
        self.micros(metrics.created) < lost_before
    }

    fn micros(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.begin);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// A connection of the pool: a near one, if that takes no waiting.
pub(super) async fn take_near(
    pool: &Pool,
    access: &WriteAccess,
    routes: &Routes,
) -> Result<Object, PoolError> {
    let (connection, was_at_hand) = loop {
        let (connection, was_at_hand) = take(pool).await?;
        if !access.is_lost(&connection) {
            break (connection, was_at_hand);
        }
        drop(Object::take(connection));
    };
    if !was_at_hand || !has_near() || is_near(&connection) {
        return Ok(connection);
    }
    let (connection, distant) = swap_for_near(pool, access, connection).await;
    // They go back at the end: one that went back at once could be the next one.
    for unused in distant {
        routes.note_unused(&unused);
    }
    Ok(connection)
}

/// A connection of the pool, and whether it was at hand. If not, it was made just now, or had to be
/// given back first, or the pool has asked the server.
async fn take(pool: &Pool) -> Result<(Object, bool), PoolError> {
    let mut getting = pin!(pool.get());
    let (connection, was_at_hand) = match getting.as_mut().now_or_never() {
        Some(connection) => (connection?, true),
        None => (getting.await?, false),
    };
    note(&connection);
    Ok((connection, was_at_hand))
}

/// A near one of the connections that are at hand, or else one of them, and those that are not used.
async fn swap_for_near(
    pool: &Pool,
    access: &WriteAccess,
    mut connection: Object,
) -> (Object, Vec<Object>) {
    let at_once = Timeouts {
        wait: Some(Duration::ZERO),
        create: Some(Duration::ZERO),
        ..pool.timeouts()
    };
    let mut distant = Vec::new();
    while !is_near(&connection) && distant.len() < DISTANT && pool.status().available > 0 {
        let Ok(another) = pool.timeout_get(&at_once).await else {
            break;
        };
        note(&another);
        if access.is_lost(&another) {
            drop(Object::take(another));
            continue;
        }
        distant.push(std::mem::replace(&mut connection, another));
    }
    (connection, distant)
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
