//! The settings of a cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Socket};

use crate::{Error, Result};

/// How changes arrive from Postgres. From Redis, they arrive in one way only.
#[derive(Clone)]
pub(in super::super) enum HowChangesArrive {
    /// By notifications, over a connection that is made like this.
    Listen(Arc<Connect>),
    /// From a table that is polled this often.
    Poll(Duration),
}

/// A way to connect.
pub(in super::super) type Connect = dyn Fn() -> Connecting + Send + Sync;

type Connecting = BoxFuture<'static, Result<(Client, Messages), tokio_postgres::Error>>;

/// What comes from the server, notifications included, which a pool keeps to itself. The client of this
/// connection gets its answers while this is polled.
pub(in super::super) type Messages =
    BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

/// The shortest and the longest [`max_silence`](CacheOptions::max_silence).
const SILENCES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// The shortest [`poll_interval`](CacheOptions::poll_interval).
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The cache of a [`PgStore`](crate::PgStore), switched on by
/// [`PgStoreBuilder::cache`](crate::PgStoreBuilder::cache), or of a `RedisStore`, switched on by
/// `RedisStoreBuilder::cache`.
///
/// ```no_run
/// # async fn f() -> lucia::Result<()> {
/// use lucia::{CacheOptions, PgStore};
///
/// let store = PgStore::builder()
///     .cache(CacheOptions::new().entries(50_000))
///     .connect("postgres://app@localhost/app")
///     .await?;
/// store.migrate(&[]).await?; // makes the triggers that tell the cache what changes
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options take effect by `builder.cache(options)`"]
pub struct CacheOptions {
    pub(super) entries: usize,
    pub(super) max_age: Duration,
    pub(super) max_silence: Duration,
    source: Option<HowChangesArrive>,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            entries: 10_000,
            max_age: Duration::from_secs(60),
            max_silence: SILENCES[1],
            source: None,
        }
    }
}

impl CacheOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many sessions are kept at most, and as many users; 10,000 by default. It bounds their
    /// number and not their size: a user's row takes what its columns take, so fetch no large ones
    /// ([`fetched_user_columns`](crate::PgStoreBuilder::fetched_user_columns)), or keep fewer entries.
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// How long an entry is kept at most; 60 seconds by default. It bounds changes without a
    /// notification: changes by those who switch triggers off, such as logical replication, and of
    /// composite types and functions that columns are made of.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// How long the cache may answer without a sign of life from the database, which is a heartbeat or a
    /// poll: 1 second by default and at most, 100 ms at least. Heartbeats are sent four times as
    /// often. This is how long a revocation by another process can go unseen when the network fails.
    pub fn max_silence(mut self, max_silence: Duration) -> Self {
        self.max_silence = max_silence;
        self
    }

    /// How the listener of a `PgStore` connects, which needs a separate connection to the same database.
    /// [`connect`](crate::PgStoreBuilder::connect) knows by itself; a pool that is handed to
    /// [`build`](crate::PgStoreBuilder::build) does not tell.
    ///
    /// It must not be by a pooler that lends a connection for each transaction, such as PgBouncer
    /// in transaction mode, where `LISTEN` does not work. The cache notices, says so in the log,
    /// and does not answer. Where there is no other way to the database, use
    /// [`poll_interval`](Self::poll_interval) in place of this.
    pub fn listener<T>(mut self, config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        self.source = Some(HowChangesArrive::Listen(Arc::new(move || {
            let (config, tls) = (config.clone(), tls.clone());
            Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let messages = stream::poll_fn(move |context| connection.poll_message(context));
                Ok((client, messages.boxed()))
            })
        })));
        self
    }

    /// Polls a table of Postgres for changes at this interval, such as 250 ms, in place of `LISTEN`: for a database that
    /// is reached only by a pooler in transaction mode, or by a proxy that passes no notifications on. The
    /// polls go by the pool, so the cache takes no connection besides. A change by another process is seen
    /// after at most one interval, and within the [`max_silence`](Self::max_silence) whatever fails. The
    /// interval is at least 10 ms, and at most half of `max_silence`.
    ///
    /// [`migrate`](crate::PgStore::migrate) makes the table `lucia_change` and its triggers from
    /// `migrations/postgres/cache_by_polling.sql`. Of this and [`listener`](Self::listener), the last call
    /// counts.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.source = Some(HowChangesArrive::Poll(interval));
        self
    }

    /// How changes arrive, if that is known.
    pub(in super::super) fn how_changes_arrive(&self) -> Option<&HowChangesArrive> {
        self.source.as_ref()
    }

    pub(in super::super) fn check(&self) -> Result<()> {
        let [shortest, longest] = SILENCES;
        if self.entries == 0 {
            return Err(Error::setting("cache.entries", "it would keep nothing"));
        }
        if self.max_age.is_zero() {
            return Err(Error::setting("cache.max_age", "it would keep nothing"));
        }
        if self.max_silence > longest {
            let reason = "a revocation could go unseen for longer than a second";
            return Err(Error::setting("cache.max_silence", reason));
        }
        if self.max_silence < shortest {
            let reason = "below 100 ms, an ordinary delay would switch the cache off";
            return Err(Error::setting("cache.max_silence", reason));
        }
        if let Some(HowChangesArrive::Poll(interval)) = self.source {
            if interval < SHORTEST_INTERVAL {
                let reason = "below 10 ms, the database would do little else";
                return Err(Error::setting("cache.poll_interval", reason));
            }
            if interval > self.max_silence / 2 {
                let reason =
                    "above half of `max_silence`, an ordinary delay would switch the cache off";
                return Err(Error::setting("cache.poll_interval", reason));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for HowChangesArrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What connects holds a password.
            Self::Listen(_) => f.write_str("Listen"),
            Self::Poll(interval) => f.debug_tuple("Poll").field(interval).finish(),
        }
    }
}
