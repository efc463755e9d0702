//! The cache: what lookups gave, kept until it changes. With sessions in another store, it keeps users alone.
//!
//! **How long an old answer can be given.** By this store, a revocation is seen by every lookup
//! that is called after it has returned: the entry is removed before it returns, whether it
//! succeeds, fails or is dropped ([`PendingChange`]). By another, or by hand, it is seen when the
//! notification has arrived, which takes milliseconds, or after the
//! [`max_silence`](CacheOptions::max_silence) at the latest. Without notifications, it is polled for
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
//!    allows. Each use compares that with a monotonic clock ([`freshness`]): a listener that gets no
//!    time, a network that swallows everything and a server that stands still have the same end,
//!    and nothing has to notice. A machine that sleeps does not count its sleep.
//!
//! While the pool has connections to two servers, a heartbeat by the one says nothing of a lookup
//! by the other. A heartbeat or lookup that finds a server read-only ends the connections to it
//! ([`WriteAccess`](super::connections::WriteAccess)). Two servers that both take writes go unnoticed.
//!
//! When the listener loses its connection, or the poller what it has polled so far, all entries are
//! removed ([`source`]). The cache answers again after the listener has subscribed anew and received a
//! heartbeat, or a first poll was answered. What was committed in between is in every statement that is
//! sent then.
//!
//! **No answer from before a change becomes an entry after it.** A lookup that finds no entry reads
//! the number of changes received so far before its statement is sent. Its answer becomes
//! an entry only if no later change concerns its session or its user ([`changes`]).
//! An earlier change is in the answer: it was committed, and
//! Postgres takes the snapshot of a statement when it arrives. A later change is in the
//! list, or removes the entry. Both happen under one lock ([`entries`]).
//!
//! **Whether the listener receives notifications.** A pooler in transaction mode passes on only the
//! notifications that arrive during a transaction, and so those that a connection sends to itself. So
//! the listener sends none: its first notification comes from the pool, by another connection, while
//! its own is idle, and so do the heartbeats.

mod changes;
mod entries;
mod freshness;
mod listener;
mod poller;
mod settings;
mod source;
mod triggers;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Parts;
use super::migrate::Migrating;
#[cfg(feature = "metrics")]
use crate::measure;
use crate::measure::CacheCounts;
use crate::session::token::SessionId;
use crate::store::{NewSessionRow, Result, SessionRow, UserRow};
use crate::user::UserId;
use changes::{Change, Digest};
pub(super) use entries::Begun;
use entries::Entries;
use freshness::Freshness;
pub use settings::CacheOptions;
use source::Source;

/// The cache of a store, if it has one.
pub(super) struct Cache(Option<Active>);

struct Active {
    shared: Arc<Shared>,
    source: Source,
    /// What hands changes on, which ends with its runtime or with this.
    following: Mutex<Option<JoinHandle<()>>>,
}

/// What a source of changes shares with lookups.
struct Shared {
    entries: Entries,
    freshness: Freshness,
    /// Has the source try again at once.
    wake: Notify,
    counts: CacheCounts,
}

/// A change by this process that is in flight. When it is dropped, for whatever reason, the change may
/// have happened, and its entries are removed.
#[must_use = "the change ends when this is dropped: bind it to a name, and not to `_`"]
pub(super) struct PendingChange<'a>(Option<(&'a Shared, [Option<Change>; 2])>);

