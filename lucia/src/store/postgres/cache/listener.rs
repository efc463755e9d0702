//! The listener: receives notifications of changes, and removes the entries that they concern.

use std::mem::discriminant;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client, Notification};

use super::super::Parts;
use super::super::error::{Failure, within};
use super::changes::{Change, Digest};
use super::settings::{Connect, Messages};
use super::triggers::{self, Watched};
use super::{Shared, read_digest};
use crate::measure;

/// How many heartbeats there are within the time for which one is good.
const HEARTBEATS: u32 = 4;

/// How long to wait before the next try to listen, at first and at the most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// How long triggers may be missing before that is an error in the log: a store is made before it
/// migrates.
const GRACE: Duration = Duration::from_secs(3);

/// The payload of the first notification. A heartbeat carries its time and the version of the tables,
/// or what is wrong with them.
const OPENING: &str = "opening";

/// Listens for as long as there is a store, and begins anew when that ends.
pub(super) async fn run(parts: Weak<Parts>, shared: Arc<Shared>, connect: Arc<Connect>) {
    // The end of this task, by whatever reason, stops the cache: also the end of its runtime.
    let _stops = StopOnDrop(&shared);
    let started = Instant::now();
    let mut pause = PAUSES[0];
    let mut logged = None;
    loop {
        let Err(end) = listen(&parts, &shared, &*connect).await else {
            return;
        };
        let was_open = shared.stop();
        if was_open {
            measure::cache_was_interrupted();
            pause = PAUSES[0];
            logged = None;
        }
        let is_new = !matches!(end, End::Missing) || was_open || started.elapsed() >= GRACE;
        if is_new && logged.replace(discriminant(&end)) != Some(discriminant(&end)) {
            match end {
                End::Connection(_) | End::Closed | End::Silent => {
                    tracing::warn!(reason = %end, "the cache of lookups does not answer any more");
                }
                End::Unheard | End::Missing | End::Inherited => {
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

/// Why it listens no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error(transparent)]
    Connection(#[from] Failure),
    #[error("the connection of its listener was closed")]
    Closed,
    /// A heartbeat has not come back in time.
    #[error("no heartbeat was received for `max_silence`")]
    Silent,
    /// What other connections send does not arrive.
    #[error(
        "its listener does not receive what other connections send: it needs a connection of its own to \
         the same database, and not by a pooler such as PgBouncer in transaction mode; see \
         `CacheOptions::listener`"
    )]
    Unheard,
    /// A trigger is missing, or a table is another one now.
    #[error(
        "the triggers that tell of changes are missing or switched off, or a table was replaced: run \
         `store.migrate(..)`, or `migrations/postgres/cache.sql` by your migration tool"
    )]
    Missing,
    /// A table has partitions, a parent or children.
    #[error("{}", triggers::WHY_INHERITED)]
    Inherited,
}

impl From<tokio_postgres::Error> for End {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Connection(error.into())
    }
}

/// Listens until it cannot any more. `Ok` when the store is gone.
async fn listen(parts: &Weak<Parts>, shared: &Shared, connect: &Connect) -> Result<(), End> {
    let Some(timeout) = parts.upgrade().map(|parts| parts.timeout) else {
        return Ok(());
    };
    let (client, mut messages) = within(timeout, connect()).await?;
    let channel = Channel::new()?;
    // The client gets its answers while the connection is asked for notifications: what arrived
    // before an answer has been dealt with before it, too.
    tokio::select! {
        biased;
        end = receive(shared, &mut messages, &channel) => Err(end),
        done = beat(parts, shared, &client, &channel) => done,
    }
}

/// The listener's own channel, for what it says to itself.
struct Channel {
    name: String,
    opening: Notify,
}

impl Channel {
    fn new() -> Result<Self, End> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Failure::Driver(error.to_string()))?;
        Ok(Self {
            name: format!("lucia_{:032x}", u128::from_ne_bytes(random)),
            opening: Notify::new(),
        })
    }
}

