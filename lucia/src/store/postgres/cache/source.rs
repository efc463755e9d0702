//! Where a cache learns of changes: how it starts, ends, and begins anew, whatever the source is.

use std::fmt;
use std::mem::discriminant;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::super::Parts;
use super::super::error::Failure;
use super::settings::Connect;
use super::triggers::{self, Triggers};
use super::{Shared, listener, poller};
use crate::measure;

/// How long to wait before the next try, at first and at the most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// How long triggers may be missing before that is an error in the log: a store is made before it
/// migrates.
const GRACE: Duration = Duration::from_secs(3);

/// How changes arrive.
///
/// A source hands each change to [`Shared::changed`], and times to [`Shared::heartbeat`]: all changes that
/// were committed before such a time have been handed on. It returns when it cannot promise that any more.
#[derive(Clone)]
pub(super) enum Source {
    /// By notifications, over a connection that is made like this.
    Listen(Arc<Connect>),
    /// From a table that is polled this often.
    Poll(Duration),
}

impl Source {
    /// What tells it of changes.
    pub(super) fn triggers(&self) -> &'static Triggers {
        match self {
            Self::Listen(_) => &triggers::NOTIFYING,
            Self::Poll(_) => &triggers::RECORDING,
        }
    }

    /// Hands changes on until it cannot any more. `Ok` when the store is gone.
    async fn follow(&self, parts: &Weak<Parts>, shared: &Shared) -> Result<(), End> {
        match self {
            Self::Listen(connect) => listener::listen(parts, shared, &**connect).await,
            Self::Poll(interval) => poller::poll(parts, shared, *interval).await,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What connects holds a password.
            Self::Listen(_) => f.write_str("Listen"),
            Self::Poll(interval) => f.debug_tuple("Poll").field(interval).finish(),
        }
    }
}

/// Hands changes on for as long as there is a store, and begins anew when that ends.
pub(super) async fn run(parts: Weak<Parts>, shared: Arc<Shared>, source: Source) {
    // The end of this task, by whatever reason, stops the cache: also the end of its runtime.
    let _stops = StopOnDrop(&shared);
    let started = Instant::now();
    let mut pause = PAUSES[0];
    let mut logged = None;
    loop {
        let Err(end) = source.follow(&parts, &shared).await else {
            return;
        };
        let was_open = shared.stop();
        if was_open {
            measure::cache_was_interrupted();
            pause = PAUSES[0];
            logged = None;
        }
        let is_new = !matches!(end, End::Missing(_)) || was_open || started.elapsed() >= GRACE;
        if is_new && logged.replace(discriminant(&end)) != Some(discriminant(&end)) {
            match end {
                End::Connection(_) | End::Closed | End::Silent | End::Another => {
                    tracing::warn!(reason = %end, "the cache of lookups does not answer any more");
                }
                End::Unheard | End::Missing(_) | End::Inherited => {
                    tracing::error!(reason = %end, "the cache of lookups does not answer");
                }
            }
        } else {
            tracing::debug!(reason = %end, "the cache of lookups does not answer yet");
        }
        // A migration that has just been made ends the wait.
        let _ = tokio::time::timeout(pause, shared.wake.notified()).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Why a source hands no changes on any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error(transparent)]
    Connection(#[from] Failure),
    #[error("the connection of its listener was closed")]
    Closed,
    /// A heartbeat has not come back in time, or no poll.
    #[error("there was no sign of life from the database for `max_silence`")]
    Silent,
    /// What other connections send does not arrive.
    #[error(
        "its listener does not receive what other connections send: it needs a connection of its own to \
         the same database, and not by a pooler such as PgBouncer in transaction mode: see \
         `CacheOptions::listener`, or poll for changes by `CacheOptions::poll_interval`"
    )]
    Unheard,
    /// A trigger is missing, or a table is another one now.
    #[error(
        "the triggers that tell of changes are missing or switched off, or a table was replaced: {}",
        .0.remedy()
    )]
    Missing(&'static Triggers),
    /// A table has partitions, a parent or children.
    #[error("{}", triggers::WHY_INHERITED)]
    Inherited,
    /// What was polled before may not be what this database has been since.
    #[error(
        "changes may have been lost: the server has crashed or is another one, as after a failover, or the \
         table `lucia_change` was emptied"
    )]
    Another,
}

impl From<tokio_postgres::Error> for End {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Connection(error.into())
    }
}

/// Stops the cache when it is dropped.
struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