impl Cache {
    /// A cache of these options, if there are any, and if they say how changes arrive.
    pub(super) fn new(options: Option<CacheOptions>) -> Self {
        Self(options.and_then(|options| {
            let source = options.source?;
            Some(Active {
                shared: Arc::new(Shared {
                    entries: Entries::new(options.entries, options.max_age),
                    freshness: Freshness::new(options.max_silence, Instant::now()),
                    wake: Notify::new(),
                    counts: CacheCounts::default(),
                }),
                source,
                following: Mutex::new(None),
            })
        }))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Starts to follow changes if there is a runtime, and again if its runtime has ended.
    pub(super) fn start(&self, parts: &Arc<Parts>) {
        let Some(active) = &self.0 else { return };
        let following = active.following.lock();
        let mut following = following.unwrap_or_else(PoisonError::into_inner);
        let works = following.as_ref().is_some_and(|task| !task.is_finished());
        if !works && let Ok(runtime) = Handle::try_current() {
            let parts = Arc::downgrade(parts);
            let run = source::run(parts, active.shared.clone(), active.source.clone());
            *following = Some(runtime.spawn(run));
        }
    }

    pub(super) fn find(&self, id: &SessionId) -> Option<(SessionRow, UserRow)> {
        self.find_by(|entries, now| entries.find(&digest_of(id), now))
    }

    /// A user whose session is in another store.
    pub(super) fn find_user(&self, id: &UserId) -> Option<UserRow> {
        self.find_by(|entries, now| entries.find_user(&digest_of_user(id), now))
    }

    fn find_by<T>(&self, find: impl FnOnce(&Entries, Instant) -> Option<T>) -> Option<T> {
        let shared = self.shared()?;
        let now = Instant::now();
        let is_fresh = shared.freshness.is_fresh(now);
        let found = is_fresh.then(|| find(&shared.entries, now)).flatten();
        let counts = &shared.counts;
        match found {
            Some(_) => counts.hits.add(1),
            None => counts.misses.add(1),
        }
        found
    }

    /// To be called before a lookup is sent.
    pub(super) fn begin(&self, parts: &Arc<Parts>) -> Option<Begun> {
        let shared = self.shared()?;
        self.start(parts);
        shared.entries.begin(Instant::now())
    }

    /// Keeps what a lookup gave.
    pub(super) fn put(&self, begun: Option<Begun>, found: &(SessionRow, UserRow)) {
        if let (Some(shared), Some(begun)) = (self.shared(), begun) {
            let keys = (digest_of(&found.0.id), digest_of_user(&found.1.id));
            shared.entries.put(begun, keys, found);
        }
    }

    /// As [`put`](Self::put), for a user whose session is in another store.
    pub(super) fn put_user(&self, begun: Option<Begun>, user: &UserRow) {
        if let (Some(shared), Some(begun)) = (self.shared(), begun) {
            let key = digest_of_user(&user.id);
            shared.entries.put_user(begun, key, user);
        }
    }

    pub(super) fn session_changes(&self, id: &SessionId) -> PendingChange<'_> {
        self.pending(|| [Some(Change::Session(digest_of(id))), None])
    }

    /// A change of a user or of any of their sessions.
    pub(super) fn user_changes(&self, id: &UserId) -> PendingChange<'_> {
        self.pending(|| [Some(Change::User(digest_of_user(id))), None])
    }

    /// What the insertion of a session may end: sessions of its user under a limit, and the one that
    /// it replaces, which may be another user's.
    pub(super) fn insertion_changes(&self, new: &NewSessionRow) -> PendingChange<'_> {
        self.pending(|| {
            let excess = new
                .limit
                .map(|_| Change::User(digest_of_user(&new.user_id)));
            let replaced = new.replaces.as_ref();
            [excess, replaced.map(|id| Change::Session(digest_of(id)))]
        })
    }

    /// A change of anything.
    pub(super) fn all_changes(&self) -> PendingChange<'_> {
        self.pending(|| [Some(Change::Everything), None])
    }

    fn pending(&self, changes: impl FnOnce() -> [Option<Change>; 2]) -> PendingChange<'_> {
        PendingChange(self.shared().map(|shared| (shared, changes())))
    }

    pub(super) fn is_answering(&self) -> bool {
        self.shared()
            .is_some_and(|shared| shared.freshness.is_fresh(Instant::now()))
    }

    #[cfg(feature = "metrics")]
    pub(super) fn record_metrics(&self) {
        if let Some(shared) = self.shared() {
            measure::cache(self.is_answering(), shared.entries.len(), &shared.counts);
        }
    }

    /// Makes the triggers that it needs.
    pub(super) async fn migrate(&self, migrating: &Migrating<'_>) -> Result<()> {
        match &self.0 {
            Some(active) => active.source.triggers().migrate(migrating).await,
            None => Ok(()),
        }
    }

    /// Has the source look at the tables that have just been made.
    pub(super) fn migrated(&self) {
        if let Some(shared) = self.shared() {
            shared.wake.notify_one();
        }
    }

    /// Checks that the triggers are there.
    pub(super) async fn check(&self, parts: &Parts) -> Result<()> {
        match &self.0 {
            Some(active) => active.source.triggers().check(parts).await,
            None => Ok(()),
        }
    }

    fn shared(&self) -> Option<&Shared> {
        self.0.as_ref().map(|active| &*active.shared)
    }
}