/// Handles notifications in the order in which their transactions were committed.
async fn receive(shared: &Shared, messages: &mut Messages, channel: &Channel) -> End {
    let mut known = None;
    loop {
        let notification = match messages.next().await {
            Some(Ok(AsyncMessage::Notification(notification))) => notification,
            Some(Ok(_)) => continue,
            Some(Err(error)) => return error.into(),
            None => return End::Closed,
        };
        if notification.channel() != channel.name {
            changed(shared, &notification);
            continue;
        }
        let payload = notification.payload();
        let (word, version) = payload.split_once(' ').unwrap_or((payload, ""));
        match word {
            OPENING => channel.opening.notify_one(),
            triggers::MISSING => return End::Missing,
            triggers::INHERITED => return End::Inherited,
            sent => {
                let Ok(sent) = sent.parse() else {
                    return End::Unheard;
                };
                // Before the heartbeat counts. There are no entries before the first one.
                if known.as_deref().is_some_and(|known| known != version) {
                    shared.entries.remove(Change::Everything);
                }
                known = Some(version.to_owned());
                if !shared.heartbeat(sent) {
                    return End::Silent;
                }
            }
        }
    }
}

/// Removes what a trigger has told of.
fn changed(shared: &Shared, notification: &Notification) {
    let payload = notification.payload();
    let kind: Option<fn(Digest) -> Change> = match payload.as_bytes().first() {
        Some(b's') => Some(Change::Session),
        Some(b'u') => Some(Change::User),
        _ => None,
    };
    let digests = payload.get(1..).unwrap_or_default().split(',');
    let changes = kind.and_then(|kind| {
        let changes = digests.map(|digest| read_digest(digest).map(kind));
        changes.collect::<Option<Vec<_>>>()
    });
    // Without them it is about all, or it is not understood.
    for change in changes.unwrap_or_else(|| vec![Change::Everything]) {
        shared.counts.invalidations.add(1);
        shared.entries.remove(change);
    }
}

/// Subscribes to changes, and then sends heartbeats. `Ok` when the store is gone.
async fn beat(
    parts: &Weak<Parts>,
    shared: &Shared,
    client: &Client,
    channel: &Channel,
) -> Result<(), End> {
    let limit = shared.freshness.limit;
    let execute = async |sql: String| {
        let done = tokio::time::timeout(limit, client.batch_execute(&sql)).await;
        done.map_err(|_| End::Silent)?.map_err(End::from)
    };
    execute(format!("LISTEN \"{}\"", channel.name)).await?;
    let Some(store) = parts.upgrade() else {
        return Ok(());
    };
    // By a connection of the pool: this connection receives its own notifications even where it
    // receives no others.
    let watched = triggers::say(&store, &channel.name, OPENING, None).await?;
    drop(store);
    if tokio::time::timeout(limit, channel.opening.notified())
        .await
        .is_err()
    {
        return Err(End::Unheard);
    }
    let Watched { sessions, users } = watched;
    execute(format!(
        "LISTEN \"lucia_{sessions}\"; LISTEN \"lucia_{users}\""
    ))
    .await?;
    let begin = Instant::now();
    loop {
        let now = shared.freshness.time(Instant::now()).to_string();
        let Some(store) = parts.upgrade() else {
            return Ok(());
        };
        // By the pool again: a listener that is connected to a server that the pool has left receives
        // none of these. Only the pool's own time-out bounds this, and closes a connection that does not
        // answer. The cache has stopped answering long before.
        triggers::say(&store, &channel.name, &now, Some(watched)).await?;
        drop(store);
        // The heartbeat arrives by another connection than the answer, and may be later.
        tokio::time::sleep(limit / HEARTBEATS).await;
        let now = Instant::now();
        let may_be_the_first = now.saturating_duration_since(begin) < limit;
        if !may_be_the_first && !shared.freshness.is_fresh(now) {
            return Err(End::Silent);
        }
    }
}

/// Stops the cache when it is dropped.
struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
