//! The [cache](crate::store::cache) of this store, and how it learns of changes. With sessions in another store,
//! it keeps users alone.
//!
//! **How long an old answer can be given.** By this store, a revocation is seen by every lookup
//! that is called after it has returned. By another, or by hand, it is seen when the
//! notification has arrived, which takes milliseconds, or after the
//! [`max_silence`](crate::CacheOptions::max_silence) at the latest. Without notifications, it is polled for
//! ([`poller`] says what takes the place of steps 2 and 3):
//!
//! 1. Triggers notify ([`triggers`]), so whatever program changes a row tells of it, and does so by
//!    the transaction that changes it.
//! 2. Postgres delivers notifications in the order in which their transactions were committed, and
//!    a connection hands them on in that order. The listener deals with each before it looks at
//!    the next ([`listener`]).
//! 3. Heartbeats are sent by a connection of the pool, as the lookups are, and come by the
//!    listener's. One that comes was committed after it had been sent, so everything that was
//!    committed at that server before it was sent has come, and has been dealt with. A listener
//!    that is still connected to another server, such as an old primary, receives none.
//! 4. No trigger tells of an `ALTER TABLE`, which may change all rows. So a heartbeat says which version
//!    of the tables its statement has seen, which is that of its sending or a newer one. Where it is
//!    another one than the last heartbeat has said, all entries go before the heartbeat counts, and
//!    no lookup that was sent before becomes one. A lookup that is sent after sees the new version,
//!    too.
//! 5. So the cache may answer until a heartbeat's *sending* is as long ago as `max_silence`
//!    allows. A listener that gets no time, a network that swallows everything and a server that stands
//!    still have the same end.
//!
//! While the pool has connections to two servers, a heartbeat by the one says nothing of a lookup
//! by the other. A heartbeat or lookup that finds a server read-only ends the connections to it
//! ([`WriteAccess`](super::connections::WriteAccess)). Two servers that both take writes go unnoticed.
//!
//! When the listener loses its connection, or the poller what it has polled so far, all entries are
//! removed. The cache answers again after the listener has subscribed anew and received a
//! heartbeat, or a first poll was answered. What was committed in between is in every statement that is
//! sent then.
//!
//! Postgres takes the snapshot of a statement when it arrives, so a lookup sees every change that was received
//! before it was sent.
//!
//! **Whether the listener receives notifications.** A pooler in transaction mode passes on only the
//! notifications that arrive during a transaction, and so those that a connection sends to itself. So
//! the listener sends none: its first notification comes from the pool, by another connection, while
//! its own is idle, and so do the heartbeats.

mod end;
mod listener;
mod poller;
mod triggers;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Socket};

use super::Parts;
use super::migrate::Migrating;
use crate::Error;
use crate::store::cache::{self, CacheOptions, Change, ChangeFeed, read_digest};
use crate::store::{Result, UserRow};
use end::End;
use triggers::Triggers;

/// The cache of a store, if it has one.
pub(super) type Cache = cache::Cache<TableChanges>;

pub(super) type PendingChange<'a> = cache::PendingChange<'a, UserRow>;

type Shared = cache::Shared<UserRow>;

/// The shortest [`cache_poll_interval`](super::PgStoreBuilder::cache_poll_interval).
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Changes of the tables, by whatever program.
#[derive(Clone)]
pub(super) enum TableChanges {
    /// By notifications, over a connection that is made like this.
    Listen(Arc<Connect>),
    /// From a table that is polled this often.
    Poll(Duration),
}

/// A way to connect.
type Connect = dyn Fn() -> Connecting + Send + Sync;

type Connecting = BoxFuture<'static, Result<(Client, Messages), tokio_postgres::Error>>;

/// What comes from the server, notifications included, which a pool keeps to itself. The client of this
/// connection gets its answers while this is polled.
type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

impl ChangeFeed for TableChanges {
    const STORE: &'static str = super::health::NAME;

    type Parts = Parts;
    type User = UserRow;
    type End = End;

    async fn follow(&self, parts: &Weak<Parts>, shared: &Arc<Shared>) -> Result<(), End> {
        match self {
            Self::Listen(connect) => listener::listen(parts, shared, &**connect).await,
            Self::Poll(interval) => poller::poll(parts, shared, *interval).await,
        }
    }
}

impl TableChanges {
    /// Over a connection by this configuration.
    pub(super) fn listen<T>(config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self::Listen(Arc::new(move || {
            let (config, tls) = (config.clone(), tls.clone());
            Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let messages = stream::poll_fn(move |context| connection.poll_message(context));
                Ok((client, messages.boxed()))
            })
        }))
    }

    /// The setting that chose it.
    pub(super) fn setting(&self) -> &'static str {
        match self {
            Self::Listen(_) => "cache_listener",
            Self::Poll(_) => "cache_poll_interval",
        }
    }

    pub(super) fn check(&self, options: &CacheOptions) -> crate::Result<()> {
        let reason = match self {
            Self::Poll(interval) if *interval < SHORTEST_INTERVAL => {
                "below 10 ms, the database would do little else"
            }
            Self::Poll(interval) if *interval > options.max_silence / 2 => {
                "above half of `max_silence`, an ordinary delay would switch the cache off"
            }
            _ => return Ok(()),
        };
        Err(Error::setting(self.setting(), reason))
    }

    /// What tells it of changes.
    fn triggers(&self) -> &'static Triggers {
        match self {
            Self::Listen(_) => &triggers::NOTIFYING,
            Self::Poll(_) => &triggers::RECORDING,
        }
    }
}

impl fmt::Debug for TableChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What connects holds a password.
            Self::Listen(_) => f.write_str("Listen"),
            Self::Poll(interval) => f.debug_tuple("Poll").field(interval).finish(),
        }
    }
}

/// Makes the triggers that it needs.
pub(super) async fn migrate(cache: &Cache, migrating: &Migrating<'_>) -> Result<()> {
    match cache.feed() {
        Some(feed) => feed.triggers().migrate(migrating).await,
        None => Ok(()),
    }
}

/// Checks that the triggers are there.
pub(super) async fn check(cache: &Cache, parts: &Parts) -> Result<()> {
    match cache.feed() {
        Some(feed) => feed.triggers().check(parts).await,
        None => Ok(()),
    }
}

/// Removes what a trigger has told of.
fn changed(shared: &Shared, told: &str) {
    let kind: Option<fn(cache::Digest) -> Change> = match told.as_bytes().first() {
        Some(b's') => Some(Change::Session),
        Some(b'u') => Some(Change::User),
        _ => None,
    };
    let digests = told.get(1..).unwrap_or_default().split(',');
    let changes = kind.and_then(|kind| {
        let changes = digests.map(|digest| read_digest(digest).map(kind));
        changes.collect::<Option<Vec<_>>>()
    });
    // Without them it is about all, or it is not understood.
    for change in changes.unwrap_or_else(|| vec![Change::Everything]) {
        shared.changed(change);
    }
}

/// The version of the tables that a feed has seen last.
#[derive(Default)]
struct Version(Option<String>);

impl Version {
    /// Takes note of a version, before the heartbeat that tells it counts. Another one than before removes
    /// all entries. There are none before the first one.
    fn is(&mut self, version: String, shared: &Shared) {
        if self.0.as_ref().is_some_and(|known| *known != version) {
            shared.forget();
        }
        self.0 = Some(version);
    }
}