impl Shared {
    /// Removes what a trigger has told of.
    fn changed(&self, told: &str) {
        let kind: Option<fn(Digest) -> Change> = match told.as_bytes().first() {
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
            self.counts.invalidations.add(1);
            self.entries.remove(change);
        }
    }

    /// Counts a heartbeat that was sent at that time: all that was committed before has been handed on.
    /// `false` if it is too late: the entries have not counted for a while.
    fn heartbeat(&self, sent: u64) -> bool {
        let now = Instant::now();
        if self.entries.open() {
            tracing::info!("the cache of lookups answers");
        } else if !self.freshness.is_fresh(now) {
            return false;
        }
        self.freshness.heartbeat(sent, now);
        true
    }

    /// Stops answering. Returns whether the cache answered.
    fn stop(&self) -> bool {
        self.freshness.stop();
        self.entries.close()
    }
}

/// The version of the tables that a source has seen last.
#[derive(Default)]
struct Version(Option<String>);

impl Version {
    /// Takes note of a version, before the heartbeat that tells it counts. Another one than before removes
    /// all entries. There are none before the first one.
    fn is(&mut self, version: String, shared: &Shared) {
        if self.0.as_ref().is_some_and(|known| *known != version) {
            shared.entries.remove(Change::Everything);
        }
        self.0 = Some(version);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let following = self.following.get_mut();
        if let Some(task) = following.unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl PendingChange<'_> {
    /// The session of this public id has ended by it.
    pub(super) fn session_ended(&self, id: &str) {
        if let (Some((shared, _)), Some(session)) = (&self.0, read_digest(id)) {
            shared.entries.remove(Change::Session(session));
        }
    }

    /// The user whom the database knows by this id has changed by it.
    pub(super) fn user_changed(&self, id: &UserId) {
        if let Some((shared, _)) = &self.0 {
            shared.entries.remove(Change::User(digest_of_user(id)));
        }
    }
}

impl Drop for PendingChange<'_> {
    fn drop(&mut self) {
        if let Some((shared, changes)) = self.0 {
            for change in changes.into_iter().flatten() {
                shared.entries.remove(change);
            }
        }
    }
}

/// The hash that a session's id is the text of.
fn digest_of(id: &SessionId) -> Digest {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    };
    let (pairs, _) = id.as_str().as_bytes().as_chunks::<2>();
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = value(*high) << 4 | value(*low);
    }
    digest
}

/// A hash out of its hexadecimal digits.
fn read_digest(text: &str) -> Option<Digest> {
    text.parse().ok().map(|id| digest_of(&id))
}

fn digest_of_user(id: &UserId) -> Digest {
    Sha256::digest(id.as_str()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        let id = Sha256::digest("a token");
        let text = id
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        assert_eq!(read_digest(&text), Some(id.into()));
        for text in [
            "",
            "*",
            &text[1..],
            &text[2..],
            &text.to_uppercase(),
            &"é".repeat(32),
        ] {
            assert_eq!(read_digest(text), None, "{text}");
        }
    }
}
