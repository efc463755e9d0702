//! Why the cache learns of changes no more.

use super::super::error::Failure;
use super::triggers::{self, Triggers};
use crate::store::cache::Ending;

/// Why a feed hands no changes on any more.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum End {
    #[error(transparent)]
    Connection(#[from] Failure),
    #[error("the connection of its listener was closed")]
    Closed,
    /// A heartbeat has not come back in time, or no poll.
    #[error("there was no sign of life from the database for `max_silence`")]
    Silent,
    /// What other connections send does not arrive.
    #[error(
        "its listener does not receive what other connections send: it needs a separate connection to \
         the same database, and not by a pooler such as PgBouncer in transaction mode: see \
         `PgStoreBuilder::cache_listener`, or poll for changes by `cache_poll_interval`"
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

impl Ending for End {
    fn is_lasting(&self) -> bool {
        matches!(self, Self::Unheard | Self::Missing(_) | Self::Inherited)
    }

    fn may_be_mended(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

impl From<tokio_postgres::Error> for End {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Connection(error.into())
    }
}
